"""One training run of one stage, from where it is to its end, with everything that happens every so many steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import StandsForFeatures
from stackgan_cli.components.results import range_fault, refuse
from stackgan_cli.components.storage import load_component
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.files import write_text
from stackgan_cli.models.folder import SETTINGS, ModelFolder, forget_stage, set_aside
from stackgan_cli.progress import SILENT
from stackgan_cli.ranks import ALONE
from stackgan_cli.recipes.writing import to_toml
from stackgan_cli.training.assembly import Fitting, StageAssembly, assemble, build_batches, keep_objectives
from stackgan_cli.training.checkpoints import refuse_broken
from stackgan_cli.training.distribution import mean_over_ranks
from stackgan_cli.training.loop import StageTask, train
from stackgan_cli.training.optimizing import Length
from stackgan_cli.training.parts import Part
from stackgan_cli.training.publishing import Publisher
from stackgan_cli.training.recording import Recorder
from stackgan_cli.training.resuming import (
    MOST_ROLLBACKS,
    Trail,
    refuse_other_data,
    refuse_other_settings,
    refuse_other_stage1,
)
from stackgan_cli.training.samples import Samples
from stackgan_cli.training.starting import refuse_other_words, start_with
from stackgan_cli.training.watching import DivergedError, LossWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.evaluation.run_numbers import RunNumbers
    from stackgan_cli.machine import Machine
    from stackgan_cli.progress import Progress
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.evaluating import GeneratorEvaluation
    from stackgan_cli.training.given import GivenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is made, beside its settings: nothing here changes what is computed but for rounding."""

    machine: Machine
    ranks: Ranks = ALONE
    on_nan: Literal["stop", "rollback"] = "stop"
    compile: bool = False
    cuda_graphs: bool = False


class TrainingRun:
    """A run, ready to go on from where it is.

    Args:
        stage: 1 or 2.
        settings: of the stage.
        data: to train on.
        encoder: bare or full name of the text encoder, or None for the data's first.
        folder: of the model.
        options: device, precision, ranks and the like.
        recipe: name of the recipe, for the record.
        given: what the run was asked for, for the record.
        restart: set an earlier run of this stage aside and begin anew.
        trial: read only; nothing is written, renamed or deleted, so that it harms no run that is on its way.
        start: a model whose weights the run begins with, where it does not go on from a checkpoint.
        progress: told what a person should know.

    Raises:
        SettingsError: the settings differ from those of the run that would go on.
        ModelError: Stage-II without Stage-I, or a model that was trained on other data.
        DataError: the data lacks the pictures or the text features.
    """

    def __init__(
        self,
        stage: int,
        settings: StageSettings,
        data: PreparedData,
        *,
        encoder: str | None,
        folder: Path,
        options: RunOptions,
        recipe: str,
        given: GivenOptions | None = None,
        restart: bool = False,
        trial: bool = False,
        start: ModelFolder | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.stage, self.settings, self.data, self.folder, self.options = stage, settings, data, folder, options
        self.recipe, self._progress, self._start = recipe, progress, start
        self._writes, self._given = options.ranks.main and not trial, given
        self.losses: dict[str, float] = {}
        """As they were read last."""
        self.images_per_second = 0.0
        self.run_folder = folder / "training" / f"stage{stage}"
        self._encoder_folder = data.encoder_folder(encoder)
        if not (restart and stage == 1):
            refuse_other_data(folder, data, self._encoder_folder, stage)
        if start is not None:
            refuse_other_words(start, self._encoder_folder, data)
        if not restart:
            refuse_other_settings(self.run_folder, stage, settings, recipe)
            if stage == 2:
                refuse_other_stage1(folder)
        self.batches, self._widths = build_batches(settings, data, self._encoder_folder, options.machine, options.ranks)
        self.reads_captions = self._look_at_encoder()
        """Whether what is trained can read a sentence; not with features that came without their encoder."""
        self.length = self._length()
        self._assembled = self._assemble(restart, keep=not trial)
        self.task = self._begin()
        self.samples = Samples(data, self._encoder_folder, settings)
        self._evaluation = self._opened_evaluation()
        self._watch = LossWatch(lambda losses: mean_over_ranks(losses, options.ranks))
        if restart and self._writes:
            # Only now, when the new run is known to be able to begin.
            self._set_aside()
        self._trail = Trail(self.run_folder, options.machine, evaluated=self._evaluation is not None)
        self.step = self._take_up(0) if restart and trial else self._resume()
        self._publisher = Publisher(
            folder,
            stage,
            recipe=recipe,
            settings=settings,
            steps=self.steps,
            data=data,
            encoder_folder=self._encoder_folder,
            entries=self._assembled.entries,
            start=start,
        )

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.length.steps

    def _look_at_encoder(self) -> bool:
        """Say whether the text encoder reads sentences.

        Raises:
            DataError: the features that are kept beside it are not of the width that it gives.
            ModelError: it is damaged.
        """
        encoder = load_component(Kind.TEXT_ENCODER, self._encoder_folder)[0]
        if encoder.width != self._widths.sentence:
            raise DataError(
                f"{self._encoder_folder} holds features of width {self._widths.sentence}, and a text encoder that gives"
                f" {encoder.width}.",
                hint=f"stackgan prepare --data {self.data.shell_name} --force",
            )
        return not isinstance(encoder, StandsForFeatures)

    def make_ready(self) -> None:
        """Do what must be done once before the first step: draw a first batch, join the ranks, compile.

        Raises:
            ComponentError: the generator draws what is no picture.
        """
        options, text = self.options, self.batches.at(self.step).text
        low, high = (float(end) for end in torch.aminmax(self.task.sample(text, "try out").float()))
        refuse(self.task.parts.generator.described, range_fault(low, high))
        self.task.join_ranks()
        if options.compile or options.cuda_graphs:
            self.task.compile(cuda_graphs=options.cuda_graphs)

    def go(self) -> Iterator[int]:
        """Train to the end, yielding the steps done after each; logs, samples and checkpoints are written as it goes.

        Raises:
            DivergedError: a loss is no longer a finite number, and the run does not roll back, or did so in vain.
            StackganError: the disk is full or refuses.
        """
        self.make_ready()
        recorder = None
        try:
            if self.options.ranks.main:
                self._trail.keep_best()
            recorder = self._open_records()
            while self.step < self.steps:
                try:
                    yield from self._steps(recorder)
                except DivergedError as broken:
                    if self.options.on_nan == "stop":
                        raise
                    if recorder:
                        recorder.close()
                    self._roll_back(broken)
                    recorder = self._open_records()
        except StackganError as error:
            self._trail.add_last_good(error)
            raise
        finally:
            if recorder:
                recorder.close()

    def _steps(self, recorder: Recorder | None) -> Iterator[int]:
        settings = self.settings
        begun = self.step
        clock, counted = time.monotonic(), begun
        for progress in train(self.task, self.batches, self.step, self.steps):
            self.step = progress.step
            self._watch.note(progress)
            saves = self.due(settings.checkpoint_every) or self.due(settings.eval_every)
            distance = self.samples.distance(self.task) if saves else None
            logs = self.due(settings.log_every)
            if logs:
                self._read_losses(self.step - counted, time.monotonic() - clock)
                clock, counted = time.monotonic(), self.step
            elif self.step == begun + 1:
                # Whoever watches sees losses from the beginning.
                self.losses = self._watch.read()
            measuring = time.monotonic()
            numbers = self._evaluate() if self.due(settings.eval_every) else None
            clock += time.monotonic() - measuring
            if recorder and (logs or numbers):
                recorder.line(self.step, self._line(distance, numbers, losses=logs))
            if self.due(settings.sample_every):
                path = self.sample()
                if recorder:
                    recorder.picture(self.step, path)
            if saves:
                if recorder:
                    recorder.flush()
                self._save(distance, numbers)
            yield self.step

    def _read_losses(self, steps: int, seconds: float) -> None:
        self.losses = self._watch.read()
        self.images_per_second = round(steps * self.settings.batch_size / seconds, 2)

    def _line(self, distance: float | None, numbers: RunNumbers | None, *, losses: bool) -> dict[str, float]:
        """What the log says of a step, with the losses where they are due."""
        measured = {} if distance is None else {"distance": distance}
        measured |= {} if numbers is None else numbers.values
        return {**self.losses, **measured, "images_per_second": self.images_per_second} if losses else measured

    def _opened_evaluation(self) -> GeneratorEvaluation | None:
        """What measures the generator while it is trained, where that was asked for; on the main rank."""
        if not (self._writes and self.settings.eval_every):
            return None
        from stackgan_cli.training.evaluating import GeneratorEvaluation

        sketch_mean = self.stage == 2 and ModelFolder(self.folder).stage_record(1).condition == "mean"
        try:
            return GeneratorEvaluation(self.data, self.settings, self.samples, self._progress, sketch_mean=sketch_mean)
        except DataError as error:
            self._progress.warn(f"Nothing is measured while this trains: {error.message}")
            return None

    def _evaluate(self) -> RunNumbers | None:
        """Measure the generator as it is."""
        # Nothing is said of what has diverged.
        self._watch.read()
        return None if self._evaluation is None else self._evaluation.measure(self.task, self.step)

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps, or never, happens now; it also happens at the end."""
        return every > 0 and (self.step % every == 0 or self.step == self.steps)

    @property
    def saved(self) -> bool:
        """Whether the newest checkpoint and the model folder hold what the run has come to."""
        return self._trail.newest == self.step == self._publisher.published

    def save(self) -> None:
        """Write a checkpoint, and the stage as it is now into the model folder.

        Raises:
            StackganError: it would be no good checkpoint, or the disk is full or refuses.
        """
        try:
            self._save()
        except StackganError as error:
            self._trail.add_last_good(error)
            raise

    def _save(self, distance: float | None = None, numbers: RunNumbers | None = None) -> None:
        self._watch.read()
        if self.options.ranks.main:
            self._trail.save(self.task, self.step, self.settings.keep_checkpoints, distance, numbers)
            self._publisher.publish(self.task, self.step)
        else:
            # All ranks have the same weights, and must find alike whether to go on or back with them.
            refuse_broken(self.task, self.step)

    def sample(self) -> Path:
        """Draw the fixed captions and write the sheet ``samples/step-NNNNNN.png``."""
        path = self.run_folder / "samples" / f"step-{self.step:06d}.png"
        self.samples.draw(self.task, path)
        return path

    def parameters(self) -> dict[str, int]:
        """Count the weights of every network."""
        return {
            name: sum(weight.numel() for weight in network.parameters()) for name, network in self.task.networks.items()
        }

    def _assemble(self, restart: bool, *, keep: bool = True) -> StageAssembly:
        stage1 = None
        if self.stage == 2:
            model = ModelFolder(self.folder)
            stage1 = Part(model.stage1(), model.described(1))
        fitting = Fitting(
            self.data,
            self._encoder_folder,
            None if restart else self.run_folder,
            self._stage_fitted_to_this_data(),
            keep,
            self._progress,
        )
        return assemble(self.settings, self.stage, self._widths, stage1, fitting)

    def _stage_fitted_to_this_data(self) -> Path | None:
        """The stage that the run begins with, if what its objectives learnt beforehand is of this data."""
        start = self._start
        if start is None or start.manifest.data.fingerprint != self.data.fingerprint:
            return None
        return start.stage_folder(self.stage)

    def _begin(self) -> StageTask:
        options = self.options
        task = StageTask(self.settings, self._assembled.parts, options.machine, self.length, options.ranks)
        if self._start is not None:
            for note in start_with(task, self._assembled.entries, self._start, self.stage):
                self._progress.say(note)
        return task

    def _open_records(self) -> Recorder | None:
        """Open the run's records for writing, on the main rank."""
        if not self.options.ranks.main:
            return None
        write_text(self.run_folder / SETTINGS, to_toml(self.settings))
        if self._given is not None:
            self._given.write(self.run_folder)
        keep_objectives(self._assembled, self.run_folder)
        recorder = Recorder(self.run_folder, self.step, f"{self.folder.name}, Stage-{'I' * self.stage}")
        if self._trail.batches[-1].step == self.step > 0:
            recorder.change(self.step, {"batch_size": self.settings.batch_size})
        return recorder

    def _resume(self) -> int:
        if self._writes:
            self._trail.sweep()
        path, complaints = self._trail.resume(self.task)
        self.task.rate_scale = self._trail.rate_scale
        for complaint in complaints:
            self._progress.say(complaint)
        step = self._take_up(self._trail.newest or 0)
        if path is not None and step < self.steps:
            self._progress.say(f"Going on from step {step:,} of {self.steps:,} ({path}).")
            for change in self._trail.changes_since(path, self.settings):
                self._progress.say(change)
            if self.stage == 1 and (self.folder / "stage2").is_dir():
                self._progress.say(
                    "Stage-II was trained on the Stage-I so far; afterwards: train-stage2 with --restart."
                )
        return step

    def _take_up(self, step: int) -> int:
        """Count epochs, and the steps of the whole run, with batches of the size that they have from a step on."""
        span = self._trail.take_up(step, self.settings.batch_size, self.batches.pictures)
        self.batches.epochs.begin(span.step, span.epoch)
        self.length = self.task.length = self._length()
        return step

    def _length(self) -> Length:
        epochs = self.batches.epochs
        steps = self.settings.steps or epochs.end_of(self.settings.epochs or 0)
        return Length(steps, epochs.steps, epochs.first_step, epochs.first)

    def _roll_back(self, broken: DivergedError) -> None:
        """Go back to the last good checkpoint, or to the beginning, and go on with half the learning rate."""
        trail = self._trail
        if len(trail.rollbacks) == MOST_ROLLBACKS:
            broken.message += (
                f" It went back {MOST_ROLLBACKS} times, in vain, in the end with {trail.rate_scale:g} times the"
                " learning rate."
            )
            raise broken
        self._watch.forget()
        # Nobody reads a checkpoint before the main rank has finished writing it.
        self.options.ranks.any(False)
        if trail.roll_back(self.task, broken):
            self.step = self._take_up(trail.newest or 0)
        else:
            self._assembled = self._assemble(restart=False)
            self.task = self._begin()
            self.step = self._take_up(0)
            self.make_ready()
        self.task.rate_scale = trail.rate_scale
        self._progress.say(
            f"{broken.message} Back to step {self.step:,}, with {trail.rate_scale:g} times the learning rate."
        )

    def _set_aside(self) -> None:
        paths = [self.folder] if self.stage == 1 else [self.run_folder, self.folder / "stage2"]
        if self.stage == 2:
            # First of all, so that whoever draws meanwhile does not look for it.
            forget_stage(self.folder, 2)
        for aside in filter(None, map(set_aside, paths)):
            self._progress.say(f"The earlier run is kept as {aside}.")

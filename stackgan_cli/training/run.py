"""One training run of one stage: its folder, its settings, where it goes on, and what it leaves in the model folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from stackgan_cli.errors import StackganError
from stackgan_cli.files import sweep, write_text
from stackgan_cli.model_folder import (
    ModelFolder,
    forget_stage,
    hash_of,
    save_stage,
    save_text_encoder,
    set_aside,
    stage_facts,
)
from stackgan_cli.ranks import ALONE
from stackgan_cli.recipes.loading import to_toml
from stackgan_cli.training.adversarial import Length, StageTask
from stackgan_cli.training.building import build_batches, build_networks
from stackgan_cli.training.checkpoints import (
    checkpoint_path,
    keep_best,
    load_checkpoint,
    newest_checkpoint,
    read_record,
    save_checkpoint,
    thin_out,
)
from stackgan_cli.training.distribution import mean_over_ranks
from stackgan_cli.training.loop import train
from stackgan_cli.training.records import Records
from stackgan_cli.training.refusals import refuse_other_data, refuse_other_settings, refuse_other_stage1
from stackgan_cli.training.samples import Samples
from stackgan_cli.training.tuning import quickest_forms, set_forms, shapes_of
from stackgan_cli.training.watching import DivergedError, LossWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.machine import Machine
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import StageSettings

_MOST_ROLLBACKS = 8


@dataclass(frozen=True, slots=True)
class How:
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
        how: device, precision, ranks and the like.
        recipe: name of the recipe, for the record.
        restart: set an earlier run of this stage aside and begin anew.

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
        how: How,
        recipe: str,
        restart: bool = False,
    ) -> None:
        self.stage, self.settings, self.data, self.folder, self.how = stage, settings, data, folder, how
        self.recipe = recipe
        self.notes: list[str] = []
        self.losses: dict[str, float] = {}
        """As they were read last, and the speed since the reading before."""
        self.images_per_second = 0.0
        self.run_folder = folder / "training" / f"stage{stage}"
        self._checkpoints = self.run_folder / "checkpoints"
        self._encoder_folder = data.encoder_folder(encoder)
        if not (restart and stage == 1):
            refuse_other_data(folder, data, self._encoder_folder, stage)
        if not restart:
            refuse_other_settings(self.run_folder, settings)
            if stage == 2:
                refuse_other_stage1(folder)
        self.batches, self._text_width = build_batches(settings, data, self._encoder_folder, how.machine, how.ranks)
        self.steps = settings.steps or (settings.epochs or 0) * self.batches.steps_per_epoch
        self.task = self._build()
        self.samples = Samples(data, self._encoder_folder, settings)
        self._watch = LossWatch(lambda losses: mean_over_ranks(losses, how.ranks))
        self._rollbacks: list[dict[str, Any]] = []
        self._forms: dict[str, str] | None = None
        self._on_disk: int | None = None
        """Step of the newest checkpoint."""
        if restart and how.ranks.main:
            # Only now, when the new run is known to be able to begin.
            self._set_aside()
        self.step = self._resume()

    def make_ready(self) -> None:
        """Do what must be done once before the first step: choose the quickest forms, join the ranks, compile.

        A run that goes on keeps the forms that it chose, for another form rounds differently.
        """
        how, generator = self.how, self.task.generator
        if self._forms is None:
            text = self.batches.at(self.step).text
            # All ranks draw, because batch-norm may ask all of them; the main one measures.
            shapes = shapes_of(generator, lambda: self.task.try_out(text))
            forms = quickest_forms(shapes, how.machine) if how.ranks.main else {}
            self._forms = how.ranks.from_main(forms)
        for network in (generator, self.task.averaged.network):
            set_forms(network, self._forms)
        self.task.join_ranks()
        if how.compile or how.cuda_graphs:
            self.task.compile(cuda_graphs=how.cuda_graphs)

    def go(self) -> Iterator[int]:
        """Train to the end, yielding the steps done after each; logs, samples and checkpoints are written as it goes.

        Raises:
            DivergedError: a loss is no longer a finite number, and the run does not roll back, or did so in vain.
            StackganError: the disk is full or refuses.
        """
        self.make_ready()
        records = None
        try:
            if self._on_disk is not None and self.how.ranks.main:
                # The process that wrote it may have been killed before it came to this.
                keep_best(checkpoint_path(self._checkpoints, self._on_disk), self.run_folder / "best")
            records = self._open_records()
            while self.step < self.steps:
                try:
                    yield from self._steps(records)
                except DivergedError as broken:
                    if self.how.on_nan == "stop":
                        raise
                    if len(self._rollbacks) == _MOST_ROLLBACKS:
                        broken.message += (
                            f" It went back {_MOST_ROLLBACKS} times, in vain, in the end with "
                            f"{self.task.rate_scale:g} times the learning rate."
                        )
                        raise
                    if records:
                        records.close()
                    self._roll_back(broken)
                    records = self._open_records()
        except StackganError as error:
            raise self._with_last_good(error) from error
        finally:
            if records:
                records.close()

    def _steps(self, records: Records | None) -> Iterator[int]:
        settings = self.settings
        clock, counted = time.monotonic(), self.step
        for progress in train(self.task, self.batches, self.step, self.steps):
            self.step = progress.step
            self._watch.note(progress)
            distance = self.samples.distance(self.task) if self.due(settings.checkpoint_every) else None
            if self.due(settings.log_every):
                self._read_losses(self.step - counted, time.monotonic() - clock)
                clock, counted = time.monotonic(), self.step
                if records:
                    records.line(self.step, self._line(distance))
            if self.due(settings.sample_every):
                path = self.sample()
                if records:
                    records.picture(self.step, path)
            if self.due(settings.checkpoint_every):
                if records:
                    records.flush()
                self._save(distance)
            yield self.step

    def _read_losses(self, steps: int, seconds: float) -> None:
        self.losses = self._watch.read()
        self.images_per_second = round(steps * self.settings.batch_size / seconds, 2)

    def _line(self, distance: float | None) -> dict[str, float]:
        measured = {} if distance is None else {"distance": distance}
        return {**self.losses, **measured, "images_per_second": self.images_per_second}

    def take_notes(self) -> list[str]:
        """Return what the person should be told and has not been told yet."""
        notes, self.notes = self.notes, []
        return notes

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps happens now; it also happens at the end."""
        return self.step % every == 0 or self.step == self.steps

    @property
    def saved(self) -> bool:
        """Whether the newest checkpoint and the model folder hold what the run has come to."""
        path, _ = newest_checkpoint(self._checkpoints)
        there = path is not None and read_record(path)["step"] == self.step
        return there and stage_facts(self.folder, self.stage).get("steps") == self.step

    def save(self) -> None:
        """Write a checkpoint, and the stage as it is now into the model folder.

        Raises:
            StackganError: it would be no good checkpoint, or the disk is full or refuses.
        """
        try:
            self._save(None)
        except StackganError as error:
            raise self._with_last_good(error) from error

    def _save(self, distance: float | None) -> None:
        self._watch.read()
        if not self.how.ranks.main:
            return
        facts = {
            "distance": distance,
            "rollbacks": self._rollbacks,
            "machine": self.how.machine.name,
            "precision": self.how.machine.precision,
            "forms": self._forms,
        }
        path = checkpoint_path(self._checkpoints, self.step)
        if self._on_disk != self.step:
            save_checkpoint(self._checkpoints, self.task, self.step, facts)
            self._on_disk = self.step
        keep_best(path, self.run_folder / "best")
        thin_out(self._checkpoints, self.settings.keep_checkpoints)
        self._save_model()

    def sample(self) -> Path:
        """Draw the fixed captions and write the sheet ``samples/step-NNNNNN.png``."""
        path = self.run_folder / "samples" / f"step-{self.step:06d}.png"
        self.samples.draw(self.task, path)
        return path

    def parameters(self) -> dict[str, int]:
        """Count the weights of both networks."""
        networks = {"generator": self.task.generator, "discriminator": self.task.discriminator}
        return {name: sum(weight.numel() for weight in network.parameters()) for name, network in networks.items()}

    def _save_model(self) -> None:
        if not (self.folder / "text_encoder").is_dir():
            save_text_encoder(self.folder, self._encoder_folder)
        generator, discriminator = self._entries
        facts = {
            "recipe": self.recipe,
            "resolution": self.settings.resolution,
            "steps": self.step,
            "of": self.steps,
            "batch_size": self.settings.batch_size,
            "seed": self.settings.seed,
            "precision": self.how.machine.precision,
        }
        if self.stage == 2:
            facts["stage1"] = hash_of(self.folder / "stage1")
        save_stage(
            self.folder,
            self.stage,
            generator=(self.task.averaged.network, generator),
            discriminator=(self.task.discriminator, discriminator),
            facts=facts,
            data={"name": self.data.name, "fingerprint": self.data.fingerprint},
        )

    def _build(self) -> StageTask:
        stage1 = ModelFolder(self.folder).stage1() if self.stage == 2 else None
        generator, discriminator = build_networks(self.settings, self.stage, self._text_width, stage1)
        self._entries = generator.entry, discriminator.entry
        length = Length(self.steps, self.batches.steps_per_epoch)
        frozen: Any = stage1
        return StageTask(
            self.settings, generator.network, discriminator.network, self.how.machine, length, frozen, self.how.ranks
        )

    def _open_records(self) -> Records | None:
        """Open the run's records for writing, on the main rank."""
        if not self.how.ranks.main:
            return None
        self.run_folder.mkdir(parents=True, exist_ok=True)
        write_text(self.run_folder / "settings.toml", to_toml(self.settings))
        return Records(self.run_folder, self.step, f"{self.folder.name}, Stage-{'I' * self.stage}")

    def _resume(self) -> int:
        if self.how.ranks.main:
            for folder in (self._checkpoints, self.run_folder, self.run_folder / "samples", self.folder):
                sweep(folder)
        path, complaints = newest_checkpoint(self._checkpoints)
        self.notes += complaints
        if path is None:
            return 0
        record = self._load(path)
        step = int(record["step"])
        if step < self.steps:
            self.notes.append(f"Going on from step {step:,} of {self.steps:,} ({path}).")
            self._note_changes(record)
        return step

    def _load(self, path: Path) -> dict[str, Any]:
        record = read_record(path)
        load_checkpoint(path, self.task)
        self._on_disk = int(record["step"])
        self._rollbacks = list(record.get("rollbacks") or [])
        self.task.rate_scale = 0.5 ** len(self._rollbacks)
        machine = self.how.machine
        if (record.get("machine"), record.get("precision")) == (machine.name, machine.precision):
            self._forms = record.get("forms")
        return record

    def _note_changes(self, record: dict[str, Any]) -> None:
        machine = self.how.machine
        for what, now in (("precision", machine.precision), ("machine", machine.name)):
            if record.get(what) not in (None, now):
                self.notes.append(
                    f"So far it was trained with another {what} ({record[what]}, now {now}), which rounds differently."
                )
        if self.stage == 1 and (self.folder / "stage2").is_dir():
            self.notes.append("Stage-II was trained on the Stage-I so far; afterwards: train-stage2 with --restart.")

    def _roll_back(self, broken: DivergedError) -> None:
        """Go back to the last good checkpoint, or to the beginning, and go on with half the learning rate."""
        self._watch.forget()
        # Nobody reads a checkpoint before the main rank has finished writing it.
        self.how.ranks.any(False)
        path, _ = newest_checkpoint(self._checkpoints)
        rollbacks = [*self._rollbacks, {"step": broken.step, "what": broken.what}]
        if path is None:
            self.task, self.step = self._build(), 0
            self.make_ready()
        else:
            self.step = int(self._load(path)["step"])
        self._rollbacks = rollbacks
        self.task.rate_scale = 0.5 ** len(rollbacks)
        self.notes.append(
            f"{broken.message} Back to step {self.step:,}, with {self.task.rate_scale:g} times the learning rate."
        )

    def _with_last_good(self, error: StackganError) -> StackganError:
        path, _ = newest_checkpoint(self._checkpoints)
        last = f"The last good checkpoint is {path}." if path else "There is no checkpoint yet."
        told = StackganError(f"{error.message} {last}", error.hint)
        told.exit_code = error.exit_code
        return told

    def _set_aside(self) -> None:
        paths = [self.folder] if self.stage == 1 else [self.run_folder, self.folder / "stage2"]
        for aside in filter(None, map(set_aside, paths)):
            self.notes.append(f"The earlier run is kept as {aside}.")
        if self.stage == 2:
            forget_stage(self.folder, 2)

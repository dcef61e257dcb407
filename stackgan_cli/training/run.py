"""One training run of one stage: its folder, its settings, where it goes on, and what it leaves in the model folder."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.building import build, entry
from stackgan_cli.components.registry import Kind, find
from stackgan_cli.data.batches import Batches
from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.home import MANIFEST, write_text
from stackgan_cli.model_folder import (
    STAGES,
    ModelFolder,
    forget_stage,
    hash_of,
    save_stage,
    save_text_encoder,
    set_aside,
)
from stackgan_cli.randomness import seed_of
from stackgan_cli.recipes.loading import check, read_toml, to_toml
from stackgan_cli.recipes.schema import MAY_CHANGE, StageSettings
from stackgan_cli.training.adversarial import Length, StageTask
from stackgan_cli.training.checkpoints import load_checkpoint, newest_checkpoint, save_checkpoint
from stackgan_cli.training.loop import train
from stackgan_cli.training.samples import SampleSheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import nn

    from stackgan_cli.data.prepared import PreparedData
    from stackgan_cli.machine import Machine
    from stackgan_cli.training.loop import Progress


class TrainingRun:
    """A run, ready to go on from where it is.

    Args:
        stage: 1 or 2.
        settings: of the stage.
        data: to train on.
        encoder: bare or full name of the text encoder, or None for the data's first.
        folder: of the model.
        machine: device and precision.
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
        machine: Machine,
        recipe: str,
        restart: bool = False,
    ) -> None:
        self.stage, self.settings, self.data, self.folder, self.machine = stage, settings, data, folder, machine
        self.recipe = recipe
        self.notes: list[str] = []
        self.run_folder = folder / "training" / f"stage{stage}"
        self._encoder_folder = data.encoder_folder(encoder)
        if not (restart and stage == 1):
            self._refuse_other_data()
        if not restart:
            self._refuse_other_settings()
            if stage == 2:
                self._refuse_other_stage1()
        features = data.train.features(self._encoder_folder)
        store = data.train.store(settings.resolution)
        store.hold()
        self.batches = Batches(
            store,
            features,
            data.train.classes,
            resolution=settings.resolution,
            batch_size=settings.batch_size,
            captions_averaged=settings.captions_averaged,
            flip=settings.flip,
            seed=settings.seed,
            device=machine.device,
        )
        self.steps = settings.steps or (settings.epochs or 0) * self.batches.steps_per_epoch
        self.task, self._entries = self._build(features.width)
        self.samples = SampleSheet(data, self._encoder_folder)
        if restart:
            # Only now, when the new run is known to be able to begin.
            self._set_aside()
        self.step = self._resume()

    def go(self) -> Iterator[Progress]:
        """Train to the end, yielding after each step; the log is written as it goes.

        Raises:
            StackganError: a loss is no longer a finite number.
        """
        self.run_folder.mkdir(parents=True, exist_ok=True)
        write_text(self.run_folder / "settings.toml", to_toml(self.settings))
        self._trim_log()
        started, first = time.monotonic(), self.step
        with (self.run_folder / "log.jsonl").open("a", encoding="utf-8") as log:
            for progress in train(self.task, self.batches, self.step, self.steps):
                self.step = progress.step
                if self.due(self.settings.log_every):
                    line: dict[str, Any] = {"step": self.step, **self.read(progress)}
                    line["images_per_second"] = round(
                        (self.step - first) * self.settings.batch_size / (time.monotonic() - started), 2
                    )
                    log.write(json.dumps(line) + "\n")
                    log.flush()
                yield progress

    def due(self, every: int) -> bool:
        """Whether something that happens every so many steps happens now; it also happens at the end."""
        return self.step % every == 0 or self.step == self.steps

    def read(self, progress: Progress) -> dict[str, float]:
        """Read the losses of a step, which waits for the device.

        Raises:
            StackganError: one of them is not finite.
        """
        names = list(progress.losses)
        values = torch.stack([progress.losses[name].float() for name in names]).tolist()
        losses = {name: round(value, 5) for name, value in zip(names, values, strict=True)}
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            path, _ = newest_checkpoint(self.run_folder / "checkpoints")
            raise SettingsError(
                f"The loss {broken[0]!r} is {losses[broken[0]]} at step {progress.step}, so training cannot go on. "
                f"The last good checkpoint is {path or 'none'}.",
                hint="--set generator_optimizer.learning_rate=1e-4 --restart, or --precision float32",
            )
        return losses

    def save(self) -> Path:
        """Write a checkpoint, and the stage as it is now into the model folder."""
        path = save_checkpoint(self.run_folder / "checkpoints", self.task, self.step, self.settings.keep_checkpoints)
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
            "precision": self.machine.precision,
        }
        if self.stage == 2:
            facts["stage1"] = self._stage1_hash()
        save_stage(
            self.folder,
            self.stage,
            generator=(self.task.averaged.network, generator),
            discriminator=(self.task.discriminator, discriminator),
            facts=facts,
            data={"name": self.data.name, "fingerprint": self.data.fingerprint},
        )
        return path

    def sample(self) -> Path:
        """Draw the fixed captions and write the sheet ``samples/step-NNNNNN.png``."""
        path = self.run_folder / "samples" / f"step-{self.step:06d}.png"
        self.samples.draw(self.task, path)
        return path

    def parameters(self) -> dict[str, int]:
        """Count the weights of both networks."""
        networks: Mapping[str, nn.Module] = {
            "generator": self.task.generator,
            "discriminator": self.task.discriminator,
        }
        return {name: sum(weight.numel() for weight in network.parameters()) for name, network in networks.items()}

    def _build(self, text_width: int) -> tuple[StageTask, tuple[dict[str, Any], dict[str, Any]]]:
        settings = self.settings
        stage1 = ModelFolder(self.folder).stage1() if self.stage == 2 else None
        host: dict[str, object] = {"text_width": text_width, "resolution": settings.resolution}
        if stage1 is not None:
            host["input_resolution"] = stage1.resolution
        networks: list[Any] = []
        entries: list[dict[str, Any]] = []
        for kind, choice in (
            (STAGES[self.stage], settings.generator),
            (Kind.DISCRIMINATOR, settings.discriminator),
        ):
            if kind is Kind.DISCRIMINATOR and settings.judge_by == "condition":
                host = {**host, "text_width": _condition_width(networks[0])}
            component = find(kind, choice.name)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(settings.seed, self.stage, kind))
                networks.append(build(kind, component.full_name, host=host, options=choice.options))
            entries.append(entry(component, host, choice.options))
        length = Length(self.steps, self.batches.steps_per_epoch)
        frozen: Any = stage1
        task = StageTask(settings, networks[0], networks[1], self.machine, length, frozen)
        return task, (entries[0], entries[1])

    def _resume(self) -> int:
        path, complaints = newest_checkpoint(self.run_folder / "checkpoints")
        self.notes += complaints
        if path is None:
            return 0
        step = load_checkpoint(path, self.task)
        if step < self.steps:
            self.notes.append(f"Going on from step {step:,} of {self.steps:,} ({path}).")
            self._note_later_stage()
        return step

    def _note_later_stage(self) -> None:
        if self.stage == 1 and (self.folder / "stage2").is_dir():
            self.notes.append("Stage-II was trained on the Stage-I so far; afterwards: train-stage2 with --restart.")

    def _stage1_hash(self) -> str:
        return hash_of(self.folder / "stage1")

    def _trim_log(self) -> None:
        """Drop lines of steps that will be trained again: those after the checkpoint that the run goes on from."""
        path = self.run_folder / "log.jsonl"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_text(path, "".join(line for line in lines if _step_in(line) <= self.step))

    def _set_aside(self) -> None:
        paths = [self.folder] if self.stage == 1 else [self.run_folder, self.folder / "stage2"]
        for aside in filter(None, map(set_aside, paths)):
            self.notes.append(f"The earlier run is kept as {aside}.")
        if self.stage == 2:
            forget_stage(self.folder, 2)

    def _refuse_other_data(self) -> None:
        if not (self.folder / MANIFEST).is_file():
            if self.folder.exists() and {path.name for path in self.folder.iterdir()} - {"training", "text_encoder"}:
                raise ModelError(
                    f"{self.folder} exists already and is no model, so it is left alone.",
                    hint="--name with a name, or with the path of a folder that does not exist yet",
                )
            if self.stage == 2:
                name = "" if self.folder.name == self.data.name else f" --name {self.folder.name}"
                raise ModelError(
                    f"There is no Stage-I in {self.folder} that Stage-II could build on.",
                    hint=f"stackgan train-stage1 --data {self.data.name}{name}",
                )
            return
        model = ModelFolder(self.folder)
        same_data = model.manifest["data"].get("fingerprint") == self.data.fingerprint
        if not same_data or model.encoder_hash() != hash_of(self._encoder_folder):
            changed = "text encoder" if same_data else "data"
            raise ModelError(
                f"The model {self.folder.name!r} was trained with another {changed} than {self.data.name!r} has now.",
                hint="--name for a new model, or train-stage1 with --restart (the old one is kept beside it)",
            )

    def _refuse_other_stage1(self) -> None:
        stages = ModelFolder(self.folder).manifest["stages"]
        if stages.get("2", {}).get("stage1", self._stage1_hash()) != self._stage1_hash():
            raise ModelError(
                f"The Stage-II of {self.folder.name!r} was trained on another Stage-I than the model has now.",
                hint="--restart to train Stage-II anew (the old one is kept beside it)",
            )

    def _refuse_other_settings(self) -> None:
        path = self.run_folder / "settings.toml"
        if not path.is_file():
            return
        before = check(StageSettings, read_toml(path), what=f"{path}").model_dump()
        now = self.settings.model_dump()
        differences = [
            f"{key} was {before[key]!r} and is now {now[key]!r}"
            for key in now
            if key not in MAY_CHANGE and before[key] != now[key]
        ]
        if differences:
            raise SettingsError(
                f"The run in {self.run_folder} has other settings: {'; '.join(differences)}.",
                hint="the same settings to go on, --restart to begin anew beside it, or --name for another model",
            )


def _step_in(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _condition_width(generator: nn.Module) -> int:
    width = getattr(generator, "condition_width", None)
    if not isinstance(width, int):
        raise SettingsError(
            f"The generator {type(generator).__name__} says no condition_width, so nothing can judge by its condition.",
            hint='--set judge_by="text"',
        )
    return width

"""Where a run goes on, and what it refuses to go on with: other data, another Stage-I, other settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.files import discard, sweep
from stackgan_cli.home import MANIFEST, model_folder, shell_name
from stackgan_cli.locks import is_lock
from stackgan_cli.models.card import CARD
from stackgan_cli.models.folder import (
    FILES_THAT_DRAW,
    SETTINGS,
    TEXT_ENCODER,
    ModelFolder,
    checkpoints_of,
    has_another_stage1,
    hash_of,
    set_aside,
    stage_record,
)
from stackgan_cli.recipes.loading import check, read_toml, with_full_names
from stackgan_cli.recipes.schema import MAY_CHANGE, StageSettings
from stackgan_cli.training.checkpoints import (
    BatchSpan,
    CheckpointRecord,
    Rollback,
    checkpoint_path,
    damage_to,
    holds_nothing_else,
    keep_best,
    load_checkpoint,
    read_record,
    save_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.errors import StackganError
    from stackgan_cli.evaluation.run_numbers import RunNumbers
    from stackgan_cli.machine import Machine
    from stackgan_cli.training.loop import StageTask
    from stackgan_cli.training.watching import DivergedError

MOST_ROLLBACKS = 8


class Trail:
    """The checkpoints of a run, and what they say of its past.

    Args:
        run_folder: of the run; it need not exist.
        machine: that the run goes on with.
        evaluated: whether the best checkpoint is told by what the run measures of its generator.
    """

    def __init__(self, run_folder: Path, machine: Machine, *, evaluated: bool = False) -> None:
        self.folder, self.best = run_folder / "checkpoints", run_folder / "best"
        self._run_folder, self._machine, self._evaluated = run_folder, machine, evaluated
        self.rollbacks: tuple[Rollback, ...] = ()
        self.batches: tuple[BatchSpan, ...] = ()
        self._before = settings_of(run_folder)
        self.newest: int | None = None
        """Step of the checkpoint that the run goes on from, or has written since."""
        self._faults: dict[Path, str | None] = {}
        """Why a checkpoint that was looked at is of no use; None for one that can be gone on from."""

    def sweep(self) -> None:
        """Undo what killed processes left half written in the folders of the run and of its model."""
        model = self._run_folder.parent.parent
        for folder in (self.folder, self._run_folder, self._run_folder / "samples", model):
            sweep(folder)

    def resume(self, task: StageTask) -> tuple[Path | None, list[str]]:
        """Load the newest checkpoint that is whole and fits, where there is one.

        Returns:
            The checkpoint, and a sentence for each newer one that is passed over.

        Raises:
            ModelError: there are whole ones, but not one of them fits the task's networks.
        """
        self._faults.clear()
        self.newest = None
        complaints, misfit = [], None
        for path in checkpoints_of(self._run_folder).values():
            if damage := self._fault(path):
                complaints.append(f"The checkpoint {path} is damaged ({damage}) and is passed over.")
                continue
            try:
                self._load(path, task)
            except ModelError as error:
                misfit = misfit or error
                self._faults[path] = error.message
                complaints.append(f"The checkpoint {path} does not fit and is passed over: {error.message}")
            else:
                return path, complaints
        if misfit is not None:
            # What was trained is not lost by beginning anew in its place.
            misfit.hint = "the components that it was trained with, or --restart to begin anew beside it"
            raise misfit
        return None, complaints

    def changes_since(self, checkpoint: Path, settings: StageSettings) -> list[str]:
        """Say what the run went on with so far that is another now."""
        return [*self._changes_of_batches(settings), *self._changes_of_machine(read_record(checkpoint))]

    def _changes_of_batches(self, settings: StageSettings) -> Iterator[str]:
        *_, before, now = (None, *self.batches)
        if before is not None and now is not None and now.step == self.newest:
            yield (
                f"The batch size was {before.batch_size:,} and is {now.batch_size:,} from here on:"
                f" step {now.step + 1:,} begins epoch {now.epoch + 1:,}."
            )
        if self._before is not None and self._before.stream != settings.stream:
            yield f"The shards were at {self._before.stream} and are at {settings.stream} now."

    def _changes_of_machine(self, record: CheckpointRecord) -> list[str]:
        pairs = [
            ("precision", record.precision, self._machine.precision),
            ("machine", record.machine, self._machine.name),
        ]
        return [
            f"So far it was trained with another {what} ({before}, now {now}), which rounds differently."
            for what, before, now in pairs
            if before not in (None, now)
        ]

    def take_up(self, step: int, batch_size: int, pictures: int) -> BatchSpan:
        """Go on from a step with batches of a size; another size than before begins an epoch, wherever the last one is.

        Returns:
            The span that the step lies in.
        """
        before = batch_size if self._before is None else self._before.batch_size
        spans = self.batches or (BatchSpan(step=0, epoch=0, batch_size=before),)
        last = spans[-1]
        if last.batch_size != batch_size:
            steps = max(1, pictures // last.batch_size)
            epoch = last.epoch + math.ceil((step - last.step) / steps)
            # A size that no step was trained with is forgotten.
            spans = tuple(span for span in spans if span.step < step)
            spans = (*spans, BatchSpan(step=step, epoch=epoch, batch_size=batch_size))
        self.batches = spans
        return spans[-1]

    def roll_back(self, task: StageTask, broken: DivergedError) -> bool:
        """Go back to the newest checkpoint, and go on with half the learning rate.

        Returns:
            Whether there was one; else the run has to be built anew.
        """
        self.rollbacks = (*self.rollbacks, Rollback(step=broken.step, what=broken.what))
        after = self.rollbacks
        self.batches = ()
        path, _ = self.resume(task)
        self.rollbacks = after
        return path is not None

    @property
    def rate_scale(self) -> float:
        """What the learning rates are multiplied with after all the times that the run went back."""
        return float(0.5 ** len(self.rollbacks))

    def save(
        self, task: StageTask, step: int, keep: int, distance: float | None = None, evaluation: RunNumbers | None = None
    ) -> None:
        """Write a checkpoint unless it is there, keep the best one, and delete whole ones that are too many.

        What the run has passed over, and what a person has put there, is neither counted nor deleted.

        Args:
            task: whose state is written.
            step: steps trained.
            keep: newest checkpoints that stay.
            distance: of its pictures from real ones, where it was measured.
            evaluation: what was measured of its generator, where it was.

        Raises:
            DivergedError: a weight is no finite number.
            StackganError: the disk is full or refuses.
        """
        if self.newest != step:
            record = CheckpointRecord(
                step=step,
                distance=distance,
                evaluation=evaluation,
                rollbacks=self.rollbacks,
                batches=self.batches,
                machine=self._machine.name,
                precision=self._machine.precision,
            )
            self._make_way(checkpoint_path(self.folder, step))
            self._faults[save_checkpoint(self.folder, task, record)] = None
            self.newest = step
        self.keep_best()
        for old in self._good(up_to=step)[keep:]:
            if holds_nothing_else(old):
                discard(old)

    def keep_best(self) -> None:
        """Keep the newest checkpoint as the best one, if it is; a killed process may not have come to this."""
        if self.newest is not None:
            keep_best(checkpoint_path(self.folder, self.newest), self.best, evaluated=self._evaluated)

    def add_last_good(self, error: StackganError) -> None:
        """Add to an error which checkpoint the run can go on from."""
        good = self._good()
        error.message += f" The last good checkpoint is {good[0]}." if good else " There is no checkpoint yet."

    def _good(self, up_to: int | None = None) -> list[Path]:
        """Checkpoints that can be gone on from, the newest first."""
        there = checkpoints_of(self._run_folder).items()
        return [path for step, path in there if (up_to is None or step <= up_to) and self._fault(path) is None]

    def _fault(self, path: Path) -> str | None:
        if path not in self._faults:
            self._faults[path] = damage_to(path)
        return self._faults[path]

    def _make_way(self, path: Path) -> None:
        """Set aside what has the name of a new checkpoint and is more than a damaged one."""
        if path.exists() and not (holds_nothing_else(path) and damage_to(path)):
            set_aside(path)

    def _load(self, path: Path, task: StageTask) -> None:
        record = read_record(path)
        load_checkpoint(path, task)
        self.newest = record.step
        self.rollbacks = record.rollbacks
        self.batches = record.batches


def refuse_other_data(folder: Path, data: PreparedData, encoder_folder: Path, stage: int) -> None:
    """Refuse a model folder that is none, lacks Stage-I where it is needed, or was trained on other data.

    Raises:
        ModelError: saying which, and what to do.
    """
    if (folder / MANIFEST).is_file():
        model = ModelFolder(folder)
        same_data = model.manifest.data.fingerprint == data.fingerprint
        if not same_data or model.encoder_hash() != hash_of(encoder_folder):
            changed = "text encoder" if same_data else "data"
            raise ModelError(
                f"The model {folder.name!r} was trained with another {changed} than {data.name!r} has now.",
                hint="--name for a new model, or train-stage1 with --restart (the old one is kept beside it)",
            )
        return
    there = {path.name for path in folder.iterdir() if not is_lock(path)} if folder.exists() else set()
    begun = {"training", TEXT_ENCODER}
    if checkpoints_of(folder / "training" / f"stage{stage}"):
        # A run that was killed while it wrote its first model, whose manifest, the last of it, is not there yet.
        begun |= {CARD, *(name.partition("/")[0] for name in FILES_THAT_DRAW)}
    if there - begun:
        raise ModelError(
            f"{folder} exists already and is no model, so it is left alone.",
            hint="--name with a name, or with the path of a folder that does not exist yet",
        )
    if stage == 2:
        name = "" if folder == model_folder(data.name) else f" --name {shell_name(folder, 'models')}"
        raise ModelError(
            f"There is no Stage-I in {folder} that Stage-II could build on.",
            hint=f"stackgan train-stage1 --data {data.shell_name}{name}",
        )


def refuse_other_stage1(folder: Path) -> None:
    """Refuse to go on with a Stage-II that was trained on another Stage-I than the model has now.

    Raises:
        ModelError: it was.
    """
    if has_another_stage1(folder):
        raise ModelError(
            f"The Stage-II of {folder.name!r} was trained on another Stage-I than the model has now.",
            hint="--restart to train Stage-II anew (the old one is kept beside it)",
        )


def _differences(key: str, before: Any, now: Any) -> list[str]:
    """Say what was and what is now, a line for each setting that differs, by its dotted key."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(each for each in now if each not in before)]
        return [
            line
            for each in keys
            if before.get(each) != now.get(each)
            for line in _differences(f"{key}.{each}", before.get(each), now.get(each))
        ]
    return [f"{key} was {_plain(before)} and is now {_plain(now)}"]


def _plain(value: Any) -> str:
    """A value as short as it can be said: of a component its name and its options, of several a list."""
    if isinstance(value, dict) and "name" in value:
        rest = ", ".join(f"{key} {_plain(each)}" for key, each in value.items() if key != "name" and each)
        return f"{value['name']}" + (f" ({rest})" if rest else "")
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not set" if value is None else str(value)


def settings_of(run_folder: Path) -> StageSettings | None:
    """The settings that a run had last; None where there is no run.

    Raises:
        SettingsError: the file that holds them is damaged.
    """
    path = run_folder / SETTINGS
    return check(StageSettings, read_toml(path), what=f"{path}") if path.is_file() else None


def refuse_other_settings(run_folder: Path, stage: int, settings: StageSettings, recipe: str) -> None:
    """Refuse settings that differ from those that a run began with, but for those that may.

    Args:
        run_folder: of the run.
        stage: 1 or 2.
        settings: that it would go on with.
        recipe: that they come from.

    Raises:
        SettingsError: listing what was and what is now.
    """
    earlier = settings_of(run_folder)
    if earlier is None:
        return
    before, now = with_full_names(earlier, stage).model_dump(), settings.model_dump()
    # Shards may move; but a stream has another order than the prepared data's own table.
    moved = {"stream"} if before["stream"] and now["stream"] else set()
    changed = [key for key in now if key not in MAY_CHANGE | moved and before[key] != now[key]]
    if changed:
        record = stage_record(run_folder.parent.parent, stage)
        lines = [line for key in changed for line in _differences(key, before[key], now[key])]
        if record is not None and record.recipe not in ("", recipe):
            # Whoever named another recipe by mistake need not read further.
            lines.insert(0, f"recipe was {record.recipe} and is now {recipe}")
        raise SettingsError(
            "\n  ".join([f"The run in {run_folder} has other settings:", *lines]),
            hint="the same settings to go on, --restart to begin anew beside it, or --name for another model",
        )

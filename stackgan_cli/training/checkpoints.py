"""Checkpoints: everything a run needs to go on, written whole or not at all, checked to the last bit before use."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from stackgan_cli.components.storage import load_weights, read_weights, refuse_misfit, weights_of, write_tensors
from stackgan_cli.errors import ModelError
from stackgan_cli.evaluation.run_numbers import RunNumbers
from stackgan_cli.files import atomic_folder, open_regular
from stackgan_cli.manifests import Manifest, checked, read_json
from stackgan_cli.training.watching import DivergedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.training.loop import StageTask

RECORD = "checkpoint.json"
_PREFIX = "step-"
_COUNT = "step"
_SLOTS = {_COUNT, "exp_avg", "exp_avg_sq"}
"""What Adam keeps of a weight: the steps that it has taken, one number, and two means of the weight's own shape."""


class Rollback(Manifest):
    """A time that a run went back, because something was no number."""

    step: int
    what: str


class BatchSpan(Manifest):
    """A step from which on a run has had batches of one size."""

    step: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    """That the step began."""
    batch_size: Annotated[int, Field(ge=1)]


class CheckpointRecord(Manifest):
    """``checkpoint.json``: what a checkpoint says of itself."""

    step: Annotated[int, Field(ge=0)]
    """Steps trained."""
    distance: float | None = None
    """Sliced Wasserstein distance of its pictures from real ones, where it was measured."""
    evaluation: RunNumbers | None = None
    """What was measured of its generator, where it was."""
    rollbacks: tuple[Rollback, ...] = ()
    batches: tuple[BatchSpan, ...] = ()
    """Sizes of the batches so far, in their order; empty in a record that was written when they could not change."""
    machine: str | None = None
    precision: str | None = None
    sha256: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")], str] = Field(default_factory=dict)
    """Of every file beside it."""
    seal: str | None = None
    """SHA-256 of everything else here; None in a record that was written before there was one."""


def save_checkpoint(folder: Path, task: StageTask, record: CheckpointRecord) -> Path:
    """Write a checkpoint.

    Args:
        folder: of the checkpoints.
        task: whose state is written.
        record: what to write into its record, but for the hashes.

    Raises:
        DivergedError: a weight is no finite number, so that this would be no good checkpoint.
        StackganError: the disk is full or refuses.
    """
    target = checkpoint_path(folder, record.step)
    state = _state(task)
    _refuse_broken_numbers(state, record.step)
    with atomic_folder(target) as temporary:
        hashes = {}
        for name, tensors in state.items():
            path = temporary / f"{name}.safetensors"
            write_tensors(path, tensors)
            hashes[path.name] = _hash(path)
        value = record.model_copy(update={"sha256": hashes}).as_json()
        value["seal"] = _seal(value)
        (temporary / RECORD).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return target


def refuse_broken(task: StageTask, step: int) -> None:
    """Refuse a state that :func:`save_checkpoint` would refuse, and write nothing.

    Raises:
        DivergedError: a weight is no finite number after ``step`` steps.
    """
    _refuse_broken_numbers(_state(task), step)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps lies, or would lie."""
    return folder / f"{_PREFIX}{step:06d}"


def keep_best(checkpoint: Path, best: Path, *, evaluated: bool) -> bool:
    """Keep a checkpoint as the best one if its pictures are better than those of the best so far.

    Args:
        checkpoint: a folder that :func:`save_checkpoint` wrote.
        best: folder of the best one so far, which need not exist; the files are linked, not copied, where that works.
        evaluated: whether the run evaluates its generator, and the best is told by that; else it is told by the
            distance of its pictures from real ones.

    Returns:
        Whether it is the best now.
    """
    now, so_far = _record(checkpoint), _record(best)
    if now is None or not _is_better(now, so_far, evaluated=evaluated):
        return False
    with atomic_folder(best) as temporary:
        for path in checkpoint.iterdir():
            try:
                (temporary / path.name).hardlink_to(path)
            except OSError:
                shutil.copyfile(path, temporary / path.name)
    return True


def _is_better(now: CheckpointRecord, so_far: CheckpointRecord | None, *, evaluated: bool) -> bool:
    if evaluated:
        return now.evaluation is not None and now.evaluation.beat(None if so_far is None else so_far.evaluation)
    if now.distance is None:
        return False
    return so_far is None or so_far.distance is None or now.distance < so_far.distance


def _record(checkpoint: Path) -> CheckpointRecord | None:
    try:
        return read_record(checkpoint)
    except ModelError:
        return None


def damage_to(checkpoint: Path) -> str | None:
    """Say what is wrong with a checkpoint's files; None where it is whole."""
    try:
        hashes = read_record(checkpoint).sha256
        damaged = [name for name, digest in hashes.items() if _hash(checkpoint / name) != digest]
    except ModelError as error:
        return error.message.rstrip(".")
    except OSError as error:
        return str(error)
    if not hashes:
        return f"{checkpoint / RECORD} names no files"
    return ", ".join(damaged) or None


def holds_nothing_else(folder: Path) -> bool:
    """Whether a folder holds nothing but files of a checkpoint, and nothing that a person has put there."""
    shown = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    return all(name == RECORD or name.endswith(".safetensors") for name in shown)


def read_record(path: Path) -> CheckpointRecord:
    """Read what a checkpoint says of itself.

    Raises:
        ModelError: there is no record, it is malformed, or it is not what was written.
    """
    value = read_json(path / RECORD)
    record = checked(CheckpointRecord, value, what=str(path / RECORD))
    if record.seal not in (None, _seal(value)) or (
        path.name.startswith(_PREFIX) and path.name != checkpoint_path(path.parent, record.step).name
    ):
        raise ModelError(
            f"{path / RECORD} is not what was written.", hint="Get the file again from where it came from."
        )
    return record


def load_checkpoint(path: Path, task: StageTask) -> None:
    """Put a checkpoint's state into a task, all of it or, where something does not fit, nothing.

    Raises:
        ModelError: the state does not fit the task's networks or optimisers.
    """
    networks = {**task.networks, **task.averages}
    state = {name: read_weights(path / f"{name}.safetensors") for name in (*networks, *task.optimizers)}
    for name, network in networks.items():
        refuse_misfit(network, state[name], what=str(path / name))
    slots = {name: _slots(each, state[name], str(path / name)) for name, each in task.optimizers.items()}
    for name, network in networks.items():
        load_weights(network, state[name], what=str(path / name))
    for name, optimizer in task.optimizers.items():
        optimizer.load_state_dict({"state": slots[name], "param_groups": optimizer.state_dict()["param_groups"]})


def _refuse_broken_numbers(state: Mapping[str, Mapping[str, Tensor]], step: int) -> None:
    for name, tensors in state.items():
        for tensor in tensors.values():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                value = float(tensor[~torch.isfinite(tensor)][0])
                raise DivergedError(f"a number in the {name.replace('_', ' ')}", value, step)


def _state(task: StageTask) -> dict[str, dict[str, Tensor]]:
    state = {name: weights_of(network) for name, network in {**task.networks, **task.averages}.items()}
    for name, optimizer in task.optimizers.items():
        slots: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
        state[name] = {
            f"{index}.{slot}": tensor.detach().cpu().contiguous()
            for index, values in slots.items()
            for slot, tensor in values.items()
        }
    return state


def _slots(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], what: str) -> dict[int, dict[str, Any]]:
    """What an optimiser remembers of each of its weights, by the weight's number.

    Raises:
        ModelError: it is of other weights, or of another kind of optimiser.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        index, _, slot = key.partition(".")
        like = parameters[int(index)] if index.isdecimal() and int(index) < len(parameters) else None
        if like is None or slot not in _SLOTS or tensor.shape != (() if slot == _COUNT else like.shape):
            raise ModelError(f"{what} does not fit the optimiser: {key} is {tuple(tensor.shape)}.")
        # The fused optimiser walks through memory, so a slot must lie there exactly as its parameter does.
        placed = tensor if slot == _COUNT else torch.empty_like(like).copy_(tensor)
        slots.setdefault(int(index), {})[slot] = placed
    if any(set(slot) != _SLOTS for slot in slots.values()):
        raise ModelError(f"{what} does not fit the optimiser: it remembers other things of its weights.")
    return slots


def _seal(record: Mapping[str, Any]) -> str:
    """Hash of everything that a record says but the seal itself."""
    value = {key: each for key, each in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _hash(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

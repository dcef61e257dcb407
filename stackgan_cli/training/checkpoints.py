"""Checkpoints: everything a run needs to go on, written whole or not at all, checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from stackgan_cli.components.storage import load_weights, read_weights, weights_of, write_tensors
from stackgan_cli.errors import ModelError
from stackgan_cli.files import atomic_folder
from stackgan_cli.manifests import Manifest, checked, read_json
from stackgan_cli.training.watching import DivergedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.training.loop import StageTask

RECORD = "checkpoint.json"
_PREFIX = "step-"


class Rollback(Manifest):
    """A time that a run went back, because something was no number."""

    step: int
    what: str


class CheckpointRecord(Manifest):
    """``checkpoint.json``: what a checkpoint says of itself."""

    step: Annotated[int, Field(ge=0)]
    """Steps trained."""
    distance: float | None = None
    """Sliced Wasserstein distance of its pictures from real ones, where it was measured."""
    rollbacks: tuple[Rollback, ...] = ()
    machine: str | None = None
    precision: str | None = None
    sha256: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")], str] = Field(default_factory=dict)
    """Of every file beside it."""


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
    _refuse_broken(state, record.step)
    with atomic_folder(target) as temporary:
        hashes = {}
        for name, tensors in state.items():
            path = temporary / f"{name}.safetensors"
            write_tensors(path, tensors)
            hashes[path.name] = _hash(path)
        whole = record.model_copy(update={"sha256": hashes}).as_json()
        (temporary / RECORD).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return target


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps lies, or would lie."""
    return folder / f"{_PREFIX}{step:06d}"


def thin_out(folder: Path, keep: int) -> None:
    """Delete all checkpoints but the newest ``keep``."""
    for old in _checkpoints(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)


def keep_best(checkpoint: Path, best: Path) -> bool:
    """Keep a checkpoint as the best one if its pictures are nearer to real ones than those of the best so far.

    Args:
        checkpoint: a folder that :func:`save_checkpoint` wrote.
        best: folder of the best one so far, which need not exist; the files are linked, not copied, where that works.

    Returns:
        Whether it is the best now.
    """
    distance, so_far = distance_of(checkpoint), distance_of(best)
    if distance is None or (so_far is not None and so_far <= distance):
        return False
    with atomic_folder(best) as temporary:
        for path in checkpoint.iterdir():
            try:
                (temporary / path.name).hardlink_to(path)
            except OSError:
                shutil.copyfile(path, temporary / path.name)
    return True


def distance_of(checkpoint: Path) -> float | None:
    """Read how far a checkpoint's pictures were from real ones; None where that was not measured."""
    try:
        return read_record(checkpoint).distance
    except ModelError:
        return None


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """Find the newest checkpoint that is whole.

    Returns:
        Its folder, or None; and a sentence for each newer one that is not whole.
    """
    complaints: list[str] = []
    for path in _checkpoints(folder):
        try:
            hashes = read_record(path).sha256
            damaged = [name for name, digest in hashes.items() if _hash(path / name) != digest]
        except ModelError as error:
            damaged = [error.message.rstrip(".")]
        except OSError as error:
            damaged = [str(error)]
        if not damaged:
            return path, complaints
        complaints.append(f"The checkpoint {path} is damaged ({', '.join(damaged)}) and is passed over.")
    return None, complaints


def read_record(path: Path) -> CheckpointRecord:
    """Read what a checkpoint says of itself.

    Raises:
        ModelError: there is no record, or it is damaged or malformed.
    """
    return checked(CheckpointRecord, read_json(path / RECORD), what=str(path / RECORD))


def load_checkpoint(path: Path, task: StageTask) -> None:
    """Put a checkpoint's state into a task.

    Raises:
        ModelError: the state does not fit the task's networks.
    """
    for name, network in {**task.networks, **task.averages}.items():
        load_weights(network, read_weights(path / f"{name}.safetensors"), what=str(path / name))
    for name, optimizer in task.optimizers.items():
        _restore(optimizer, read_weights(path / f"{name}.safetensors"))


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()), key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    digits = path.name.removeprefix(_PREFIX)
    return int(digits) if digits.isdigit() else -1


def _refuse_broken(state: Mapping[str, Mapping[str, Tensor]], step: int) -> None:
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


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        index, _, slot = key.partition(".")
        like = parameters[int(index)]
        # The fused optimiser walks through memory, so a slot must lie there exactly as its parameter does.
        placed = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape and tensor.dim() else tensor
        slots.setdefault(int(index), {})[slot] = placed
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Checkpoints: everything a run needs to go on, written whole or not at all, checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.building import load_weights
from stackgan_cli.components.storage import read_weights, weights_of
from stackgan_cli.home import atomic_folder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.training.adversarial import StageTask

RECORD = "checkpoint.json"
_PREFIX = "step-"


def save_checkpoint(folder: Path, task: StageTask, step: int, keep: int) -> Path:
    """Write a checkpoint after ``step`` steps, then delete all but the newest ``keep``."""
    from safetensors.torch import save_file

    target = folder / f"{_PREFIX}{step:06d}"
    with atomic_folder(target) as temporary:
        hashes = {}
        for name, tensors in _state(task).items():
            path = temporary / f"{name}.safetensors"
            save_file(tensors, path)
            hashes[path.name] = _hash(path)
        record = {"step": step, "sha256": hashes}
        (temporary / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for old in _checkpoints(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """Find the newest checkpoint that is whole.

    Returns:
        Its folder, or None; and a sentence for each newer one that is not whole.
    """
    complaints: list[str] = []
    for path in _checkpoints(folder):
        try:
            hashes = json.loads((path / RECORD).read_text(encoding="utf-8"))["sha256"]
            damaged = [name for name, digest in hashes.items() if _hash(path / name) != digest]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            damaged = [f"{RECORD}: {error}"]
        if not damaged:
            return path, complaints
        complaints.append(f"The checkpoint {path} is damaged ({', '.join(damaged)}) and is passed over.")
    return None, complaints


def load_checkpoint(path: Path, task: StageTask) -> int:
    """Put a checkpoint's state into a task; returns the number of steps that it was trained.

    Raises:
        ModelError: the state does not fit the task's networks.
    """
    record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    networks = {"generator": task.generator, "discriminator": task.discriminator, "averaged": task.averaged.network}
    for name, network in networks.items():
        load_weights(network, read_weights(path / f"{name}.safetensors"), what=str(path / name))
    for name, optimizer in _optimizers(task).items():
        _restore(optimizer, read_weights(path / f"{name}.safetensors"))
    return int(record["step"])


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()), key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    digits = path.name.removeprefix(_PREFIX)
    return int(digits) if digits.isdigit() else -1


def _optimizers(task: StageTask) -> dict[str, torch.optim.Optimizer]:
    return {
        "generator_optimizer": task.generator_optimizer,
        "discriminator_optimizer": task.discriminator_optimizer,
    }


def _state(task: StageTask) -> dict[str, dict[str, Tensor]]:
    state = {
        "generator": weights_of(task.generator),
        "discriminator": weights_of(task.discriminator),
        "averaged": weights_of(task.averaged.network),
    }
    for name, optimizer in _optimizers(task).items():
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

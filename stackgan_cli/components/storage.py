"""One component on disk: ``config.json`` says what it is, ``model.safetensors`` holds its weights, if it has any."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.building import load_weights, rebuild
from stackgan_cli.errors import ModelError, StackganError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.components.registry import Kind

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_LARGEST_CONFIG = 1 << 20


def save_component(folder: Path, entry: Mapping[str, Any], component: Any) -> None:
    """Write a component's entry and weights into a folder that exists; the weights' header repeats the entry."""
    (folder / CONFIG).write_text(json.dumps(entry, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    save_weights(folder / WEIGHTS, entry, weights_of(component))


def load_component(kind: Kind, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Build a component from its folder and load its weights.

    Returns:
        The component, networks in evaluation mode, and its entry.

    Raises:
        ModelError: a file is missing, damaged, or does not fit the component.
        ComponentError: the component is not installed or cannot be built.
    """
    entry = read_json(folder / CONFIG)
    component = rebuild(kind, entry)
    if weights_of(component):
        load_weights(component, read_weights(folder / WEIGHTS), what=str(folder / WEIGHTS))
        component.eval()
    return component, entry


def weights_of(component: Any) -> dict[str, Tensor]:
    """Weights of a component by key; empty for one that is no network."""
    state: dict[str, Tensor] = component.state_dict() if hasattr(component, "state_dict") else {}
    return {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}


def save_weights(path: Path, entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with the component's entry in the header; writes nothing where there are none.

    Raises:
        StackganError: the file cannot be written.
    """
    if tensors:
        write_tensors(path, tensors, {"component": json.dumps(entry, ensure_ascii=False)})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors.

    Raises:
        StackganError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise StackganError(f"{path} could not be written: {error}.", hint="Make room on the disk.") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors; those stored in half precision come back in float32.

    Raises:
        ModelError: the file is missing or damaged.
    """
    import torch
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read: {error}.", hint="Get the file again from where it came from."
        ) from error
    half = (torch.float16, torch.bfloat16)
    return {key: tensor.float() if tensor.dtype in half else tensor for key, tensor in tensors.items()}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelError: the file is missing, far too large, or holds no JSON object.
    """
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise ModelError(f"{path} is too large to be what it should be.", hint="Get the file again.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}.", hint="Get the file again from where it came from."
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object.", hint="Get the file again from where it came from.")
    return value

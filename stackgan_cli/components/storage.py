"""One component on disk: ``config.json`` says what it is, ``model.safetensors`` holds its weights, if it has any."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import BUILT_IN_PACKAGE
from stackgan_cli.components.entries import ComponentEntry, refuse_another, stored_entry
from stackgan_cli.components.protocols import HasWeights
from stackgan_cli.components.registry import find
from stackgan_cli.errors import ComponentError, ModelError, StackganError
from stackgan_cli.files import not_written, open_regular
from stackgan_cli.manifests import read_json
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from stackgan_cli.components.component import Kind
    from stackgan_cli.room import Room

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_ENTRY = "component"
"""What the entry is called in the header of the weights."""
_LARGEST_CONFIG = 1 << 20
_GET_AGAIN = "Get the file again from where it came from."
_COPIES, _WIDEST = 4, 4
"""How often weights may be made while a component is built, and bytes of each number."""
_ROOM, _ROOM_OF_OTHERS = 64 << 20, 4 << 30


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as the beginning of a file of weights describes it."""

    shape: tuple[int, ...]
    dtype: str
    """As safetensors call it, such as ``F32``."""

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    def is_floating_point(self) -> bool:
        """Whether its numbers may have a fraction."""
        return self.dtype != "BOOL" and self.dtype[0] not in "IU"


def save_component(folder: Path, entry: ComponentEntry, component: Any) -> None:
    """Write a component's entry and weights into a folder that exists; the weights' header repeats the entry."""
    described = entry.as_json()
    (folder / CONFIG).write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    tensors = weights_of(component)
    if tensors:
        write_tensors(folder / WEIGHTS, tensors, {_ENTRY: json.dumps(described, ensure_ascii=False)})


def read_entry(kind: Kind, folder: Path) -> ComponentEntry:
    """Read what a component's folder says of it.

    Raises:
        ModelError: the file is missing, damaged or malformed.
    """
    return stored_entry(kind, read_json(folder / CONFIG, most=_LARGEST_CONFIG), str(folder / CONFIG))


def load_component(kind: Kind, folder: Path) -> tuple[Any, ComponentEntry]:
    """Build a component from its folder and load its weights.

    Returns:
        The component, networks in evaluation mode, and its entry.

    Raises:
        ModelError: a file is missing, damaged, or does not fit the component.
        ComponentError: the component is not installed or cannot be built.
    """
    entry = read_entry(kind, folder)
    path = folder / WEIGHTS
    held, described = stored_tensors(path) if path.is_file() else (None, None)
    if described is not None:
        refuse_another(folder / CONFIG, entry, path, _entry_of_weights(kind, path, described))
    with _room_for(kind, entry, folder, held):
        component = build_stored(kind, entry, folder / CONFIG)
    if weights_of(component):
        try:
            if held is not None:
                refuse_misfit(component, held, what=str(path))
            load_weights(component, read_weights(path), what=str(path))
        except ModelError as error:
            raise blame_version(kind, entry, error) from error
        component.eval()
    return component, entry


def _entry_of_weights(kind: Kind, path: Path, described: str) -> ComponentEntry:
    """The entry that the header of weights repeats."""
    what = f"The header of {path}"
    try:
        return stored_entry(kind, parse_json(described), what)
    except ValueError as error:
        raise ModelError(f"{what} cannot be read: {error}.", hint=_GET_AGAIN) from error


def _room_for(kind: Kind, entry: ComponentEntry, folder: Path, held: Mapping[str, StoredTensor] | None) -> Room:
    """Bound what a component makes while it is built: weights fill what holds them on disk.

    What comes with this package is made of little else. A component of another package may bring weights of its own,
    such as a pretrained encoder.
    """
    from stackgan_cli.room import Room

    stored = sum(each.count for each in held.values()) if held else 0
    beside = _ROOM if entry.package == BUILT_IN_PACKAGE else _ROOM_OF_OTHERS
    numbers = {name: value for name, value in {**entry.options, **entry.shapes}.items() if type(value) is int}
    largest = max(numbers, key=lambda name: numbers[name], default=None)
    where = f"; the largest number there is {largest}, {numbers[largest]:,}" if largest else ""
    return Room(
        _COPIES * _WIDEST * stored + beside,
        ModelError(
            f"{folder / CONFIG} describes a {kind.title} that is far larger than the weights beside it{where}.",
            hint=_GET_AGAIN,
        ),
    )


def build_stored(kind: Kind, entry: ComponentEntry, path: Path) -> Any:
    """Find the component of an entry, bind what is stored of it, and build it.

    Args:
        kind: of the component.
        entry: of it.
        path: the file that holds the entry, which every error names.

    Raises:
        ComponentError: it is not installed, does not take these options or cannot be built; where another version of
            its package is installed than the one that wrote the entry, the message names both.
        StackganError: whatever its factory has to say, with both versions likewise.
    """
    try:
        component = find(kind, entry.name)
    except ComponentError as error:
        raise ComponentError(
            f"{path} needs a component that is not here. {error.message} It was saved with {entry.package}"
            f" {entry.version}.",
            error.hint,
        ) from error
    try:
        return component.bind(entry.shapes, entry.options).build()
    except StackganError as error:
        in_file = type(error)(f"In {path}: {error.message}", error.hint or _GET_AGAIN)
        raise blame_version(kind, entry, in_file) from error


def version_note(kind: Kind, entry: ComponentEntry) -> str | None:
    """Say that another version of a component is installed than the one that was stored; None where it is not."""
    try:
        installed = find(kind, entry.name).version
    except ComponentError:
        return None
    if installed == entry.version:
        return None
    return (
        f"The {kind.title} {entry.bare_name!r} was saved with {entry.package} {entry.version}, and {installed} is"
        " installed: what it computes may differ."
    )


def blame_version(kind: Kind, entry: ComponentEntry, error: StackganError) -> StackganError:
    """Add to an error that another version is installed than the one that was stored, where that is so."""
    installed = find(kind, entry.name).version
    if installed == entry.version:
        return error
    return type(error)(
        f"{error.message} The model was saved with {entry.package} {entry.version}; {installed} is installed.",
        f'Install the version it was saved with: pip install "{entry.package}=={entry.version}"',
    )


def weights_of(component: Any) -> dict[str, Tensor]:
    """Weights of a component by key; empty for one that is no network."""
    state: dict[str, Tensor] = component.state_dict() if isinstance(component, HasWeights) else {}
    return {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors.

    Raises:
        StackganError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path, metadata=metadata)
    except OSError as error:
        raise not_written(path, error) from error
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise not_written(
            path, OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))
        ) from error


def stored_tensors(path: Path) -> tuple[dict[str, StoredTensor], str | None]:
    """Read what tensors a file holds, and none of their numbers.

    Returns:
        The tensors by their keys, and the entry of the component that they are of, as JSON; None where there is none.

    Raises:
        ModelError: the file is missing or damaged.
    """
    from safetensors import safe_open

    try:
        with open_regular(path), safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
            tensors = {key: StoredTensor(tuple(each.get_shape()), each.get_dtype()) for key, each in slices.items()}
            return tensors, (file.metadata() or {}).get(_ENTRY)
    except Exception as error:
        raise _unreadable(path, error) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors; those stored in less than single precision come back in float32.

    Raises:
        ModelError: the file is missing or damaged, or holds numbers that are complex, infinite or none.
    """
    import torch
    from safetensors.torch import load_file

    try:
        with open_regular(path):
            tensors = load_file(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    whole = (torch.float32, torch.float64)
    read = {
        key: tensor.float() if tensor.is_floating_point() and tensor.dtype not in whole else tensor
        for key, tensor in tensors.items()
    }
    for key, tensor in read.items():
        fault = _number_fault(tensor)
        if fault is not None:
            raise ModelError(f"{path} holds {fault} in {key}, and nothing can be computed with that.", hint=_GET_AGAIN)
    return read


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return ModelError(f"{path} cannot be read: {reason}.", hint=_GET_AGAIN)


def _number_fault(tensor: Tensor) -> str | None:
    """What no weight can be."""
    import torch

    if tensor.is_complex():
        return "complex numbers"
    if not tensor.is_floating_point() or not tensor.numel():
        return None
    ends = torch.stack(torch.aminmax(tensor))
    if ends.isnan().any():
        return "NaN"
    return "infinity" if ends.isinf().any() else None


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Load weights into a module, all of them and nothing else.

    Args:
        module: where to.
        tensors: state dictionary, by key.
        what: file or component for the beginning of a sentence, such as ``stage1/model.safetensors``.

    Raises:
        ModelError: keys are missing or unexpected, or shapes or types differ; nothing has been loaded then.
    """
    refuse_misfit(module, tensors, what=what)
    module.load_state_dict(dict(tensors))


def refuse_misfit(module: nn.Module, tensors: Mapping[str, Tensor | StoredTensor], *, what: str) -> None:
    """Refuse what :func:`load_weights` cannot load, and load nothing.

    Raises:
        ModelError: keys are missing or unexpected, or shapes or types differ.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in tensors]
    unexpected = [key for key in tensors if key not in own]
    reshaped = [
        f"{key} is {_shape(tensors[key])} instead of {_shape(own[key])}"
        for key in own
        if key in tensors and _shape(tensors[key]) != _shape(own[key])
    ]
    retyped = [
        f"{key} is {tensors[key].dtype} instead of {own[key].dtype}"
        for key in own
        if key in tensors and tensors[key].is_floating_point() != own[key].is_floating_point()
    ]
    problems = [
        f"{len(found)} {label} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})"
        for label, found in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of the wrong shape", reshaped),
            ("of the wrong type", retyped),
        )
        if found
    ]
    if problems:
        raise ModelError(
            f"{what} does not fit {type(module).__name__}: of {len(own)} tensors, {'; '.join(problems)}.",
            "Use the weights with the component and the options that they were saved with.",
        )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(getattr(tensor, "shape", ()))

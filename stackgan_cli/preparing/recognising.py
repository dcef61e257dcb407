"""Which reader reads a source, and what suits the data that it finds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.registry import Component, Kind, available, find
from stackgan_cli.errors import ComponentError, DataError, StackganError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from stackgan_cli.components.protocols import DatasetReader
    from stackgan_cli.downloads.addresses import PublishedData

_TORCH7 = "stackgan-torch7:torch7"
"""A reader that this project offers in a package of its own."""


def recognise(source: Path) -> tuple[Component, str]:
    """Find the reader that recognises a source; built-in readers are asked before others.

    Returns:
        The reader, and why it fits.

    Raises:
        DataError: the source is missing, or no reader, or more than one, recognises it.
    """
    if not source.exists():
        raise DataError(f"There is nothing at {source}.", hint="Check the path given with --source.")
    if not os.access(source, os.R_OK | os.X_OK if source.is_dir() else os.R_OK):
        raise DataError(f"{source} cannot be opened: permission denied.", hint="Check its permissions.")
    found: list[tuple[Component, str]] = []
    for component in sorted(available(Kind.DATASET_READER), key=lambda each: not each.built_in):
        reason = _reason(component, source)
        if reason:
            found.append((component, reason))
    if len(found) == 1:
        return found[0]
    if found:
        options = "; ".join(f"{component.name} ({reason})" for component, reason in found)
        choices = " or ".join(f"--reader {component.name}" for component, _ in found)
        raise DataError(f"More than one reader fits {source}: {options}.", hint=choices)
    raise DataError(f"No reader recognises the layout of {source}.", hint=_advice(source))


def _advice(source: Path) -> str:
    """Say what to do about a source that no reader recognises."""
    holds_torch7 = source.suffix == ".t7" or any(next(source.glob("*/" * n + "*.t7"), None) for n in range(3))
    if not holds_torch7:
        return "put a metadata.jsonl beside the pictures, or a .txt with captions beside each; --reader names a layout"
    try:
        find(Kind.DATASET_READER, _TORCH7)
    except ComponentError as error:
        return f"Torch-7 files are read by the package stackgan-torch7. {error.hint}"
    return "--reader torch7 says what is wrong with its Torch-7 files"


def _member(component: Component, name: str) -> Any:
    """Give a member of a reader's factory; None where it has none, or cannot even be imported."""
    try:
        return getattr(component.factory(), name, None)
    except StackganError:
        return None


def _reason(component: Component, source: Path) -> str | None:
    try:
        reason = component.factory()().recognises(source)
    except Exception:  # a reader that cannot even be imported is none that the person named
        return None
    return str(reason) if reason else None


def reader_for(name: str, reader: str | None, source: Path | None) -> tuple[Component, str]:
    """Choose the reader: the one asked for, the one that data of this name belongs to, or the one that recognises it.

    Returns:
        The reader, and why it was chosen.

    Raises:
        DataError: none can be chosen.
    """
    known = available(Kind.DATASET_READER)
    if reader is not None:
        absent = reader == "torch7" and all(component.name != reader for component in known)
        return find(Kind.DATASET_READER, _TORCH7 if absent else reader), "--reader names it"
    for component in known:
        if component.built_in and component.name == name:
            if source is None and _member(component, "published") is not None:
                raise DataError(
                    f"The data {name!r} needs a source of pictures.",
                    hint=f"stackgan prepare --data {name} --source FOLDER, or --download to fetch what is published",
                )
            if source is None or not source.exists() or _reason(component, source):
                return component, f"data called {name} is of this layout"
            try:
                # The name promises a layout that the source does not have; it may have another one.
                return recognise(source)
            except DataError:
                return component, f"data called {name} is of this layout"
    if source is None:
        raise DataError(
            f"The data {name!r} needs a source of pictures.", hint=f"stackgan prepare --data {name} --source FOLDER"
        )
    return recognise(source)


def reader_of_address(address: str) -> tuple[Component, str, str] | None:
    """Find the reader of a source that is no place on this disk, such as ``hf:owner/name``.

    Returns:
        The reader, why it was chosen, and what it is to read; None where no reader knows such addresses.
    """
    beginning, colon, rest = address.partition(":")
    if not colon or not rest or not beginning.isalnum():
        return None
    for component in available(Kind.DATASET_READER):
        if _member(component, "scheme") == beginning:
            return component, f"the source begins with {beginning}:", rest
    return None


def published_data(name: str) -> PublishedData:
    """Say where the data that a reader reads is published.

    Raises:
        DataError: no address of it is known.
    """
    there: dict[str, PublishedData | None] = {
        component.name: _member(component, "published") for component in available(Kind.DATASET_READER)
    }
    found = there.get(name)
    if found is not None:
        return found
    known = ", ".join(sorted(name for name, published in there.items() if published is not None))
    raise DataError(
        f"No public address of the data {name!r} is known here.",
        hint=f"--download knows {known}; for anything else name a folder with --source",
    )


def suited(reader: DatasetReader, source: Path | None) -> dict[str, Any]:
    """What suits the data: ``crop``, ``encoder`` (name and options, or None) and ``recipe``, as the reader has it."""
    suits: dict[str, Any] = {"crop": "center", "encoder": None, "recipe": "paper"}
    suits |= {name: getattr(reader, name) for name in suits if hasattr(reader, name)}
    if source is not None and hasattr(reader, "suits"):
        suits |= reader.suits(source)
    return suits


def ready_features(reader: DatasetReader, source: Path | None, name: str) -> Callable[[str], NDArray[np.float32]]:
    """Find text features that a source holds ready.

    Returns:
        A function from a picture's name to an array (captions, width).

    Raises:
        DataError: there are none of this name.
    """
    there = reader.features(source) if hasattr(reader, "features") else {}
    if name in there:
        found: Callable[[str], NDArray[np.float32]] = there[name]
        return found
    have = f"it has {', '.join(sorted(there))}" if there else "it has none"
    raise DataError(
        f"{source or 'The source'} holds no text features called {name!r}: {have}.",
        hint="--encoder-option features=NAME, or an encoder that reads captions: --encoder char-cnn-rnn",
    )

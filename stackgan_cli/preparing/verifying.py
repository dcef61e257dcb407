"""Whether prepared data are whole, and the pictures of their source still hold the very bytes that were prepared."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.pictures.decoding import UnreadablePicture, fetch
from stackgan_cli.preparing.chunks import cores
from stackgan_cli.preparing.rendering import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.preparing.surveying import Plan

_AT_ONCE = 256
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""What an Arrow stream ends with."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What comparing came to."""

    compared: int
    changed: tuple[str, ...]
    """Names of the pictures whose bytes are others now."""
    gone: tuple[str, ...]
    """Names of the pictures that were prepared and that the source does not have any more."""


def damaged_file(folder: Path) -> Path | None:
    """Look for a file of pictures that is missing or cut short, without reading any but for its last bytes.

    Args:
        folder: of prepared data.

    Returns:
        The first such file, or None.
    """
    for split in ("train", "test"):
        state = folder / split / "state.json"
        try:
            names = [str(entry["filename"]) for entry in json.loads(state.read_text(encoding="utf-8"))["_data_files"]]
        except (OSError, ValueError, TypeError, LookupError):
            return state
        for path in (folder / split / name for name in names):
            try:
                with path.open("rb") as file:
                    file.seek(-len(_END), os.SEEK_END)
                    if file.read() != _END:
                        return path
            except OSError:
                return path
    return None


def verify(plan: Plan, data: PreparedData, report: Callable[[int], None]) -> Verified:
    """Hash the pictures of a source again and compare them with the hashes that were stored.

    Args:
        plan: how the data was prepared.
        data: what was prepared then.
        report: told how many pictures were compared.

    Raises:
        DataError: the source cannot be read.
    """
    known = {name: digest for name, digest in chain(data.train.digests(), data.test.digests()) if digest}
    wanted = (item for item in plan.reader.examples(plan.source) if isinstance(item, Example) and item.name in known)
    changed: list[str] = []
    compared = 0
    # Hashing and reading let other threads work meanwhile.
    with ThreadPoolExecutor(cores()) as pool:
        while batch := list(islice(wanted, _AT_ONCE)):
            for example, digest in zip(batch, pool.map(_digest, batch), strict=True):
                if digest != known.pop(example.name, digest):
                    changed.append(example.name)
            compared += len(batch)
            report(compared)
    return Verified(compared, tuple(changed), tuple(known))


def _digest(example: Example) -> bytes:
    try:
        return digest_of(fetch(example.image) if callable(example.image) else example.image)
    except UnreadablePicture:
        return b""

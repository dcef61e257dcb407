"""What all folder layouts share: opening the source, names that must stay inside it, and counting what is left out."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif", ".heic")
)


def source_folder(source: Path | None, layout: str) -> Path:
    """Return the source if it is a folder.

    Args:
        source: what the person named.
        layout: a sentence saying what the folder should hold, for the hint.

    Raises:
        DataError: there is no source, or it is missing, or a file.
    """
    if source is None:
        raise DataError("There is no folder to read.", f"Name it with --source. {layout}")
    try:
        if source.is_dir():
            return source
        exists = source.exists()
    except OSError as error:
        raise DataError(f"{source} cannot be opened: {error.strerror or error}.", "Check its permissions.") from error
    if exists:
        raise DataError(f"{source} is a file, not a folder.", f"Unpack it if it is an archive. {layout}")
    raise DataError(f"There is no folder {source}.", layout)


@contextmanager
def opening(root: Path) -> Iterator[None]:
    """Turn a folder or file that cannot be opened into a DataError."""
    try:
        yield
    except OSError as error:
        place = error.filename or root
        raise DataError(f"{place} cannot be opened: {error.strerror or error}.", "Check its permissions.") from error


def at_least_one(found: Iterator[Example | Skipped], root: Path, layout: str) -> Iterator[Example | Skipped]:
    """Pass everything on, and raise a DataError at the end if no example was among it."""
    first: Skipped | None = None
    examples = 0
    for item in found:
        if isinstance(item, Example):
            examples += 1
        elif first is None:
            first = item
        yield item
    if not examples:
        why = "" if first is None else f" Left out: {first.name}: {first.reason}."
        raise DataError(f"{root} holds no captioned picture.{why}", layout)


def relative_name(name: str) -> str | None:
    """Normalise a name given by a file to a POSIX path, or return None where it leads out of the folder."""
    posix = name.replace("\\", "/")
    if posix.startswith("/") or posix[1:2] == ":" or "\0" in posix:
        return None
    normal = posixpath.normpath(posix)
    return None if normal in (".", "..") or normal.startswith("../") else normal


@dataclass(slots=True)
class Tally:
    """Counts what is left out for one and the same reason, so that it takes one line and not thousands."""

    what: str
    reason: str
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Note one more."""
        self.names.append(name)

    def lines(self) -> Iterator[Skipped]:
        """Yield nothing, or one line that names the only one, or the number of them and the first."""
        if len(self.names) == 1:
            yield Skipped(self.names[0], self.reason)
        elif self.names:
            yield Skipped(f"{len(self.names):,} {self.what}", f"{self.reason} (the first: {min(self.names)})")

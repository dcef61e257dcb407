"""What all layouts share: opening the source, names that must stay inside it, and at least one picture in it."""

from __future__ import annotations

import errno
import unicodedata
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.files import followed
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgan_cli.pictures.cropping import CropRule

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif", ".heic")
)

_MOST_FOLDERS = 1 << 14
"""Folders that are remembered; names in a broken file may speak of any number."""


class LayoutReader(ABC):
    """What the readers of one layout share: a source that cannot be opened, or in which there is nothing."""

    layout: str
    """A sentence saying what the source should hold, for hints."""
    crop: CropRule = "center"
    recipe = "paper"
    encoder: tuple[str, Mapping[str, Any]]

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            return self.evidence(source)
        except OSError:
            return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, in the order of their names, and what had to be left out.

        Raises:
            DataError: the source is no folder of this layout, holds no captioned picture, or cannot be opened.
        """
        root = self.root_of(source)
        with opening(root):
            yield from at_least_one(self.found(root), root, self.layout)

    def root_of(self, source: Path | None) -> Path:
        """Return the source if it can be one; see `source_folder`."""
        return source_folder(source, self.layout)

    @abstractmethod
    def evidence(self, source: Path) -> str | None:
        """Say why a source looks like this layout, as `recognises` does, or raise the OSError that is met."""

    @abstractmethod
    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield what is in a folder, as `examples` does, or raise the OSError that is met."""


def source_folder(source: Path | None, layout: str) -> Path:
    """Return the source if it is a folder; ``layout`` is a sentence saying what it should hold, for the hint.

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
    left_out = LeftOut()
    examples = False
    for item in found:
        if isinstance(item, Example):
            examples = True
        elif not examples:
            left_out.take(item)
        yield item
    if not examples:
        why = f" Left out: {left_out.in_short()}." if left_out.total else ""
        raise DataError(f"{root} holds no captioned picture.{why}", layout)


def printable(name: str) -> str:
    """Return a name with a question mark for whatever in it is not UTF-8."""
    return name.encode("utf-8", "replace").decode()


def spellings(name: str) -> tuple[str, ...]:
    """Return a name as it is, composed and decomposed: some file systems turn one form into the other."""
    if name.isascii():
        return (name,)
    return tuple(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def file_named(folder: Path, name: str) -> Path | None:
    """Find a file of a folder by its name, however its accents are stored; None where there is none."""
    for spelling in spellings(name):
        try:
            if (folder / spelling).is_file():
                return folder / spelling
        except OSError as error:
            # A name too long for the file system is the name of no file.
            if error.errno != errno.ENAMETOOLONG:
                raise
    return None


class Boundary:
    """Folders out of which no link may lead; a link among the folders themselves is followed once, here."""

    def __init__(self, *folders: Path) -> None:
        self._real = tuple(folder.resolve() for folder in folders)
        self._known: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """Say whether a path, all links followed, lies in one of the folders."""
        if path.is_symlink():
            return self._reaches(path)
        # Thousands of files share a folder, and following its links is slow.
        known = self._known.get(path.parent)
        if known is None:
            if len(self._known) == _MOST_FOLDERS:
                self._known.clear()
            known = self._known[path.parent] = self._reaches(path.parent)
        return known

    def _reaches(self, path: Path) -> bool:
        try:
            real = followed(path)
        except OSError:  # links that lead in a circle
            return False
        return any(real.is_relative_to(folder) for folder in self._real)

"""What the per-image tables of Torch 7 hold (Reed et al. 2016, icml2016), and the texts and pictures beside them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.errors import DataError
from stackgan_cli.files import relative_name
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions, mended
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary, file_named
from stackgan_cli.text_encoders.characters import ALPHABET
from stackgan_torch7.binary_files import UnreadableTorch7, load_torch7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stackgan_cli.readers.left_out import LeftOut

TEXTS = ("text_c10", "text")
"""Published folders of captions."""
_PICTURES = (
    *("", "images", "CUB_200_2011/images", "jpg", "images/jpg"),
    *("train2014", "val2014", "images/train2014", "images/val2014"),
)
_CHARACTERS = "\ufffd" + ALPHABET


def near(home: Path, names: tuple[str, ...]) -> list[Path]:
    """Find the folders of these names in the tables' folder, unless they are links out of it, and beside it."""
    # Not `home.parent`: the source may be the current folder, written as a dot.
    beside = home.absolute().parent
    boundary = Boundary(home)
    inside = [folder for folder in (home / name for name in names) if folder.is_dir() and boundary.holds(folder)]
    return inside + [folder for folder in (beside / name for name in names) if folder.is_dir()]


def class_of(name: str) -> str | None:
    """Return the folder that a table lies in, None where it lies in no folder of its own class."""
    return name.rpartition("/")[0] or None


def table_names(home: Path, notes: LeftOut) -> list[str]:
    """List all tables in a folder, without suffix and in composed form, and note what looks like one and is none."""
    names: set[str] = set()
    boundary = Boundary(home)
    for relative in _table_files(home, notes):
        name = unicodedata.normalize("NFC", relative.removesuffix(".t7"))
        shown = relative.encode("utf-8", "replace").decode()
        if shown != relative:
            notes.add(shown, "tables", "its name is not UTF-8")
        elif not boundary.holds(home / relative):
            notes.add(relative, "tables", "a link that leads out of the folder")
        elif name in names:
            notes.add(relative, "tables", "another table has this name in another spelling")
        else:
            names.add(name)
    return sorted(names)


def _table_files(home: Path, notes: LeftOut) -> Iterator[str]:
    for path in sorted(path for path in home.iterdir() if not path.name.startswith(".")):
        if path.suffix == ".t7":
            yield path.name
        elif path.is_dir() and path.is_symlink():
            notes.add(path.name, "folders", "a link to a folder, which is not followed")
        elif path.is_dir():
            try:
                files = sorted(file.name for file in path.iterdir())
            except OSError as error:
                notes.add(path.name, "folders", f"this folder cannot be opened: {error.strerror or error}")
                continue
            yield from (f"{path.name}/{file}" for file in files if file.endswith(".t7") and not file.startswith("."))


class UnusableTable(Exception):  # noqa: N818
    """A table cannot be used; the message is a short reason."""


@dataclass(frozen=True, slots=True)
class PictureTable:
    """What the table of a picture holds."""

    picture: str | None
    """Name of the picture as the table has it, of no certain form."""
    vectors: NDArray[np.float32]
    """(captions, width)."""
    codes: NDArray[np.int64] | None
    """(captions, length): places in the alphabet from 1, 0 where there is nothing."""

    @classmethod
    def read(cls, file: Path) -> PictureTable:
        """Read a table.

        Raises:
            UnusableTable: the file cannot be read, or it does not hold features of captions and, if any, as many rows
                of characters.
        """
        try:
            content = load_torch7(file)
        except UnreadableTorch7 as problem:
            raise UnusableTable(problem.reason) from problem
        if not isinstance(content, dict):
            raise UnusableTable("it holds no table of a picture")
        vectors = _vectors(content.get("txt"))
        picture = content.get("img")
        return cls(picture if isinstance(picture, str) else None, vectors, _codes(content.get("char"), len(vectors)))


def _vectors(content: Any) -> NDArray[np.float32]:
    if not isinstance(content, np.ndarray) or content.dtype.kind != "f" or content.ndim > 2 or not content.size:
        raise UnusableTable("its txt, the features of its captions, is missing or no matrix of fractions")
    with np.errstate(over="ignore"):
        vectors = np.atleast_2d(content).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise UnusableTable("its txt, the features of its captions, holds infinities or what is no number")
    return vectors


def _codes(content: Any, captions: int) -> NDArray[np.int64] | None:
    if content is None:
        return None
    if not isinstance(content, np.ndarray) or content.ndim not in (1, 2):
        raise UnusableTable("its char, the captions' characters, is no matrix")
    columns = content.reshape(len(content), -1).T if content.size else content.reshape(0, 0)
    if len(columns) != captions:
        raise UnusableTable(f"it has {len(columns):,} captions in char and features of {captions:,} in txt")
    if not np.isin(columns, np.arange(len(_CHARACTERS))).all():
        raise UnusableTable("its char, the captions' characters, holds what is no place in the alphabet")
    return columns.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Captions:
    """Finds the captions of tables, and notes which of them are odd."""

    folder: Path | None
    """Folder of text files, with a folder for each class; None where there is none."""
    notes: LeftOut
    boundary: Boundary

    @classmethod
    def near(cls, home: Path, classes: set[str], notes: LeftOut) -> Captions:
        """Look for text files in the published places."""
        folders = (folder for folder in near(home, TEXTS) if any((folder / name).is_dir() for name in classes))
        folder = next(folders, None)
        return cls(folder, notes, Boundary(*filter(None, [folder])))

    def of(self, name: str, table: PictureTable) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Return a table's captions and their features (captions, width).

        Raises:
            UnusableTable: there are no captions.
        """
        written = self._written(name, len(table.vectors))
        if written is not None:
            return written, table.vectors
        if table.codes is None:
            raise UnusableTable("it has no char, the captions' characters, and there is no text file of them")
        texts = ["".join(_CHARACTERS[code] for code in row) for row in table.codes]
        captions = [mended(text.rstrip(_CHARACTERS[0])) for text in texts]
        kept = [row for row, (caption, _) in enumerate(captions) if caption]
        if not kept:
            raise UnusableTable("its captions are empty")
        if len(kept) < len(captions):
            self.notes.add(f"{name}.t7", "tables", "kept, without captions that are empty")
        if any(captions[row][1] for row in kept):
            self.notes.add(f"{name}.t7", "tables", "kept; characters that are not in the alphabet were read as spaces")
        return tuple(captions[row][0] for row in kept), table.vectors[kept]

    def _written(self, name: str, count: int) -> tuple[str, ...] | None:
        file = None if self.folder is None or class_of(name) is None else file_named(self.folder, f"{name}.txt")
        if file is None:
            return None
        try:
            captions = CaptionFiles(self.notes).read(file, f"{name}.txt") if self.boundary.holds(file) else ()
        except UnreadableCaptions:
            captions = ()
        if len(captions) == count:
            return captions
        why = "not used, but the table's own: unreadable, or not as many as the table has features of"
        self.notes.add(f"{name}.txt", "caption files", why)
        return None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Finds the pictures of tables."""

    places: list[tuple[Path, Boundary]]
    """Folders to look in, in order."""

    @classmethod
    def near(cls, home: Path, images: str | None) -> Pictures:
        """Look in the chosen folder, or in the published places in and beside the tables' folder.

        Raises:
            DataError: there is no such chosen folder.
        """
        if images is None:
            return cls([(place, Boundary(place)) for place in near(home, _PICTURES)])
        chosen = Path(images).expanduser()
        for place in (chosen, home / chosen, home.absolute().parent / chosen):
            if place.is_dir():
                return cls([(place, Boundary(place))])
        raise DataError(f"There is no folder of pictures {images}.", "Check the reader's option images.")

    def of(self, name: str, table: PictureTable) -> Path:
        """Return the picture of a table.

        Raises:
            UnusableTable: there is none, or the table, or a link, leads out of the folder of pictures.
        """
        written = f"{name}.jpg" if table.picture is None else relative_name(table.picture)
        if written is None:
            raise UnusableTable("it names a picture outside the folder")
        reason = "its picture is not there"
        for each in (written, PurePosixPath(written).name, f"{name}.jpg", f"{PurePosixPath(name).name}.jpg"):
            for place, boundary in self.places if PurePosixPath(each).suffix.lower() in PICTURE_SUFFIXES else ():
                file = file_named(place, each)
                if file is not None and boundary.holds(file):
                    return file
                if file is not None:
                    reason = "its picture is a link that leads out of the folder"
        raise UnusableTable(reason)

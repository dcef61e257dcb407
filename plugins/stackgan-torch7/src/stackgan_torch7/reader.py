"""Per-image tables of Torch 7, the files that GAN-INT-CLS was trained on (Reed et al. 2016, icml2016)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.files import relative_name
from stackgan_cli.readers.birds_and_flowers.boxes import boxes_by_key, cub_home
from stackgan_cli.readers.birds_and_flowers.splits import (
    CUB_TEST_CLASSES,
    FLOWERS_TEST_CLASSES,
    picture_key,
    published_split,
)
from stackgan_cli.readers.layout import Boundary, LayoutReader, file_named, opening, source_folder
from stackgan_cli.readers.left_out import LeftOut
from stackgan_torch7.binary_files import UnreadableTorch7, load_torch7
from stackgan_torch7.tables import (
    TEXTS,
    Captions,
    Pictures,
    PictureTable,
    UnusableTable,
    class_of,
    near,
    table_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FEATURES = "char-cnn-rnn"
_LAYOUT = (
    "It should hold one table per picture, such as 001.Black_footed_Albatross/IMAGE.t7, class_00001/IMAGE.t7 or "
    "COCO_train2014_000000000009.t7, with the pictures in images/, CUB_200_2011/images/, jpg/ or train2014/ in it or "
    "beside it, or in the folder that the reader's option images names."
)
_PUBLISHED = ("cub_icml", "flowers_icml", "train2014_ex_t7")
_PEEKED_ENTRIES = 500
_PEEKED_TABLES = 5
_NUMBERED = re.compile(r"(\d{3})\.")
_FLOWERS = re.compile(r"class_(\d{5})")


class Torch7Reader(LayoutReader):
    """Reads the published Torch-7 tables, one per picture, with their char-CNN-RNN features of every caption.

    A table holds ``img`` (name of the picture), ``txt`` (captions x 1024, the features) and ``char`` (201 x captions,
    places in the alphabet from 1, 0 where there is nothing). Tables lie in one folder per class, as in ``cub_icml`` and
    ``flowers_icml``, or all in one, as in ``train2014_ex_t7``; the source is such a folder or the one that holds it.

    Captions are those of ``text_c10/CLASS/IMAGE.txt`` in or beside the tables' folder where they are there, otherwise
    decoded from ``char``. The split of birds and flowers is class-disjoint, as published.

    Args:
        images: folder of the pictures, relative to the current folder, the tables' folder or the one that holds it, or
            absolute. The published places in and beside the tables' folder where None.
    """

    layout = _LAYOUT
    encoder = ("precomputed", {"features": _FEATURES})

    def __init__(self, *, images: str | None = None) -> None:
        self._images = images

    def root_of(self, source: Path | None) -> Path:
        """Return the source if it is a folder; a single file is told from a table of a picture."""
        if source is not None and source.suffix == ".t7" and source.is_file():
            _refuse_other_files([source])
        return source_folder(source, _LAYOUT)

    def evidence(self, source: Path) -> str | None:
        """Look into a few files; tables beside published text files are an addition to what other readers take."""
        with_texts = any((source / name).is_dir() for name in TEXTS)
        for home in [source] if with_texts else _homes(source):
            for path in _peeked(home):
                if _is_table(path):
                    return f"{path.relative_to(source).as_posix()} is a Torch-7 table of one picture's captions"
        return None

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Say what suits the data.

        Returns:
            ``crop``: ``squash`` for flowers, ``bbox`` for birds where the lists of CUB-200-2011 are near, otherwise
            ``center``; ``encoder`` and ``recipe``, the same for all.
        """
        tables = _Tables.of(source)
        crop = "squash" if tables.are_flowers else "bbox" if tables.cub else "center"
        return {"crop": crop, "encoder": self.encoder, "recipe": self.recipe}

    def features(self, source: Path) -> Mapping[str, Callable[[str], NDArray[np.float32]]]:
        """Give ``char-cnn-rnn``: the rows of ``txt`` that belong to an example's captions, (captions, width).

        Raises:
            DataError: the source is no folder, or cannot be opened.
        """
        tables = _Tables.of(source)
        return {_FEATURES: _Features(tables.home, Boundary(tables.home), tables.captions)}

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, in the order of the tables' names, and what had to be left out."""
        tables = _Tables.of(root)
        _refuse_other_files(_peeked(tables.home))
        boxes = {} if tables.cub is None else boxes_by_key(tables.cub)
        split = _split(tables)
        for name, picture, captions in _pairs(tables, Pictures.near(tables.home, self._images)):
            box = boxes.get(picture_key(name, 2))
            yield Example(name + picture.suffix, picture, captions, split(name), class_of(name), box)
        yield from tables.notes.lines()


def _homes(source: Path) -> list[Path]:
    boundary = Boundary(source)
    inner = (source / name for name in _PUBLISHED)
    return [source, *(folder for folder in inner if folder.is_dir() and boundary.holds(folder))]


def _peeked(home: Path) -> list[Path]:
    """A few files of Torch 7 that show what a folder holds: some of its own, and one each of some folders in it."""
    boundary = Boundary(home)
    folders = (path for path in _listed(home) if path.is_dir() and boundary.holds(path))
    firsts = chain.from_iterable(islice(_files_in(folder, boundary), 1) for folder in folders)
    return list(islice(chain(_files_in(home, boundary), firsts), _PEEKED_TABLES))


def _files_in(folder: Path, boundary: Boundary) -> Iterator[Path]:
    return (path for path in _listed(folder) if path.suffix == ".t7" and boundary.holds(path))


def _listed(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in islice(entries, _PEEKED_ENTRIES) if not entry.name.startswith("."))
    return [folder / name for name in names]


def _is_table(path: Path) -> bool:
    try:
        return _what_it_is(path) is None
    except UnreadableTorch7:
        return False


def _what_it_is(path: Path) -> str | None:
    """Say what a file holds that is no picture's table, or return None for such a table."""
    if path.is_file():
        with path.open("rb") as file:
            beginning = file.read(64)
        # The file of all sentences of a data set is too large to be read.
        if b"raw_txt" in beginning or b"fea_txt" in beginning:
            return "sentences and their features, and no pictures"
    content = load_torch7(path)
    if isinstance(content, dict) and ("txt" in content or "char" in content):
        return None
    if isinstance(content, np.ndarray) and content.ndim == 3:
        return "numbers of all pictures of a class, and not which picture is which"
    return "something else than the table of a picture"


def _refuse_other_files(paths: list[Path]) -> None:
    """Raise a DataError where files are sound and none is a picture's table."""
    try:
        kinds = [_what_it_is(path) for path in paths]
    except UnreadableTorch7:
        if len(paths) == 1:
            raise
        return
    if kinds and None not in kinds:
        raise DataError(f"{paths[0]} is no training data: it holds {kinds[0]}.", _LAYOUT)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables of a folder, and what lies beside them."""

    home: Path
    names: list[str]
    classes: set[str]
    notes: LeftOut
    captions: Captions

    @classmethod
    def of(cls, source: Path) -> _Tables:
        notes, root = LeftOut(), source_folder(source, _LAYOUT)
        with opening(root):
            home = next((home for home in _homes(root) if any(map(_is_table, _peeked(home)))), root)
            names = table_names(home, notes)
            classes = set(filter(None, map(class_of, names)))
            return cls(home, names, classes, notes, Captions.near(home, classes, notes))

    @property
    def are_flowers(self) -> bool:
        return any(map(_FLOWERS.fullmatch, self.classes))

    @property
    def cub(self) -> Path | None:
        """The lists of CUB-200-2011, in or beside a folder of birds."""
        if self.are_flowers or not any(map(_NUMBERED.match, self.classes)):
            return None
        return next((place for place in near(self.home, ("", "CUB_200_2011")) if cub_home(place) == place), None)


def _split(tables: _Tables) -> Callable[[str], str | None]:
    """Return what tells the split of a table's picture by its name."""
    parts = 1 if tables.are_flowers or not tables.classes else 2
    known: dict[str, bool] = {}
    for pattern, testing in ((_NUMBERED, CUB_TEST_CLASSES), (_FLOWERS, FLOWERS_TEST_CLASSES)):
        known |= {name: int(match[1]) in testing for name in tables.classes if (match := pattern.match(name))}
    found = published_split(
        [tables.home, tables.home.absolute().parent],
        {picture_key(name, parts) for name in tables.names},
        tables.classes,
        known,
        parts,
    )
    return lambda name: found.of(picture_key(name, parts), class_of(name) or "")


def _pairs(tables: _Tables, pictures: Pictures) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """Yield name, picture and captions of every table that can be used, and note the others."""
    width = 0
    taken: dict[Path, str] = {}
    for name in tables.names:
        try:
            table = PictureTable.read(file_named(tables.home, f"{name}.t7") or tables.home / f"{name}.t7")
            captions, vectors = tables.captions.of(name, table)
            width = width or vectors.shape[1]
            if vectors.shape[1] != width:
                raise UnusableTable(f"its features are {vectors.shape[1]:,} wide, and those before it {width:,}")
            picture = pictures.of(name, table)
            if taken.setdefault(picture, name) != name:
                raise UnusableTable(f"its picture is that of {taken[picture]}.t7 too")
        except UnusableTable as problem:
            tables.notes.add(f"{name}.t7", "tables", str(problem))
        else:
            yield name, picture, captions


@dataclass(frozen=True, slots=True)
class _Features:
    """Looks up the features of an example in its table; it holds none of them."""

    home: Path
    boundary: Boundary
    captions: Captions

    def __call__(self, name: str) -> NDArray[np.float32]:
        """Return (captions, width) of an example by its name, or raise KeyError where there are none."""
        inner = relative_name(name)
        table = "" if inner is None else PurePosixPath(inner).with_suffix("").as_posix()
        file = file_named(self.home, f"{table}.t7")
        if file is None or not self.boundary.holds(file):
            raise KeyError(name)
        try:
            return self.captions.of(table, PictureTable.read(file))[1]
        except UnusableTable:
            raise KeyError(name) from None

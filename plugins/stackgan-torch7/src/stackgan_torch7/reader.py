"""Per-image tables of Torch 7, the files that GAN-INT-CLS was trained on (Reed et al. 2016, icml2016)."""

from __future__ import annotations

import os
import re
import unicodedata
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
from stackgan_cli.readers.layout import Boundary, at_least_one, file_named, opening, source_folder
from stackgan_cli.readers.left_out import Tally
from stackgan_torch7.binary_files import UnreadableTorch7, load_torch7
from stackgan_torch7.tables import (
    MOST_BYTES,
    TEXTS,
    Captions,
    Pictures,
    PictureTable,
    UnusableTable,
    class_of,
    near,
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


class Torch7Reader:
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

    crop = "center"
    recipe = "paper"
    encoder = ("precomputed", {"features": _FEATURES})

    def __init__(self, *, images: str | None = None) -> None:
        self._images = images

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            # Tables beside published text files are an addition to what other readers take.
            with_texts = any((source / name).is_dir() for name in TEXTS)
            for home in [source] if with_texts else _homes(source):
                for path in _peeked(home):
                    if _is_table(path):
                        return f"{path.relative_to(source).as_posix()} is a Torch-7 table of one picture's captions"
        except OSError:
            return None
        return None

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Say what suits the data.

        Returns:
            ``crop``: ``squash`` for flowers, ``bbox`` for birds where the lists of CUB-200-2011 are near, otherwise
            ``center``; ``encoder`` and ``recipe``, the same for all.
        """
        tables = self._tables(source)
        crop = "squash" if tables.are_flowers else "bbox" if _cub(tables) else "center"
        return {"crop": crop, "encoder": self.encoder, "recipe": self.recipe}

    def features(self, source: Path) -> Mapping[str, Callable[[str], NDArray[np.float32]]]:
        """Give ``char-cnn-rnn``: the rows of ``txt`` that belong to an example's captions, (captions, width).

        Raises:
            DataError: the source is no folder, or cannot be opened.
        """
        tables = self._tables(source)
        return {_FEATURES: _Features(tables.home, Boundary(tables.home), Captions.near(tables.home, tables.classes))}

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, in the order of the tables' names, and what had to be left out.

        Raises:
            DataError: the source is no folder of this layout, holds no picture's table, or cannot be opened.
        """
        if source is not None and source.suffix == ".t7" and source.is_file():
            _refuse_other_files([source])
        root = source_folder(source, _LAYOUT)
        with opening(root):
            yield from at_least_one(self._found(root), root, _LAYOUT)

    def _tables(self, source: Path) -> _Tables:
        root = source_folder(source, _LAYOUT)
        with opening(root):
            return _Tables.of(_home(root))

    def _found(self, root: Path) -> Iterator[Example | Skipped]:
        tables = self._tables(root)
        _refuse_other_files(_peeked(tables.home))
        yield from tables.problems
        captions = Captions.near(tables.home, tables.classes)
        pictures = Pictures.near(tables.home, self._images)
        cub = _cub(tables)
        boxes = {} if cub is None else boxes_by_key(cub)
        split = _split(tables)
        for item in _pairs(tables, captions, pictures):
            if isinstance(item, Skipped):
                yield item
                continue
            name, picture, words = item
            box = boxes.get(picture_key(name, 2))
            yield Example(name + picture.suffix, picture, words, split(name), class_of(name), box)
        yield from chain(pictures.absent.lines(), *(tally.lines() for tally in captions.tallies))


def _homes(source: Path) -> list[Path]:
    boundary = Boundary(source)
    inner = (source / name for name in _PUBLISHED)
    return [source, *(folder for folder in inner if folder.is_dir() and boundary.holds(folder))]


def _home(root: Path) -> Path:
    """The folder of tables: the source, or one in it that has a published name."""
    return next((home for home in _homes(root) if any(map(_is_table, _peeked(home)))), root)


def _peeked(home: Path) -> list[Path]:
    """A few files of Torch 7 that show what a folder holds: some of its own, and one each of some folders in it."""
    boundary = Boundary(home)
    paths = _listed(home)
    found = [path for path in paths if path.suffix == ".t7" and boundary.holds(path)][:_PEEKED_TABLES]
    if len(found) < _PEEKED_TABLES:
        firsts = (
            next((path for path in _listed(folder) if path.suffix == ".t7" and boundary.holds(path)), None)
            for folder in paths
            if folder.is_dir() and boundary.holds(folder)
        )
        found += islice((path for path in firsts if path is not None), _PEEKED_TABLES)
    return found


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
    sentences = "sentences and their features, and no pictures"
    try:
        content = load_torch7(path, most_bytes=MOST_BYTES)
    except UnreadableTorch7:
        if _begins_with_sentences(path):
            return sentences
        raise
    if isinstance(content, dict) and "raw_txt" in content and "fea_txt" in content:
        return sentences
    if isinstance(content, dict) and ("txt" in content or "char" in content):
        return None
    if isinstance(content, np.ndarray) and content.ndim == 3:
        return "numbers of all pictures of a class, and not which picture is which"
    return "something else than the table of a picture"


def _begins_with_sentences(path: Path) -> bool:
    """Look at the first key alone: the file of all sentences of a data set is large."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(64)
    return b"raw_txt" in beginning or b"fea_txt" in beginning


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
    """Names of all tables in a folder, without suffix and in composed form, and what is none."""

    home: Path
    names: list[str]
    problems: list[Skipped]

    @classmethod
    def of(cls, home: Path) -> _Tables:
        names: dict[str, None] = {}
        problems: list[Skipped] = []
        boundary = Boundary(home)
        for relative in _table_files(home, problems):
            name = unicodedata.normalize("NFC", relative.removesuffix(".t7"))
            shown = relative.encode("utf-8", "replace").decode()
            if shown != relative:
                problems.append(Skipped(shown, "its name is not UTF-8"))
            elif not boundary.holds(home / relative):
                problems.append(Skipped(relative, "a link that leads out of the folder"))
            elif name in names:
                problems.append(Skipped(relative, "another table has this name in another spelling"))
            else:
                names[name] = None
        return cls(home, sorted(names), problems)

    @property
    def classes(self) -> set[str]:
        return {class_name for name in self.names if (class_name := class_of(name))}

    @property
    def are_flowers(self) -> bool:
        return any(map(_FLOWERS.fullmatch, self.classes))


def _table_files(home: Path, problems: list[Skipped]) -> Iterator[str]:
    for name in sorted(path.name for path in home.iterdir() if not path.name.startswith(".")):
        if name.endswith(".t7"):
            yield name
        elif (home / name).is_symlink() and (home / name).is_dir():
            problems.append(Skipped(name, "a link to a folder, which is not followed"))
        elif (home / name).is_dir():
            try:
                files = sorted(path.name for path in (home / name).iterdir())
            except OSError as error:
                problems.append(Skipped(name, f"this folder cannot be opened: {error.strerror or error}"))
                continue
            yield from (f"{name}/{file}" for file in files if file.endswith(".t7") and not file.startswith("."))


def _cub(tables: _Tables) -> Path | None:
    """Find the lists of CUB-200-2011, in or beside a folder of birds."""
    if tables.are_flowers or not any(map(_NUMBERED.match, tables.classes)):
        return None
    return next((cub for place in near(tables.home, ("", "CUB_200_2011")) if (cub := cub_home(place)) == place), None)


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
        lambda name: picture_key(name, parts),
    )
    return lambda name: found.of(picture_key(name, parts), class_of(name) or "")


def _pairs(
    tables: _Tables, captions: Captions, pictures: Pictures
) -> Iterator[tuple[str, Path, tuple[str, ...]] | Skipped]:
    """Yield name, picture and captions of every table that can be used, and what cannot."""
    width = 0
    taken: dict[Path, str] = {}
    unusable: dict[str, Tally] = {}
    for name in tables.names:
        try:
            table = PictureTable.read(file_named(tables.home, f"{name}.t7") or tables.home / f"{name}.t7")
            words, vectors = captions.of(name, table)
            width = width or vectors.shape[1]
            if vectors.shape[1] != width:
                raise UnusableTable(f"its features are {vectors.shape[1]:,} wide, and those before it {width:,}")
            picture = pictures.of(name, table)
        except UnusableTable as problem:
            unusable.setdefault(str(problem), Tally("tables", str(problem))).add(f"{name}.t7")
            continue
        if picture is None:
            continue
        if taken.setdefault(picture, name) == name:
            yield name, picture, words
        else:
            yield Skipped(f"{name}.t7", f"its picture is that of {taken[picture]}.t7 too")
    yield from chain.from_iterable(tally.lines() for tally in unusable.values())


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

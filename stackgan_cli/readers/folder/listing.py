"""Lists of pictures and their captions: what they say of each picture, and which files they mean."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import oddity
from stackgan_cli.readers.folder.class_folders import ClassFolders
from stackgan_cli.readers.folder.list_rows import NAMES, Row, Unusable, guessed_encoding, read_list, unit_of
from stackgan_cli.readers.folder.picture_names import CAPTION_NUMBER, AbsentPicture, PictureNames
from stackgan_cli.readers.layout import printable
from stackgan_cli.readers.split_names import splits_in_names
from stackgan_cli.readers.tree import OUTSIDE, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stackgan_cli.readers.columns import Columns
    from stackgan_cli.readers.left_out import LeftOut

    _Key = TypeVar("_Key", str, tuple[str, str])

MOST_CAPTIONS = 1000


class ListedPictures:
    """Captions in lists, each of which speaks of many pictures.

    Args:
        tree: the pictures.
        lists: files inside the folder or, where a person named them, elsewhere.
        columns: those that name pictures and hold captions.
    """

    sure = True

    def __init__(self, tree: Tree, lists: Sequence[Path], columns: Columns) -> None:
        self._tree, self._lists, self._columns = tree, lists, columns

    @property
    def evidence(self) -> str:
        """The first list, in words."""
        return f"{shown_name(self._tree, self._lists[0])} lists pictures and captions"

    def examples(self, left_out: LeftOut) -> Iterator[Example]:
        """Yield the listed pictures, in the order of their names."""
        listing = _Listing(self._tree, left_out, PictureNames(self._tree))
        splits = splits_in_names([shown_name(self._tree, path) for path in self._lists])
        for path in self._lists:
            listing.read(path, self._columns, splits[shown_name(self._tree, path)])
        listing.find_alike()
        yield from listing.examples()
        unlisted = f"not listed in {' or '.join(dict.fromkeys(path.name for path in self._lists))}"
        for name in self._tree.pictures:
            if name not in listing and name not in listing.told:
                left_out.add(name, "pictures", unlisted)


def shown_name(tree: Tree, path: Path) -> str:
    """Call a list by its name in the folder, or by its whole path where it lies elsewhere."""
    return path.relative_to(tree.root).as_posix() if path.is_relative_to(tree.root) else path.as_posix()


def list_at(place: Path) -> Path:
    """Return the place of a list that a person names, where there is a file.

    Raises:
        DataError: there is none.
    """
    if place.is_file():
        return place
    what = "neither a file nor a folder" if os.path.lexists(place) else "not there"
    raise DataError(f"{place} is {what}.", "--captions with a list of captions, or a folder of caption files")


def folder_of(tree: Tree, path: Path) -> str:
    """Return the folder of a list, with a slash at the end, or nothing for the source and for what lies elsewhere."""
    return shown_name(tree, path).removesuffix(path.name) if path.is_relative_to(tree.root) else ""


@dataclass(slots=True)
class _Listed:
    """What lists say of one picture."""

    captions: tuple[str, ...]
    split: str | None
    class_name: str | None
    place: str
    """Where the first of them says it."""


@dataclass(slots=True)
class _Listing:
    """All pictures that lists name, and nothing more of them than is written there."""

    tree: Tree
    left_out: LeftOut
    names: PictureNames
    told: set[str] = field(default_factory=set)
    """Pictures of which it is told already why they are left out, unless another row has their captions."""
    _listed: dict[str, _Listed] = field(default_factory=dict)
    _misspelt: dict[tuple[str, str], _Listed] = field(default_factory=dict)
    """Those whose names no file has, but perhaps one that is called otherwise; by folder of the list and name."""

    def __contains__(self, name: str) -> bool:
        return name in self._listed

    def read(self, path: Path, columns: Columns, split: str | None) -> None:
        """Take up the rows of a list, of this split where they do not say."""
        shown = shown_name(self.tree, path)
        odd = oddity(damaged=False, guessed=guessed_encoding(path))
        if odd is not None:
            self.left_out.add(shown, "files", odd)
        base = folder_of(self.tree, path)
        unit = unit_of(path)
        for row in read_list(path, columns):
            place = f"{shown} {unit} {row.line}"
            if isinstance(row, Unusable):
                self._leave_out(base, row, place)
                continue
            written = CAPTION_NUMBER.sub("", row.file_name)
            try:
                name = self.names.exactly(base, written)
            except AbsentPicture as problem:
                self.left_out.add(_shown(row.file_name), "rows", f"{place}: {problem}")
                continue
            if name is None:
                self._take(self._misspelt, (base, written), row, place, split)
            else:
                self._take(self._listed, name, row, place, split)

    def _leave_out(self, base: str, row: Unusable, place: str) -> None:
        if row.file_name is None:
            self.left_out.add(place, "rows", row.reason)
            return
        self.left_out.add(row.file_name, "rows", f"{place}: {row.reason}")
        with suppress(AbsentPicture):
            # That the list has nothing about it would be told once more.
            self.told.add(self.names.exactly(base, CAPTION_NUMBER.sub("", row.file_name)) or "")

    def _take(self, listed: dict[_Key, _Listed], name: _Key, row: Row, place: str, split: str | None) -> None:
        said = row.described
        for remark in said.oddities():
            self.left_out.add(place, "rows", remark)
        new = _Listed(said.captions, said.split or (None if said.odd_split else split), said.class_name, place)
        self._join(listed, name, new)

    def _join(self, listed: dict[_Key, _Listed], name: _Key, new: _Listed) -> None:
        earlier = listed.get(name)
        if earlier is None:
            listed[name] = new
        elif len(earlier.captions) >= MOST_CAPTIONS:
            self.left_out.add(new.place, "rows", f"its picture has {MOST_CAPTIONS:,} captions from earlier rows")
        else:
            more = tuple(caption for caption in new.captions if caption not in earlier.captions)
            earlier.captions += more
            if not more:
                self.left_out.add(new.place, "rows", "it repeats an earlier row")

    def find_alike(self) -> None:
        """Give what is listed by names that no file has to the files that are called alike."""
        if not self._misspelt:
            return
        found = self.names.alike(self._misspelt, set(self._listed))
        for key, listed in self._misspelt.items():
            match = found[key]
            if isinstance(match, str):
                self._join(self._listed, match, listed)
            else:
                self.left_out.add(_shown(key[1]), "rows", f"{listed.place}: {match}")
        self._misspelt.clear()

    def examples(self) -> Iterator[Example]:
        """Yield every listed picture, in the order of their names."""
        folders = ClassFolders.of(sorted(self._listed))
        for name in sorted(self._listed):
            listed = self._listed[name]
            split = listed.split or folders.split_of(name)
            yield Example(name, self.tree.root / name, listed.captions, split, listed.class_name)


def _shown(name: str) -> str:
    return printable(name[:200])


def _places(root: Path) -> list[Path]:
    """Folders in which metadata files are looked for."""
    splits = ("", "train", "test", "val", "valid", "validation")
    return [root / base / split for base in ("", "images", "data") for split in splits]


def metadata_files(tree: Tree, left_out: LeftOut) -> list[Path]:
    """Find metadata files, one a folder, in the places where they usually are; the others are told."""
    chosen: dict[Path, Path] = {}
    for path in (folder / name for folder in _places(tree.root) for name in NAMES):
        if not os.path.lexists(path):
            continue
        if not tree.boundary.holds(path):
            reason = OUTSIDE
        elif not path.is_file():
            reason = "not a regular file"
        elif path.parent in chosen:
            reason = f"not read, because {chosen[path.parent].name} is there too"
        else:
            chosen[path.parent] = path
            continue
        left_out.add(path.relative_to(tree.root).as_posix(), "files", reason)
    return list(chosen.values())

"""Lists of pictures and their captions: what they say of each picture, and which files they mean."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.files import relative_name
from stackgan_cli.readers.captions import oddity
from stackgan_cli.readers.folder.class_folders import ClassFolders
from stackgan_cli.readers.folder.metadata import NAMES, Row, Unusable, guessed_encoding, read_metadata
from stackgan_cli.readers.layout import printable
from stackgan_cli.readers.tree import AMBIGUOUS, OUTSIDE, Tree, alike, folded, position

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stackgan_cli.readers.columns import Columns
    from stackgan_cli.readers.left_out import LeftOut

_MOST_CAPTIONS = 1000


class ListedPictures:
    """Captions in lists: metadata files, each of which speaks of many pictures."""

    sure = True

    def __init__(self, tree: Tree, lists: Sequence[Path], columns: Columns) -> None:
        self._tree, self._lists, self._columns = tree, lists, columns

    @property
    def evidence(self) -> str:
        """The first list, in words."""
        return f"{self._lists[0].relative_to(self._tree.root).as_posix()} lists pictures and captions"

    def examples(self, left_out: LeftOut) -> Iterator[Example]:
        """Yield the listed pictures, in the order of their names."""
        listing = _Listing(self._tree, left_out)
        for path in self._lists:
            listing.read(path, self._columns)
        listing.find_alike()
        yield from listing.examples()
        unlisted = f"not listed in {' or '.join(dict.fromkeys(path.name for path in self._lists))}"
        for name in self._tree.pictures:
            if name not in listing:
                left_out.add(name, "pictures", unlisted)


@dataclass(slots=True)
class _Listed:
    """What metadata say of one picture."""

    captions: tuple[str, ...]
    split: str | None
    class_name: str | None


class _AbsentPicture(Exception):  # noqa: N818
    """A row names no picture that can be used; the message is a short reason."""


@dataclass(slots=True)
class _Listing:
    """All pictures that metadata files list, and nothing more of them than is written there."""

    tree: Tree
    left_out: LeftOut
    _listed: dict[str, _Listed] = field(default_factory=dict)
    _misspelt: dict[str, _Listed] = field(default_factory=dict)
    """Those by whose name there is no file, but perhaps one that is spelt alike."""
    _spellings: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return name in self._listed

    def read(self, path: Path, columns: Columns) -> None:
        """Take up the rows of a metadata file."""
        shown = path.relative_to(self.tree.root).as_posix()
        odd = oddity(damaged=False, guessed=guessed_encoding(path))
        if odd is not None:
            self.left_out.add(shown, "files", odd)
        for row in read_metadata(path, columns):
            place = f"{shown} {'row' if path.suffix == '.parquet' else 'line'} {row.line}"
            if isinstance(row, Unusable):
                named = (row.file_name, f"{place}: {row.reason}") if row.file_name else (place, row.reason)
                self.left_out.add(named[0], "rows", named[1])
                continue
            try:
                name, exact = self._located(shown.removesuffix(path.name), row.file_name)
            except _AbsentPicture as problem:
                self.left_out.add(_shown(row.file_name), "rows", f"{place}: {problem}")
                continue
            self._take(self._listed if exact else self._misspelt, name, row, place)

    def _located(self, base: str, file_name: str) -> tuple[str, bool]:
        """Return the name that a row means, and whether a file has it; if not, one that is spelt alike may be meant."""
        if printable(file_name) != file_name:
            raise _AbsentPicture("the name is not UTF-8")
        inner = relative_name(file_name)
        if inner is None:
            raise _AbsentPicture("the name leads out of the folder")
        name = base + inner
        for place in (name, f"{base}images/{inner}"):
            index = position(self.tree.pictures, place)
            if index is not None:
                return self.tree.pictures[index], True
        if not self._spellings:
            self._spellings = set(map(folded, self.tree.pictures))
        if folded(name) in self._spellings:
            return name, False
        path = self.tree.root / name
        try:
            if not self.tree.boundary.holds(path):
                raise _AbsentPicture(OUTSIDE)
            if not path.is_file():
                raise _AbsentPicture("it is a folder" if path.is_dir() else "there is no such file")
        except OSError as error:
            raise _AbsentPicture(f"it cannot be opened ({error.strerror or error})") from error
        return name, True

    def _take(self, listed: dict[str, _Listed], name: str, row: Row, place: str) -> None:
        said = row.described
        for remark in said.oddities():
            self.left_out.add(place, "rows", remark)
        earlier = listed.get(name)
        if earlier is None:
            listed[name] = _Listed(said.captions, said.split, said.class_name)
        elif len(earlier.captions) >= _MOST_CAPTIONS:
            self.left_out.add(place, "rows", f"its picture has {_MOST_CAPTIONS:,} captions from earlier rows")
        else:
            new = tuple(caption for caption in said.captions if caption not in earlier.captions)
            earlier.captions += new
            if not new:
                self.left_out.add(place, "rows", "it repeats an earlier row")

    def find_alike(self) -> None:
        """Give what is listed by names that no file has to the files that are spelt alike."""
        self._spellings.clear()
        if not self._misspelt:
            return
        found = alike(self._misspelt, (name for name in self.tree.pictures if name not in self._listed))
        for name, listed in self._misspelt.items():
            match = found.get(name)
            if match is not None:
                self._listed[match] = listed
            elif name in found:
                self.left_out.add(_shown(name), "pictures", AMBIGUOUS)
            else:
                reason = "there is no such file, and the one that is spelt alike is listed itself"
                self.left_out.add(_shown(name), "pictures", reason)

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

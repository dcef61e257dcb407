"""Lists of the pictures of each split, as Flickr8k and Flickr30k have them beside their captions."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.readers.captions import bounded_lines
from stackgan_cli.readers.folder.listing import folder_of
from stackgan_cli.readers.folder.picture_names import AbsentPicture, PictureNames
from stackgan_cli.readers.split_names import split_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.readers.left_out import LeftOut
    from stackgan_cli.readers.tree import Tree

_WORD = re.compile("[A-Z]?[a-z]+")
_MOST_LISTS = 20
"""Files that may be such lists; where there are more, their names speak of the splits of single pictures."""
_LONGEST_NAME = 4096
"""Characters of a line that is looked up."""


@dataclass(frozen=True, slots=True)
class SplitLists:
    """Which split the files say that pictures are of, whose names do and whose lines are names of pictures."""

    splits: Mapping[str, str]
    """The split of each picture; none where no file lists pictures for testing."""
    lists: tuple[str, ...]
    """Names of the files, relative to the source."""

    @classmethod
    def of(cls, tree: Tree) -> SplitLists:
        """Find the files among a folder's texts.

        Raises:
            OSError: one of them cannot be opened.
        """
        candidates = [name for name in tree.texts if name not in tree.faults and _split_of(name) is not None]
        candidates = [name for name in candidates if not _is_of_one_picture(tree, name)]
        names = PictureNames(tree)
        splits: dict[str, str] = {}
        lists: list[str] = []
        # Those for testing come last: a picture that is in both kinds stays out of training.
        for name in sorted(candidates, key=lambda name: _split_of(name) == "test") if tree.pictures else ():
            listed = dict.fromkeys(_listed(tree, name, names), _split_of(name) or "")
            splits |= listed
            lists += [name] if listed else []
        if "test" not in splits.values() or len(candidates) > _MOST_LISTS:
            return cls({}, ())
        return cls(splits, tuple(lists))

    def without(self, tree: Tree) -> Tree:
        """Return the same folder without these files, which hold no captions."""
        return replace(tree, texts=[name for name in tree.texts if name not in self.lists]) if self.lists else tree

    def told(self, example: Example, left_out: LeftOut) -> Example:
        """Return an example with its split, where nothing else says one."""
        if not self.splits or example.split is not None:
            return example
        split = self.splits.get(example.name)
        if split is None:
            reason = f"kept as without a split: it is in no list of one, such as {self.lists[0]}"
            left_out.add(example.name, "pictures", reason)
        return replace(example, split=split)


def _split_of(name: str) -> str | None:
    path = PurePosixPath(name)
    words = map(split_named, _WORD.findall(path.stem)) if path.suffix.lower() == ".txt" else ()
    return next(filter(None, words), None)


def _is_of_one_picture(tree: Tree, text: str) -> bool:
    core = text.rpartition(".")[0]
    at = bisect_left(tree.pictures, core + ".")
    return any(picture.startswith(core + ".") for picture in tree.pictures[at : at + 1])


def _listed(tree: Tree, name: str, names: PictureNames) -> Iterator[str]:
    path = tree.root / name
    base = folder_of(tree, path)
    with path.open("rb") as file:
        for line in bounded_lines(file):
            written = "" if line is None else line.strip()
            if 0 < len(written) <= _LONGEST_NAME:
                try:
                    yield names.meant(base, written)
                except AbsentPicture:
                    continue

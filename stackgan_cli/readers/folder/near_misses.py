"""What keeps a folder of pictures from being one of captioned pictures."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.readers.columns import Columns
from stackgan_cli.readers.folder.beside import FilesBeside
from stackgan_cli.readers.folder.in_names import IN_NAMES, called_like_captions
from stackgan_cli.readers.folder.list_files import Lists
from stackgan_cli.readers.layout import PICTURE_SUFFIXES
from stackgan_cli.readers.tree import TEXT_SUFFIXES, Tree, files_below

if TYPE_CHECKING:
    from pathlib import Path

_MOST_FILES = 20_000
"""Files that are compared by name."""


def what_is_missing(source: Path) -> str | None:
    """Say in half a sentence why no picture of a folder has captions; None where there is no picture."""
    tree = Tree.of(source)
    if not tree.pictures:
        return None
    lists = Lists(tree, FilesBeside(tree).texts.free(), Columns())
    said = [f"{name} cannot be its list: {reason.rstrip('.')}" for name, reason in islice(lists.likely_others(), 2)]
    ending = _common_ending(tree)
    if ending is not None:
        suffix, count, (picture, other) = ending
        said.append(
            f"{count:,} of {len(tree.pictures):,} pictures have a file of their name that ends in {suffix}, as {other} "
            f"is called like {picture}, but caption files do not end so"
        )
    called = called_like_captions(tree.pictures)
    if called is not None:
        said.append(f"its pictures have names that read like captions, such as {called} (--captions {IN_NAMES})")
    if not said:
        said.append(f"nothing there holds captions of {tree.pictures[0]}")
    return "; ".join(said)


def _common_ending(tree: Tree) -> tuple[str, int, tuple[str, str]] | None:
    """Find what ends most files that are called like a picture, how many, and one of them with its picture."""
    known = PICTURE_SUFFIXES | TEXT_SUFFIXES
    pictures = {name.rpartition(".")[0]: name for name in islice(tree.pictures, _MOST_FILES)}
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    for name, fault in islice(files_below(tree.root, tree.boundary, lambda _: True), 2 * _MOST_FILES):
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        picture = pictures.get(str(path.with_suffix(""))) if suffix and suffix not in known and fault is None else None
        if picture is not None:
            counts[suffix] += 1
            first[suffix] = min(first.get(suffix, (picture, name)), (picture, name))
    if not counts:
        return None
    suffix, count = counts.most_common(1)[0]
    return suffix, count, first[suffix]

"""The files of a packed set, each of which holds many pictures: where they are, and of which split."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.readers.layout import Boundary, opening, printable
from stackgan_cli.readers.split_names import split_named, splits_in_names, without_suffix
from stackgan_cli.readers.tree import files_below

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from stackgan_cli.readers.left_out import LeftOut


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file that holds many pictures."""

    path: Path
    name: str
    """Relative to the source, with slashes."""
    prefix: str
    """What the names of its pictures begin with: its own name, without the suffix where that is still unique."""
    split: str | None


def packed_source(source: Path | None, layout: str) -> Path:
    """Return the source of a set if it is there; ``layout`` says what it should hold, for the hint.

    Raises:
        DataError: it is not there, or cannot be opened.
    """
    with opening(source or Path()):
        if source is not None and source.exists():
            return source
    place = "There is nothing to read." if source is None else f"There is nothing at {source}."
    raise DataError(place, f"Name a file or a folder with --source. {layout}")


def packed_files(source: Path, suffixes: tuple[str, ...], layout: str, left_out: LeftOut) -> list[PackedFile]:
    """Find the files of a set, by name: the source itself, or all with one of the suffixes in it and in its folders.

    No link out of the folder is followed, and none to a folder; ``left_out`` is told what cannot be one of the files.

    Raises:
        DataError: there is no such file.
        OSError: the source cannot be opened.
    """
    if source.is_dir():
        names, root = _names_inside(source, suffixes, left_out), source
    else:
        # A file that a person names is read whatever it is called.
        names, root = [source.name], source.parent
        if not source.is_file():
            raise DataError(f"{source} is neither a file nor a folder.", layout)
    if not names:
        why = f" Left out: {left_out.in_short()}." if left_out.total else ""
        raise DataError(f"{source} holds no file whose name ends in {' or '.join(suffixes)}.{why}", layout)
    prefixes = _prefixes(names)
    splits = splits_in_names(names)
    return [PackedFile(root / name, name, prefixes[name], splits[name]) for name in names]


def likely_files(source: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield files of a set from the places where they usually are, without walking through a whole tree.

    Raises:
        OSError: the source cannot be opened.
    """
    found = [source] if source.is_file() else sorted(source.iterdir())
    folders = [path for path in found if split_named(path.name) or path.name in ("data", "shards")]
    inside = [sorted(path.iterdir()) for path in folders if path.is_dir() and not path.is_symlink()]
    for path in chain(found, *inside):
        if path.name.lower().endswith(suffixes) and path.is_file() and (path == source or not path.is_symlink()):
            yield path


def _names_inside(root: Path, suffixes: tuple[str, ...], left_out: LeftOut) -> list[str]:
    next(os.scandir(root), None)
    names = []
    for name, fault in sorted(files_below(root, Boundary(root), lambda name: name.lower().endswith(suffixes))):
        if fault is None:
            names.append(name)
        else:
            left_out.add(printable(name), "files", fault)
    return names


def _prefixes(names: Collection[str]) -> dict[str, str]:
    short = {name: without_suffix(name) for name in names}
    used = set(short.values())
    # With a.tar and a/b.tar, the picture b/c of the first would be called like the picture c of the second.
    nested = any(str(folder) in used for name in used for folder in PurePosixPath(name).parents)
    return {name: name for name in names} if nested or len(used) < len(short) else short

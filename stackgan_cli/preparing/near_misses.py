"""What is said of a source that no reader recognises: what is in it, and what to do about a file."""

from __future__ import annotations

import shlex
from collections import Counter
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary
from stackgan_cli.readers.tree import files_below

if TYPE_CHECKING:
    from pathlib import Path

_MOST_FILES = 20_000
"""Files that are counted; of a larger source it is said that there are more."""
_KINDS = 4
"""Kinds of files that are told apart."""
_PACKED = (".7z", ".rar", ".zst", ".lz4", ".ace", ".dmg", ".iso")
"""What names of archives end in that are not unpacked here."""


def what_is_in(source: Path) -> str:
    """Count the files of a source by the ends of their names, for a sentence that begins with it."""
    if source.is_file():
        return f"it is one file of {source.stat().st_size:,} bytes"
    names = [name for name, _ in islice(files_below(source, Boundary(source), lambda _: True), _MOST_FILES)]
    if not names:
        return "it holds no file"
    kinds = Counter(PurePosixPath(name).suffix.lower() or "file without an ending" for name in names)
    common = kinds.most_common(_KINDS)
    parts = [f"{count:,} {kind}" for kind, count in common]
    others = len(names) - sum(count for _, count in common)
    parts += [f"{others:,} of other kinds"] if others else []
    more = f"more than {_MOST_FILES:,} files, among them " if len(names) == _MOST_FILES else ""
    return f"it holds {more}{' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))}"


def what_to_do_with_file(source: Path) -> str:
    """Say what to do about a file that was named as a source and is none."""
    suffix = source.suffix.lower()
    if suffix in _PACKED:
        return f"Unpack {source.name}, and name its folder; .zip and .tar are unpacked by themselves."
    if suffix in PICTURE_SUFFIXES:
        return f"One picture is no data: name the folder of all of them, --source {shlex.quote(str(source.parent))}"
    return "Name the folder, the archive or the list of captioned pictures; --reader chooses a layout."

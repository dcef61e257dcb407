"""The pictures and texts inside a source folder, and names that are spelt in more than one way."""

from __future__ import annotations

import os
import stat
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TEXT_SUFFIXES = frozenset(
    (
        ".txt",
        ".caption",
        ".captions",
        ".cap",
        ".text",
        ".json",
        ".jsonl",
        ".ndjson",
        ".csv",
        ".tsv",
        ".token",
        ".parquet",
    )
)
"""Of files that may hold captions."""
ELSEWHERE = "captions/"
"""What names of texts begin with that a person said lie in another folder."""
OUTSIDE = "a link that leads out of the folder or in a circle"
AMBIGUOUS = "more than one file is spelt like it, but for case or the encoding of accents"


@dataclass(slots=True)
class Tree:
    """The pictures and texts of a folder, without those that lie outside it.

    Names are relative to the folder, with slashes, and sorted.
    """

    root: Path
    boundary: Boundary
    pictures: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """Texts that must not be opened, and why."""
    elsewhere: Path | None = None
    """A folder of texts apart from the others, whose names begin with `ELSEWHERE`."""

    @classmethod
    def of(cls, root: Path) -> Tree:
        """Walk through a folder; what cannot be used goes to ``problems``."""
        tree = cls(root, Boundary(root))
        for name, fault in files_below(root, tree.boundary, _is_known):
            if _suffix(name) in TEXT_SUFFIXES and printable(name) == name:
                tree.texts.append(name)
                if fault is not None:
                    tree.faults[name] = fault
            elif fault is not None:
                tree.problems.append(Skipped(printable(name), fault))
            else:
                tree.pictures.append(name)
        for found in (tree.pictures, tree.texts):
            found.sort()
        tree.problems.sort(key=lambda problem: problem.name)
        return tree

    def with_texts_of(self, folder: Path) -> Tree:
        """Return the same pictures with the texts of a folder, wherever it lies, and no others."""
        other = Tree.of(folder)
        texts = [ELSEWHERE + name for name in other.texts]
        faults = {ELSEWHERE + name: fault for name, fault in other.faults.items()}
        return replace(self, texts=texts, faults=faults, elsewhere=folder)

    def text_path(self, name: str) -> Path:
        """Return where a text lies."""
        return self.root / name if self.elsewhere is None else self.elsewhere / name.removeprefix(ELSEWHERE)


def files_below(root: Path, boundary: Boundary, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str | None]]:
    """Walk through a folder and the folders in it, following no link to another one, past what is hidden.

    Args:
        root: the folder.
        boundary: what links to files must not lead out of.
        wanted: says of a name whether such files are looked for.

    Yields:
        The name of each file, relative to the folder with slashes, and why it must not be opened, or None. So are
        folders named that cannot be opened, and links to folders.
    """
    waiting = [""]
    while waiting:
        base = waiting.pop()
        try:
            with os.scandir(root / base) as entries:
                for entry in entries:
                    name = base + entry.name
                    if entry.name.startswith(".") or entry.name == "__MACOSX":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(name + "/")
                    elif wanted(name) or (entry.is_symlink() and os.path.isdir(entry.path)):  # noqa: PTH112
                        yield name, _fault(entry, name, boundary)
        except OSError as error:
            yield base.rstrip("/") or ".", f"this folder cannot be opened: {error.strerror or error}"


def _fault(entry: os.DirEntry[str], name: str, boundary: Boundary) -> str | None:
    fault = None
    try:
        if printable(name) != name:
            fault = "its name is not UTF-8"
        elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112
            fault = "a link to a folder, which is not followed"
        elif entry.is_symlink() and not boundary.holds(Path(entry.path)):
            fault = OUTSIDE
        elif not entry.is_file(follow_symlinks=False) and not stat.S_ISREG(entry.stat().st_mode):
            fault = "a pipe, a socket or a device, not a file"
    except FileNotFoundError:
        fault = "a link to nothing"
    except OSError as error:
        fault = f"it cannot be opened ({error.strerror or error})"
    return fault


def _is_known(name: str) -> bool:
    return (suffix := _suffix(name)) in PICTURE_SUFFIXES or suffix in TEXT_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  (a Path for each of a million names takes its time)


def position(names: Sequence[str], name: str) -> int | None:
    """Return where a name stands in a sorted list, or None where it does not."""
    index = bisect_left(names, name)
    return index if index < len(names) and names[index] == name else None


def folded(name: str) -> str:
    """Make names alike that differ in case, or in whether accents are characters of their own."""
    return composed(composed(name).casefold())


def composed(name: str) -> str:
    """Make names alike that differ in whether accents are characters of their own."""
    return unicodedata.normalize("NFC", name)


def alike(
    wanted: Iterable[str], present: Iterable[str], keys: Sequence[Callable[[str], str]] = (composed, folded)
) -> dict[str, str | None]:
    """Find files by names that are spelt differently: in another Unicode form first, in another case as well second.

    Args:
        wanted: the names.
        present: those of the files.
        keys: what makes two names alike, one after the other.

    Returns:
        For each wanted name that is spelt like a present one, that one; None where either is not the only one.
    """
    found: dict[str, str | None] = {}
    missing, left = list(wanted), list(present)
    for key in keys:
        files = _only_ones(left, key) if missing else {}
        seekers = _only_ones((name for name in missing if key(name) in files), key) if files else {}
        for name in missing:
            form = key(name)
            if form in seekers:
                found[name] = None if seekers[form] is None else files[form]
        taken = set(found.values())
        missing = [name for name in missing if name not in found]
        left = [name for name in left if name not in taken]
    return found


def _only_ones(names: Iterable[str], key: Callable[[str], str]) -> dict[str, str | None]:
    """Give the name of each form, or None where several have that form."""
    only: dict[str, str | None] = {}
    for name in names:
        form = key(name)
        only[form] = None if form in only else name
    return only

"""A folder of one's own pictures: a metadata file, or a text file beside each picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.readers.captions import CaptionFiles, UnreadableCaptions
from stackgan_cli.data.readers.layout import (
    PICTURE_SUFFIXES,
    Tally,
    at_least_one,
    opening,
    relative_name,
    source_folder,
)
from stackgan_cli.data.readers.metadata import NAMES, Metadata, Row, read_metadata, split_named

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUT = (
    "It should hold metadata.jsonl or metadata.csv (file_name and caption for each picture), or beside each picture a "
    "text file of the same name, such as bird.jpg and bird.txt, with one caption per line."
)
_PEEK = 500
"""Entries looked at to recognise a folder: enough to see a pair, few enough to be quick."""


class FolderReader:
    """Reads any folder of captioned pictures.

    Metadata files, at the top or in folders named after splits, name pictures relative to themselves. Without any, each
    picture's captions are in the text file beside it. The split is that of the column ``split``, else that of a
    top-level folder ``train`` or ``test``, else open. Nothing outside the folder is opened, whatever names and links
    say.
    """

    crop = "center"
    recipe = "paper"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            for folder in _places(source):
                for name in NAMES:
                    if (folder / name).is_file():
                        return f"{(folder / name).relative_to(source).as_posix()} lists pictures and captions"
            for folder in (source, source / "train", source / "images"):
                pair = _pair(folder) if folder.is_dir() else None
                if pair is not None:
                    return f"{pair.relative_to(source).as_posix()} has its captions in a text file beside it"
        except OSError:
            return None
        return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, in the order of their names, and what had to be left out.

        Raises:
            DataError: the source is no folder, holds no captioned picture, or cannot be opened.
        """
        root = source_folder(source, _LAYOUT)
        with opening(root):
            next(os.scandir(root), None)
            tree = _Tree.of(root)
            lists = [folder / name for folder in _places(root) for name in NAMES]
            lists = [path for path in lists if path.is_file() and tree.holds(path)]
            found = _from_metadata(tree, lists) if lists else _from_pairs(tree)
            yield from at_least_one(found, root, _LAYOUT)


def _places(root: Path) -> list[Path]:
    return [root, *(root / split for split in ("train", "test", "val", "valid", "validation"))]


def _pair(folder: Path) -> Path | None:
    with os.scandir(folder) as entries:
        names = {entry.name for entry in islice(entries, _PEEK)}
    for name in sorted(names):
        path = folder / name
        if path.suffix.lower() in PICTURE_SUFFIXES and path.with_suffix(".txt").is_file():
            return path
    return None


@dataclass(slots=True)
class _Tree:
    """The files of a folder, without those that lie outside it."""

    root: Path
    real: Path
    pictures: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path) -> _Tree:
        tree = cls(root, root.resolve())

        def closed(error: OSError) -> None:
            name = os.path.relpath(error.filename, root).replace(os.sep, "/")
            tree.problems.append(Skipped(name, f"this folder cannot be opened: {error.strerror}"))

        for place, folders, files in os.walk(root, onerror=closed):
            base = PurePosixPath(Path(place).relative_to(root).as_posix())
            for name in [name for name in folders if (Path(place) / name).is_symlink()]:
                tree.problems.append(Skipped(str(base / name), "a link to a folder, which is not followed"))
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
            for name in sorted(files):
                tree._sort_in(str(base / name))
        tree.pictures.sort()
        tree.texts.sort()
        return tree

    def _sort_in(self, name: str) -> None:
        suffix = PurePosixPath(name).suffix.lower()
        known = suffix in PICTURE_SUFFIXES or suffix == ".txt"
        if PurePosixPath(name).name.startswith(".") or not known:
            return
        try:
            name.encode()
        except UnicodeEncodeError:
            self.problems.append(Skipped(name.encode("utf-8", "replace").decode(), "its name is not UTF-8"))
            return
        (self.texts if suffix == ".txt" else self.pictures).append(name)

    def holds(self, path: Path) -> bool:
        """Say whether a path, all links followed, is inside the folder."""
        try:
            return path.resolve().is_relative_to(self.real)
        except RuntimeError:  # links that lead in a circle
            return False

    def folder_split(self, name: str) -> str | None:
        """Return the split that the top-level folder of a name stands for."""
        top, separator, _ = name.partition("/")
        return split_named(top) if separator else None


def _from_pairs(tree: _Tree) -> Iterator[Example | Skipped]:
    yield from tree.problems
    reading = CaptionFiles()
    texts = {str(PurePosixPath(name).with_suffix("")): name for name in tree.texts}
    used = set()
    for name in tree.pictures:
        text = texts.get(str(PurePosixPath(name).with_suffix("")))
        if text is None:
            yield Skipped(name, "there is no text file of the same name beside it")
            continue
        used.add(text)
        if not tree.holds(tree.root / name):
            yield Skipped(name, "a link that leads out of the folder")
        elif not tree.holds(tree.root / text):
            yield Skipped(name, "its text file is a link that leads out of the folder")
        else:
            try:
                captions = reading.read(tree.root / text, text)
            except UnreadableCaptions as problem:
                yield Skipped(name, str(problem))
                continue
            yield Example(name, tree.root / name, captions, tree.folder_split(name))
    for text in tree.texts:
        if text not in used:
            yield Skipped(text, "there is no picture of the same name beside it")
    yield from reading.notes()


@dataclass(slots=True)
class _Repeats:
    """Rows that name a picture which an earlier row names too."""

    added: Tally = field(
        default_factory=lambda: Tally("rows", "its picture has an earlier row, to which its captions were added")
    )
    same: Tally = field(default_factory=lambda: Tally("rows", "it repeats an earlier row"))


def _from_metadata(tree: _Tree, lists: list[Path]) -> Iterator[Example | Skipped]:
    yield from tree.problems
    damaged = Tally("rows", "kept; damaged characters were read as spaces")
    repeats = _Repeats()
    examples: dict[str, Example] = {}
    read: dict[Path, str] = {}
    for path in lists:
        if path.parent in read:
            yield Skipped(path.name, f"not read, because {read[path.parent]} is there too")
            continue
        read[path.parent] = path.name
        metadata = read_metadata(path)
        yield from metadata.problems
        for row in metadata.rows:
            example = _example(tree, metadata, row)
            if isinstance(example, Skipped):
                yield example
                continue
            place = f"{path.name} line {row.line}"
            if row.damaged:
                damaged.add(place)
            earlier = examples.setdefault(example.name, example)
            if earlier is not example:
                examples[example.name] = _joined(earlier, example, repeats, place)
    yield from (examples[name] for name in sorted(examples))
    unlisted = Tally("pictures", f"not listed in {' or '.join(dict.fromkeys(read.values()))}")
    for name in tree.pictures:
        if name not in examples:
            unlisted.add(name)
    for tally in (unlisted, damaged, repeats.added, repeats.same):
        yield from tally.lines()


def _joined(earlier: Example, later: Example, repeats: _Repeats, place: str) -> Example:
    new = tuple(caption for caption in later.captions if caption not in earlier.captions)
    (repeats.added if new else repeats.same).add(place)
    return replace(earlier, captions=earlier.captions + new)


def _example(tree: _Tree, metadata: Metadata, row: Row) -> Example | Skipped:
    place = f"{metadata.path.name} line {row.line}"
    shown = row.file_name.encode("utf-8", "replace").decode()
    if shown != row.file_name:
        return Skipped(shown, f"{place}: the name is not UTF-8")
    base = metadata.path.parent.relative_to(tree.root)
    inner = relative_name(row.file_name)
    if inner is None:
        return Skipped(shown, f"{place}: the name leads out of the folder")
    name = (PurePosixPath(base.as_posix()) / inner).as_posix()
    path = tree.root / name
    try:
        if not tree.holds(path):
            return Skipped(shown, f"{place}: a link that leads out of the folder")
        if not path.is_file():
            return Skipped(shown, f"{place}: {'it is a folder' if path.is_dir() else 'there is no such file'}")
    except OSError as error:
        return Skipped(shown, f"{place}: it cannot be opened ({error.strerror or error})")
    return Example(name, path, row.captions, row.split or tree.folder_split(name), row.class_name)

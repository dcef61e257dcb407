"""A folder of one's own pictures: a metadata file, a text file beside each picture, or a sub-folder for each class."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.files import relative_name
from stackgan_cli.readers.birds_and_flowers.boxes import cub_list
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions, oddity
from stackgan_cli.readers.columns import Columns
from stackgan_cli.readers.folder.class_folders import (
    PEEK,
    ClassFolders,
    caption_for,
    checked_template,
    class_folders_in,
)
from stackgan_cli.readers.folder.metadata import NAMES, Row, Unusable, guessed_encoding, read_metadata
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, LayoutReader, printable
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.tree import AMBIGUOUS, OUTSIDE, TextsBeside, Tree, alike, folded, position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should hold metadata.jsonl, metadata.csv or metadata.parquet (file_name and caption for each picture), or "
    "beside each picture a text file of the same name, such as bird.jpg and bird.txt, with one caption per line; where "
    "sub-folders are classes, captions can be made of their names with --caption-template."
)
_FEW_FOLDERS = 20
_MOST_CAPTIONS = 1000


class FolderReader(LayoutReader):
    """Reads any folder of captioned pictures.

    Metadata files, at the top, in ``images`` or ``data``, or in folders named after splits, name pictures relative to
    themselves, or to a folder ``images`` beside them. Without any, each picture's captions are in the text file beside
    it, or made from the name of its class. Two or more sub-folders that hold all pictures are classes then. The split
    is that of the column ``split``, else that of a folder ``train`` or ``test``, above which only lone folders may lie,
    else open, as it is where all lies in ``train``. A name that no file has may be that of one spelt alike: with
    accents encoded in another way, or in another case. Nothing outside the folder is opened, whatever names and links
    say.

    Args:
        image_column: column of the metadata that names the picture; one with a usual name where None.
        caption_column: column that holds captions; one with a usual name where None.
        caption_template: caption of every picture in a class folder that has no text file, such as ``a photo of a
            {class}``.

    Raises:
        stackgan_cli.errors.SettingsError: the template does not hold ``{class}``, or other braces.
    """

    layout = _LAYOUT
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def __init__(
        self,
        *,
        image_column: str | None = None,
        caption_column: str | None = None,
        caption_template: str | None = None,
    ) -> None:
        self._columns = Columns(image_column, caption_column)
        self._template = None if caption_template is None else checked_template(caption_template)

    def evidence(self, source: Path) -> str | None:
        """Look for metadata files, for a picture with a text beside it, and for sub-folders that are classes."""
        for folder in _places(source):
            for name in NAMES:
                if (folder / name).is_file():
                    return f"{(folder / name).relative_to(source).as_posix()} lists pictures and captions"
        classes = class_folders_in(source) if cub_list(source) is None else []
        for folder in (*_likely_folders(source), *classes[:_FEW_FOLDERS]):
            pair = None
            with suppress(OSError):
                pair = _pair(folder)
            if pair is not None:
                return f"{pair.relative_to(source).as_posix()} has its captions in a text file beside it"
        return f"{len(classes):,} sub-folders of pictures are classes" if classes else None

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, and what had to be left out."""
        # A folder that cannot be opened ends the reading where it is the source itself.
        next(os.scandir(root), None)
        tree = Tree.of(root)
        left_out = LeftOut()
        for problem in tree.problems:
            left_out.take(problem, "files")
        lists = _metadata_files(tree, left_out)
        if not lists:
            if self._columns != Columns():
                left_out.add("the columns chosen", "options", "not used, because there is no metadata file")
            yield from _from_folders(tree, self._template, left_out)
        else:
            if self._template is not None:
                reason = f"not used, because {lists[0].name} has the captions"
                left_out.add("the caption template", "options", reason)
            yield from _from_metadata(tree, lists, self._columns, left_out)
        yield from left_out.lines()


def _places(root: Path) -> list[Path]:
    """Folders in which metadata files are looked for."""
    splits = ("", "train", "test", "val", "valid", "validation")
    return [root / base / split for base in ("", "images", "data") for split in splits]


def _likely_folders(source: Path) -> list[Path]:
    """The folders where a pair is looked for: the source, its first sub-folders, and the first of those in train."""
    folders = [source]
    for base in (source, source / "train"):
        if base.is_dir():
            with os.scandir(base) as entries:
                inner = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
            folders += [base / name for name in sorted(inner)[:_FEW_FOLDERS]]
    return list(dict.fromkeys([*folders, *(source / name for name in ("images", "train") if (source / name).is_dir())]))


def _pair(folder: Path) -> Path | None:
    with os.scandir(folder) as entries:
        names = sorted({entry.name for entry in islice(entries, PEEK)})
    texts = {folded(name) for name in names if name.lower().endswith(".txt")}
    for name in names:
        path = PurePosixPath(name)
        text = path.stem + ".txt"
        if path.suffix.lower() in PICTURE_SUFFIXES and (folded(text) in texts or (folder / text).is_file()):
            return folder / name
    return None


def _metadata_files(tree: Tree, left_out: LeftOut) -> list[Path]:
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


def _from_folders(tree: Tree, template: str | None, left_out: LeftOut) -> Iterator[Example]:
    texts = TextsBeside(tree)
    classes = ClassFolders.of(tree.pictures)
    if classes.names and template is None and not texts.any:
        raise DataError(
            f"{tree.root} holds pictures in {len(classes.names):,} folders, which look like classes, and no captions.",
            '--caption-template "a photo of a {class}"',
        )
    reading = CaptionFiles(left_out)
    for name in tree.pictures:
        class_name = classes.class_of(name)
        try:
            text = texts.of(name)
            if text in tree.faults:
                raise UnreadableCaptions(f"its text file is left out: {tree.faults[text]}")
            if text is not None:
                captions = reading.read(tree.root / text, text)
            elif template is not None and class_name is not None:
                captions = (caption_for(template, class_name),)
            else:
                raise UnreadableCaptions("there is no text file of the same name beside it")
        except UnreadableCaptions as problem:
            left_out.add(name, "pictures", str(problem))
        else:
            yield Example(name, tree.root / name, captions, classes.split_of(name), class_name)
    for text in texts.unused:
        left_out.add(text, "caption files", "there is no picture of the same name beside it")


def _from_metadata(tree: Tree, lists: list[Path], columns: Columns, left_out: LeftOut) -> Iterator[Example]:
    listing = _Listing(tree, left_out)
    for path in lists:
        listing.read(path, columns)
    listing.find_alike()
    yield from listing.examples()
    unlisted = f"not listed in {' or '.join(dict.fromkeys(path.name for path in lists))}"
    for name in tree.pictures:
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

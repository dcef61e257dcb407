"""COCO captions (Chen et al., 2015): the published files and folders, and extracts in the same form."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.downloads.addresses import COCO
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.readers.captions import text_lines
from stackgan_cli.readers.coco.captions_file import WHICH_FILE, CaptionsFile, is_captions_file
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary, LayoutReader, printable
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.split_names import split_in_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUT = (
    "It should hold annotations/captions_train2014.json, annotations/captions_val2014.json, train2014/ and val2014/ "
    "(or those of 2017), or captions.json in the same form beside its pictures or their folder images/."
)
_PLACES = ("annotations", "annotations_trainval2014/annotations", "annotations_trainval2017/annotations", "")
_YEARS = (2014, 2017)
_PUBLISHED = re.compile(r"captions_(?:train|val)(2014|2017)\.json")
_PART = re.compile(r"(?:train|val)(?:2014|2017)")
_PEEK = 500
"""Entries looked at to recognise a folder."""


class CocoReader(LayoutReader):
    """Reads COCO's captions of 2014 or 2017, whole or in part, and single files in their form.

    Captions of train are for training and those of val for testing, as in the literature. Both years share the same
    pictures out differently, so one is read: 2014, which the literature uses, unless pictures of 2017 alone are there.
    Every picture is a class of its own.

    Nothing outside the source is opened, whatever names and links say, with one exception: a folder of pictures
    (``train2014`` and the like, ``images``) may itself be a link to a folder elsewhere, as large sets often lie on
    another disk. Names must then stay inside the folder that it leads to.

    Args:
        captions: the captions file or the folder that holds it, relative to the source or absolute.
        year: 2014 or 2017, where the captions of both are there.

    Raises:
        SettingsError: the year is neither.
    """

    layout = _LAYOUT
    published = COCO
    encoder = ("char-cnn-rnn", {"variant": "icml-birds"})

    def __init__(self, *, captions: str | None = None, year: int | None = None) -> None:
        if year is not None and year not in _YEARS:
            raise SettingsError(f"There are no COCO captions of {year}.", "--reader-option year=2014 or year=2017")
        self._captions = captions
        self._year = year

    def evidence(self, source: Path) -> str | None:
        """Look at the names of captions files, and into one that is no published one and has pictures beside it."""
        files = _files_in([source / place for place in _PLACES])
        for path in files:
            if _PUBLISHED.fullmatch(path.name):
                return f"{_shown(path, source)}: COCO captions"
        if files and _pictures_beside(source, files[0]) and is_captions_file(files[0]):
            return f"{_shown(files[0], source)} and pictures beside it: captions in the form of COCO"
        return None

    def missing(self, source: Path) -> str | None:
        """Say what of COCO is there without captions, or without pictures."""
        found = _files_in([source / place for place in _PLACES])
        if found:
            shown = _shown(found[0], source)
            beside = _pictures_beside(source, found[0])
            return f"{shown} holds no captions in its form" if beside else f"there is no picture beside {shown}"
        others = _files_in([source / place for place in _PLACES], "instances", "person_keypoints", "image_info")
        return f"{_shown(others[0], source)} holds no captions, and no captions_*.json is beside it" if others else None

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures that are there, and what had to be left out."""
        files, left = self._files(root)
        yield from left
        pictures = _Pictures()
        for path in files:
            listed = CaptionsFile(path, _shown(path, root), pictures.notes)
            pictures.add(listed.read(), _Folders.of(root, path))
        yield from pictures.examples()
        yield from pictures.notes.lines()

    def _files(self, root: Path) -> tuple[list[Path], list[Skipped]]:
        """Choose the captions files, and tell which are left out."""
        folders = [root / place for place in _PLACES]
        if self._captions is not None:
            chosen = root / self._captions
            if chosen.is_file():
                return [chosen], []
            folders = [chosen]
        found = _files_in(folders)
        if not found:
            place = root if self._captions is None else folders[0]
            raise DataError(f"There is no captions file of COCO in {place}.", WHICH_FILE)
        files, why = _chosen_files(root, found, self._year)
        for path in files:
            if self._captions is None and not Boundary(root).holds(path):
                raise DataError(f"{path} is a link that leads out of {root}.", "Name the file itself with --captions.")
        return files, [Skipped(_shown(path, root), why) for path in found if path not in files]


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _files_in(folders: list[Path], *beginnings: str) -> list[Path]:
    """List captions files, or those of other beginnings, by name; of one name, that in the earliest folder."""
    found: dict[str, Path] = {}
    for folder in filter(Path.is_dir, folders):
        for beginning in beginnings or ("captions",):
            for path in filter(Path.is_file, folder.glob(f"{beginning}*.json")):
                found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _chosen_files(root: Path, found: list[Path], year: int | None) -> tuple[list[Path], str]:
    """Return the files to read, and why the others are not."""
    published = {path: int(match[1]) for path in found if (match := _PUBLISHED.fullmatch(path.name))}
    if year is None and published:
        years = sorted(set(published.values()))
        year = next((each for each in years if _has_folder(root, f"train{each}", f"val{each}")), years[0])
    if year is not None:
        files = [path for path in found if published.get(path) == year]
        if not files:
            raise DataError(f"{root} holds no captions_train{year}.json or captions_val{year}.json.", "Drop the year.")
        return files, f"not read beside captions of {year}, which are of the same pictures (--reader-option year=...)"
    splits = [split_in_name(path.name) for path in found]
    if len(found) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = ", ".join(_shown(path, root) for path in found[:5])
        one = found[0].relative_to(root).as_posix() if found[0].is_relative_to(root) else found[0]
        raise DataError(f"{root} holds several captions files: {names}.", f"Choose one: --captions {one}")
    return found, ""


def _has_folder(root: Path, *names: str) -> bool:
    return any((base / name).is_dir() for base in (root, root / "images") for name in names)


def _parts_of(path: Path) -> list[str]:
    """Names that the folder of a captions file's pictures may have: what follows ``captions`` in the file's name."""
    names = [path.stem.removeprefix("captions").strip("_-. "), *_PART.findall(path.stem)]
    return [name for name in dict.fromkeys(names) if name]


def _pictures_beside(source: Path, file: Path) -> bool:
    if _has_folder(source, "images", *_parts_of(file)):
        return True
    entries = (entry for folder in (source, file.parent) for entry in islice(folder.iterdir(), _PEEK))
    return any(entry.suffix.lower() in PICTURE_SUFFIXES for entry in entries)


@dataclass(frozen=True, slots=True)
class _Folder:
    label: str
    """What names in it begin with: empty for the source itself."""
    path: Path

    def named(self, inner: str) -> str:
        return f"{self.label}/{inner}" if self.label else inner


@dataclass(frozen=True, slots=True)
class _Folders:
    """Where the pictures of one captions file may be, in order, and what they must not lead out of."""

    places: tuple[_Folder, ...]
    boundary: Boundary

    @classmethod
    def of(cls, root: Path, file: Path) -> _Folders:
        linked = [(part, base / part) for part in _parts_of(file) for base in (root, root / "images")]
        linked.append(("images", root / "images"))
        places = [_Folder(label, path) for label, path in linked if path.is_dir()]
        inside = Boundary(root)
        for path in (root, file.parent, file.parent / "images"):
            if path.is_relative_to(root) and path.is_dir() and (path == root or inside.holds(path)):
                label = path.relative_to(root).as_posix()
                places.append(_Folder("" if label == "." else label, path))
        return cls(tuple(dict.fromkeys(places)), Boundary(root, *(place.path for place in places)))

    def find(self, inner: str) -> _Folder | str:
        """Return the folder that has a picture, or why none has."""
        reason = "listed in the captions file, but the picture is not there"
        for place in self.places:
            path = place.path / inner
            try:
                mode = path.lstat().st_mode
            except PermissionError:
                raise
            except OSError:
                continue
            if stat.S_ISREG(mode) and "/" not in inner:
                return place
            if not self.boundary.holds(path):
                reason = "a link that leads out of the folder"
            elif path.is_file():
                return place
            else:
                reason = "it is no file"
        return reason


@dataclass(slots=True)
class _Picture:
    folder: _Folder
    inner: str
    captions: str
    file: Path


class _Pictures:
    """The pictures of all captions files, by name."""

    def __init__(self) -> None:
        self.notes = LeftOut()
        self._found: dict[str, _Picture] = {}
        self._unusable: set[str] = set()
        self._places: dict[_Folder, None] = {}

    def add(self, listed: CaptionsFile, folders: _Folders) -> None:
        self._places |= dict.fromkeys(folders.places)
        for number, inner in listed.names.items():
            captions = listed.captions.pop(number, "")
            place = folders.find(inner) if inner else ""
            if isinstance(place, _Folder):
                self._add(_Picture(place, inner, captions, listed.path))
            elif inner:
                self.notes.add(inner, "pictures", place)
                self._unusable.add(inner)
        for number, captions in listed.captions.items():
            for _ in text_lines(captions):
                self.notes.add(f"image_id {number!r}", "captions", f"{listed.shown} lists no image of this id")

    def _add(self, new: _Picture) -> None:
        name = new.folder.named(new.inner)
        earlier = self._found.setdefault(name, new)
        if earlier.file != new.file:
            self.notes.add(name, "pictures", f"in {new.file.name} too; kept as in {earlier.file.name} alone")
        elif earlier is not new:
            self.notes.add(name, "pictures", "listed under more than one id, whose captions were joined")
            earlier.captions = "\n".join(filter(None, (earlier.captions, new.captions)))

    def examples(self) -> Iterator[Example]:
        """Yield the captioned pictures in the order of their names, and note the others."""
        for name, picture in sorted(self._found.items()):
            if picture.captions:
                captions = tuple(picture.captions.split("\n"))
                yield Example(name, picture.folder.path / picture.inner, captions, split_in_name(picture.file.name))
            else:
                self.notes.add(name, "pictures", "it has no caption")
        self._note_unlisted()

    def _note_unlisted(self) -> None:
        for folder in self._places:
            with os.scandir(folder.path) as entries:
                inner = sorted(entry.name for entry in entries)
            for each in inner:
                name = printable(folder.named(each))
                suits = PurePosixPath(each).suffix.lower() in PICTURE_SUFFIXES and not each.startswith(".")
                if suits and name not in self._found and each not in self._unusable:
                    self.notes.add(name, "pictures", "not listed in the captions file")

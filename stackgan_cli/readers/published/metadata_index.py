"""What a published metadata folder lists, and where the pictures, captions and boxes of what it lists are."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.files import at_home, relative_name
from stackgan_cli.readers.birds_and_flowers.attngan_captions import caption_pickle, read_caption_pickle
from stackgan_cli.readers.birds_and_flowers.boxes import Box, boxes_by_key, cub_home
from stackgan_cli.readers.birds_and_flowers.splits import class_numbers, file_names, picture_key, refuse_overlap
from stackgan_cli.readers.captions import CaptionFiles
from stackgan_cli.readers.layout import Boundary, file_named, printable
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SPLITS = ("train", "test")
_PHOTO_FOLDERS = (
    "",
    "images",
    "CUB_200_2011/images",
    "images/train2014",
    "images/val2014",
    "images/jpg",
    "jpg",
    "train2014",
    "val2014",
)
"""Where the published loaders look for pictures (StackGAN, AttnGAN, DF-GAN, GALIP), and where COCO unpacks to."""
_SUFFIXES = (".jpg", ".jpeg", ".png")
_CAPTION_FOLDERS = ("text_c10", "text", "CUB_200_2011/text_c10", "CUB_200_2011/text")


@dataclass(frozen=True, slots=True)
class Part:
    """One split."""

    split: str
    folder: Path
    keys: tuple[str | None, ...]
    """Names of pictures without suffix, in the order of filenames.pickle; None for those that cannot be used."""
    classes: list[int] | None

    def class_name(self, row: int) -> str | None:
        """Name of a picture's class: its folder's where that begins with the class's number."""
        if self.classes is None:
            return None
        number = self.classes[row]
        folder = PurePosixPath(self.keys[row] or "").parent.name
        first = folder.partition(".")[0]
        return folder if first.isdecimal() and first == f"{number:0{len(first)}d}" else f"class_{number:05d}"


class MetadataIndex:
    """Everything that is known of a metadata folder without opening a picture or an embedding.

    ``captions`` and ``images`` are where a person says that those are, or None.

    Raises:
        DataError: a file is missing, cannot be read, or does not fit another.
    """

    def __init__(self, root: Path, captions: str | None, images: str | None) -> None:
        self.root = root
        self.left_out = LeftOut()
        """What lists of pictures and places of files say of it."""
        # Not `root.parent`: the source may be the current folder, written as a dot.
        self._bases = tuple(dict.fromkeys((root.absolute(), root.absolute().parent)))
        self._boundary = Boundary(root)
        self.parts = self._parts()
        self.rows = {key: (part, row) for part in self.parts for row, key in enumerate(part.keys) if key is not None}
        photos = self._bases if images is None else (_named(images, root, "images"),)
        self.linked: set[str] = set()
        self.photos = self._photos(photos)
        self.boxes = self._boxes((*photos, *(folder.parent for folder in photos), *self._bases))
        self._texts: TextFiles | None = None
        self._pickled: Path | None = None
        self._sentences: dict[str, list[tuple[str, ...]]] = {}
        self._find_captions(captions)

    @property
    def has_captions(self) -> bool:
        """Whether there is any text, be it not for all pictures."""
        return self._texts is not None or self._pickled is not None

    def file(self, part: Part, name: str) -> Path | None:
        """Find a file of a split; None where it is missing.

        Raises:
            DataError: it is a link that leads out of the source.
        """
        path = part.folder / name
        if not path.is_file():
            return None
        self._refuse_outside(path)
        return path

    def captions(self, part: Part, row: int, reading: CaptionFiles) -> tuple[str, ...]:
        """Return the captions of the picture at a place in a split, or none.

        Raises:
            UnreadableCaptions: its caption file holds none.
            DataError: AttnGAN's captions.pickle cannot be read or does not fit the names.
        """
        key = part.keys[row]
        if self._pickled is not None:
            if not self._sentences:
                self._sentences = read_caption_pickle(
                    self._pickled, {each.split: len(each.keys) for each in self.parts}
                )
            return self._sentences[part.split][row]
        if self._texts is None or key is None:
            return ()
        return self._texts.read(key, part.classes[row] if part.classes else None, reading)

    def _parts(self) -> list[Part]:
        parts = []
        for split in SPLITS:
            path = self.root / split / "filenames.pickle"
            if path.is_file():
                self._refuse_outside(path)
                parts.append(self._part(split, path))
            elif split == "train":
                raise DataError(f"{self.root} holds no train/filenames.pickle.", "It lists the pictures: get it again.")
            else:
                reason = "it is not there, so all pictures are for training"
                self.left_out.add(f"{split}/{path.name}", "files", reason)
        if len(parts) == len(SPLITS):
            train, test = ({key for key in part.keys if key is not None} for part in parts)
            refuse_overlap(train & test, f"{parts[0].folder} and {parts[1].folder}")
        return parts

    def _part(self, split: str, path: Path) -> Part:
        place = f"{split}/{path.name}"
        keys: dict[str, None] = {}
        rows: list[str | None] = []
        for written in file_names(path):
            name = unicodedata.normalize("NFC", written.strip())
            shown = printable(name)
            inner = relative_name(name)
            key = "" if inner is None else picture_key(inner, inner.count("/") + 1)
            problem = None
            if shown != name:
                problem = "the name is no text"
            elif inner is None:
                problem = "the name leads out of the folder"
            elif key in keys:
                problem = "listed twice"
            if written.endswith("\r"):
                reason = "kept; a transfer that changes line ends left a carriage return on it"
                self.left_out.add(shown, "names", f"{place}: {reason}")
            if problem:
                self.left_out.add(shown, "names", f"{place}: {problem}")
            else:
                keys[key] = None
            rows.append(None if problem else key)
        classes = path.with_name("class_info.pickle")
        if classes.is_file():
            self._refuse_outside(classes)
        return Part(split, path.parent, tuple(rows), class_numbers(classes, len(rows)))

    def _refuse_outside(self, path: Path) -> None:
        if not self._boundary.holds(path):
            raise DataError(f"{path} is a link that leads out of {self.root}.", "Put the file itself in its place.")

    def _photos(self, bases: Iterable[Path]) -> dict[str, str]:
        """Find the photo of each picture; text and not paths, which take three times the memory."""
        places = [(base / inner, Boundary(base)) for base in bases for inner in _PHOTO_FOLDERS]
        places = [(folder, boundary) for folder, boundary in places if folder.is_dir()]
        found: dict[str, str] = {}
        for key in self.rows:
            for at, (folder, boundary) in enumerate(places):
                path = _photo(folder, key)
                if path is None:
                    continue
                if boundary.holds(path):
                    found[key] = str(path)
                    # The next picture is likely to be where this one is.
                    places.insert(0, places.pop(at))
                else:
                    self.linked.add(key)
                    reason = "behind a link that leads out of the source; name their folder with the option images"
                    self.left_out.add(key, "photos", reason)
                break
        return found

    def _boxes(self, bases: Iterable[Path]) -> dict[str, Box]:
        """Find CUB's bounding boxes: what lies there counts, and not how a folder is called."""
        for base in dict.fromkeys(bases):
            home = cub_home(base)
            if home is None or not all(map(Boundary(base).holds, (home / "images.txt", home / "bounding_boxes.txt"))):
                continue
            boxes = boxes_by_key(home)
            ours = {key: boxes[short] for key in self.rows if (short := picture_key(key, 2)) in boxes}
            if ours:
                return ours
        return {}

    def _find_captions(self, chosen: str | None) -> None:
        path = None if chosen is None else _named(chosen, self.root, "captions")
        if path is None:
            for base in self._bases:
                for name in _CAPTION_FOLDERS:
                    texts = TextFiles(base / name, Boundary(base))
                    if texts.hold_any(self.parts):
                        self._texts = texts
                        return
            path = caption_pickle(self._bases)
            if path is not None and not Boundary(*self._bases).holds(path):
                raise DataError(f"{path} is a link that leads elsewhere.", "Put the file itself in its place.")
            self._pickled = path
        elif path.is_dir():
            self._texts = TextFiles(path, Boundary(path))
            if not self._texts.hold_any(self.parts):
                raise DataError(
                    f"{path} holds no captions of these pictures.",
                    "A text file for each belongs there, named after it.",
                )
        else:
            self._pickled = path


class TextFiles:
    """Text files of captions in a folder, which need not be there, or in folders inside it: one for each picture."""

    def __init__(self, folder: Path, boundary: Boundary) -> None:
        self._folder, self._boundary = folder, boundary
        self._files: dict[str, str] = {}
        if not folder.is_dir() or not boundary.holds(folder / "any"):
            return
        for name in _texts_below(folder):
            self._files.setdefault(unicodedata.normalize("NFC", name.removesuffix(".txt")), name)

    def hold_any(self, parts: Iterable[Part]) -> bool:
        """Say whether any picture has a text file."""
        return any(key is not None and self._file(key, None) for part in parts for key in part.keys)

    def read(self, key: str, class_number: int | None, reading: CaptionFiles) -> tuple[str, ...]:
        """Return the captions of a picture, or none.

        Raises:
            UnreadableCaptions: its caption file holds none.
        """
        name = self._file(key, class_number)
        if name is None:
            return ()
        return reading.read(self._folder / name, name, self._boundary)

    def _file(self, key: str, class_number: int | None) -> str | None:
        folder, _, stem = key.rpartition("/")
        if key in self._files or folder not in ("", "jpg"):
            return self._files.get(key)
        if class_number is not None:
            return self._files.get(f"class_{class_number:05d}/{stem}")
        return self._by_stem.get(stem)

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Text files whose own name, without any folder, is the only one."""
        stems = Counter(PurePosixPath(key).name for key in self._files)
        return {stem: name for key, name in self._files.items() if stems[stem := PurePosixPath(key).name] == 1}


def _texts_below(folder: Path) -> Iterator[str]:
    """Names of the text files in a folder and in the folders in it, in order; links to folders are not followed."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as inner:
                names = sorted(each.name for each in inner if each.name.endswith(".txt"))
            yield from (f"{entry.name}/{name}" for name in names if not name.startswith("."))
        elif entry.name.endswith(".txt"):
            yield entry.name


def _photo(folder: Path, key: str) -> Path | None:
    # Metadata of the flowers name them jpg/image_00001, and the folder jpg may have another name or none.
    for name in dict.fromkeys((key, key.removeprefix("jpg/"))):
        for suffix in _SUFFIXES:
            path = file_named(folder, name + suffix)
            if path is not None:
                return path
    return None


def _named(chosen: str, root: Path, what: str) -> Path:
    """Find what a person named: relative to the current folder, else to the source."""
    name = at_home(chosen)
    for path in (Path.cwd() / name, root.absolute() / name):
        if path.exists():
            return path
    raise DataError(f"There is nothing at {chosen}, neither here nor in {root}.", f"Check the path given for {what}.")

"""CUB-200-2011 birds with the captions of Reed et al. (2016)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.readers.captions import CaptionFiles, UnreadableCaptions, caption_folder, decode_text, text_lines
from stackgan_cli.data.readers.layout import Tally, at_least_one, opening, relative_name, source_folder
from stackgan_cli.data.readers.splits import CUB_TEST_CLASSES, Split, picture_key, published_split
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LAYOUT = (
    "It should hold CUB_200_2011/images.txt, CUB_200_2011/bounding_boxes.txt, CUB_200_2011/images/ and, beside or "
    "inside CUB_200_2011, text_c10/ or text/."
)
_NUMBERED = re.compile(r"(\d{3})\.")


@dataclass(frozen=True, slots=True)
class _Listed:
    """A picture that images.txt lists."""

    number: str
    name: str

    @property
    def class_name(self) -> str:
        return PurePosixPath(self.name).parent.name

    @property
    def key(self) -> str:
        return picture_key(self.name, 2)


class CubReader:
    """Reads CUB-200-2011 as it is published, whole or in part, from ``CUB_200_2011`` or the folder that holds it.

    The split is class-disjoint: 150 classes for training and 50 for testing; ``train_test_split.txt`` is another one.

    Args:
        captions: folder of captions, relative to ``CUB_200_2011`` or the folder that holds it, or absolute;
            ``text_c10`` or ``text`` where None.
    """

    crop = "bbox"
    recipe = "paper"
    encoder = ("char-cnn-rnn", {"variant": "icml-birds"})

    def __init__(self, *, captions: str | None = None) -> None:
        self._captions = captions

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            return None if _home(source) is None else "images.txt and bounding_boxes.txt: CUB-200-2011 birds"
        except OSError:
            return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture that is there, in the order of their names, and what had to be left out.

        Raises:
            DataError: the source is no folder of this layout, or cannot be opened.
        """
        root = source_folder(source, _LAYOUT)
        with opening(root):
            home = _home(root)
            if home is None:
                raise DataError(f"{root} holds no images.txt and bounding_boxes.txt of CUB-200-2011.", _LAYOUT)
            yield from at_least_one(self._found(home), root, _LAYOUT)

    def _found(self, home: Path) -> Iterator[Example | Skipped]:
        listed, problems = _listed_pictures(home / "images.txt")
        yield from problems
        if not listed:
            raise DataError(f"{home / 'images.txt'} lists no picture.", "Get the file again: it has 11,788 lines.")
        if not (home / "images").is_dir():
            raise DataError(f"There are no pictures in {home}: it has no folder images.", _LAYOUT)
        # Not `home.parent`: the source may be the current folder, written as a dot.
        places = [home, home.absolute().parent]
        classes = {picture.class_name for picture in listed}
        folder = caption_folder(places, self._captions, classes)
        split = published_split(
            list(dict.fromkeys([*places, folder.parent])),
            {picture.key for picture in listed},
            classes,
            {name: int(match[1]) in CUB_TEST_CLASSES for name in classes if (match := _NUMBERED.match(name))},
            lambda name: picture_key(name, 2),
        )
        yield from _captioned(home, listed, folder, split)


def _home(source: Path) -> Path | None:
    for home in (source, source / "CUB_200_2011"):
        if (home / "images.txt").is_file() and (home / "bounding_boxes.txt").is_file():
            return home
    return None


def _listed_pictures(path: Path) -> tuple[list[_Listed], list[Skipped]]:
    listed: dict[str, _Listed] = {}
    problems: list[Skipped] = []
    for line_number, line in enumerate(text_lines(decode_text(path.read_bytes())), start=1):
        if not line.strip():
            continue
        number, _, written = line.strip().partition(" ")
        name = relative_name(written.strip())
        if not written:
            problems.append(Skipped(f"images.txt line {line_number}", "it is not a number and a name"))
        elif name is None:
            problems.append(Skipped(written, f"images.txt line {line_number} leads out of the folder images"))
        elif name in listed:
            problems.append(Skipped(name, f"images.txt line {line_number} repeats it"))
        else:
            listed[name] = _Listed(number, name)
    return [listed[name] for name in sorted(listed)], problems


def _boxes(path: Path) -> dict[str, tuple[float, float, float, float]]:
    boxes = {}
    for line in text_lines(decode_text(path.read_bytes())):
        number, *values = line.split() or [""]
        try:
            left, top, width, height = (float(value) for value in values)
        except ValueError:
            continue
        if all(map(math.isfinite, (left, top, width, height))) and width > 0 and height > 0:
            boxes[number] = (left, top, width, height)
    return boxes


def _captioned(home: Path, listed: list[_Listed], folder: Path, split: Split) -> Iterator[Example | Skipped]:
    boxes = _boxes(home / "bounding_boxes.txt")
    reading = CaptionFiles()
    absent = Tally("pictures", "listed in images.txt but not in the folder images")
    bare = Tally("pictures", f"there is no caption file for it in {folder.name}")
    boxless = Tally("pictures", "bounding_boxes.txt has no valid box for it")
    for picture in listed:
        file = home / "images" / picture.name
        text = folder / picture.class_name / f"{PurePosixPath(picture.name).stem}.txt"
        if not file.is_file():
            absent.add(picture.name)
        elif not text.is_file():
            bare.add(picture.name)
        elif picture.number not in boxes:
            boxless.add(picture.name)
        else:
            try:
                captions = reading.read(text, f"{picture.class_name}/{text.name}")
            except UnreadableCaptions as problem:
                yield Skipped(picture.name, str(problem))
                continue
            where = split.of(picture.key, picture.class_name)
            yield Example(picture.name, file, captions, where, picture.class_name, boxes[picture.number])
    for tally in (absent, bare, boxless, reading.damaged):
        yield from tally.lines()

"""Pictures and bounding boxes of CUB-200-2011, as its own lists have them."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.files import relative_name
from stackgan_cli.readers.birds_and_flowers.splits import list_lines, picture_key
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from pathlib import Path

Box = tuple[float, float, float, float]

_LISTS_BIRDS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\d+\s+\d{3}\.[^/]+/\S")
"""How images.txt begins: a number, and a picture in the folder of a numbered class."""
_BEGINNING = 1 << 10


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture that images.txt lists."""

    number: str
    name: str
    """Relative to the folder images, in composed form."""

    @property
    def class_name(self) -> str:
        """The folder that the picture is in."""
        return PurePosixPath(self.name).parent.name

    @property
    def key(self) -> str:
        """Class folder and name without suffix."""
        return picture_key(self.name, 2)


def cub_home(source: Path) -> Path | None:
    """Find images.txt and bounding_boxes.txt in a folder or in its CUB_200_2011; None where they are not there."""
    for home in (source, source / "CUB_200_2011"):
        if (home / "images.txt").is_file() and has_boxes(home):
            return home
    return None


def cub_list(source: Path) -> Path | None:
    """Find images.txt in a folder or in its CUB_200_2011, be there boxes or not; None where no such list is there."""
    with_boxes = cub_home(source)
    if with_boxes is not None:
        return with_boxes
    for home in (source, source / "CUB_200_2011"):
        if (home / "images.txt").is_file() and (home / "images").is_dir():
            with (home / "images.txt").open("rb") as file:
                if _LISTS_BIRDS.match(file.read(_BEGINNING)):
                    return home
    return None


def has_boxes(home: Path) -> bool:
    """Whether the folder of images.txt has bounding_boxes.txt, too."""
    return (home / "bounding_boxes.txt").is_file()


def listed_pictures(home: Path, left_out: LeftOut) -> list[Listed]:
    """Read images.txt, a number and a name on each line: the pictures in the order of their names."""
    listed: dict[str, Listed] = {}
    for line_number, line in enumerate(list_lines(home / "images.txt"), start=1):
        if not line.strip():
            continue
        number, *rest = line.split(maxsplit=1)
        written = unicodedata.normalize("NFC", rest[0].strip()) if rest else ""
        name = relative_name(written)
        if name is not None and name not in listed:
            listed[name] = Listed(number, name)
        elif not written:
            left_out.add(f"images.txt line {line_number}", "lines", "it is not a number and a name")
        else:
            what = "the name in it leads out of the folder images" if name is None else "it repeats an earlier picture"
            left_out.add(f"images.txt line {line_number} ({written[:200]})", "lines", what)
    return [listed[name] for name in sorted(listed)]


def boxes_by_number(home: Path) -> dict[str, Box]:
    """Read bounding_boxes.txt: left, top, width and height in pixels by picture number, without the odd lines."""
    boxes = {}
    for line in list_lines(home / "bounding_boxes.txt"):
        number, *values = line.split() or [""]
        try:
            left, top, width, height = (float(value) for value in values)
        except ValueError:
            continue
        if all(map(math.isfinite, (left, top, width, height))) and width > 0 and height > 0:
            boxes[number] = (left, top, width, height)
    return boxes


def boxes_by_key(home: Path) -> dict[str, Box]:
    """Bounding boxes by class folder and name without suffix, as published metadata name the pictures."""
    boxes = boxes_by_number(home)
    return {
        picture.key: boxes[picture.number] for picture in listed_pictures(home, LeftOut()) if picture.number in boxes
    }

"""One captions file of COCO: the names and the captions of its pictures, and nothing else of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.files import relative_name
from stackgan_cli.formats.json_stream import items
from stackgan_cli.readers.captions import mended, text_lines
from stackgan_cli.readers.left_out import Notes

if TYPE_CHECKING:
    from pathlib import Path

WHICH_FILE = (
    "Captions are in captions_train2014.json and captions_val2014.json; files named instances or person_keypoints hold "
    "boxes and outlines, and image_info holds neither."
)
"""A hint for a file that holds no captions."""

_PEEK = 500
"""Entries without ids or captions after which a file is given up."""
_LONGEST_NAME, _LONGEST_ID = 1024, 100
_MOST_TEXT = 1 << 16
"""Characters of all captions of one picture; what is beyond is left out."""

_Id = int | str


@dataclass(slots=True)
class CaptionsFile:
    """Names and captions of one captions file: all that is kept of it."""

    path: Path
    shown: str
    notes: Notes
    names: dict[_Id, str] = field(default_factory=dict)
    """By picture id; empty where the name cannot be used, which is noted then."""
    captions: dict[_Id, str] = field(default_factory=dict)
    """By picture id, joined by line ends: half the memory of a list."""

    def read(self) -> CaptionsFile:
        """Read the file.

        Returns:
            Itself.

        Raises:
            DataError: it is damaged, or no captions file.
        """
        counts = {"images": 0, "annotations": 0}
        kept = {"images": (self.names, "id"), "annotations": (self.captions, "caption")}
        for member, item in items(self.path, counts):
            counts[member] += 1
            place = f"{self.shown} {member} {counts[member]:,}"
            if not isinstance(item, dict):
                self.notes.add(place, "entries", "it is no JSON object")
            elif member == "images":
                self._image(item, place)
            else:
                self._annotation(item, place)
            if counts[member] == _PEEK and not kept[member][0]:
                break
        for member, (found, needed) in kept.items():
            if counts[member] and not found:
                raise DataError(f"{self.path} is no captions file: its {member} have no {needed}.", WHICH_FILE)
        if not all(counts.values()):
            lacking = next(member for member, count in counts.items() if not count)
            raise DataError(f"{self.path} is no captions file: it lists no {lacking}.", WHICH_FILE)
        return self

    def _image(self, item: dict[str, Any], place: str) -> None:
        number = self._identity(item.get("id"), place)
        if number is None:
            return
        name = self._usable(item.get("file_name"), place)
        if number in self.names:
            how = "it repeats" if self.names[number] == name else "its id belongs to"
            self.notes.add(place, "images", f"{how} an earlier image")
        else:
            self.names[number] = name

    def _usable(self, written: object, place: str) -> str:
        """Return the normal form of a name, or nothing and a note."""
        if not isinstance(written, str) or not written.strip():
            self.notes.add(place, "images", "it has no file_name")
        elif len(written) > _LONGEST_NAME:
            self.notes.add(place, "images", f"its name has more than {_LONGEST_NAME:,} characters")
        elif (encodable := written.encode("utf-8", "replace").decode()) != written:
            self.notes.add(encodable, "pictures", "its name is not UTF-8")
        elif (inner := relative_name(written.strip())) is None:
            self.notes.add(written, "pictures", "its name leads out of the folder")
        else:
            return inner
        return ""

    def _annotation(self, item: dict[str, Any], place: str) -> None:
        written = item.get("caption")
        number = self._identity(item.get("image_id"), place)
        if number is None:
            return
        lines = text_lines(written.strip()) if isinstance(written, str) else []
        caption, damaged = mended(" ".join(lines))
        earlier = self.captions.get(number, "")
        if not caption:
            self.notes.add(place, "captions", "it is empty" if lines else "it is missing, or not text")
        elif len(earlier) + len(caption) > _MOST_TEXT:
            self.notes.add(place, "captions", f"its picture would have more than {_MOST_TEXT:,} characters of captions")
        else:
            self.captions[number] = f"{earlier}\n{caption}" if earlier else caption
            if len(lines) > 1:
                self.notes.add(place, "captions", "kept; line ends inside were read as spaces")
            if damaged:
                self.notes.add(place, "captions", "kept; damaged characters were read as spaces")

    def _identity(self, written: object, place: str) -> _Id | None:
        """Return the id of a picture: a number, however it is written, or else a short text."""
        if type(written) is int:
            return written
        text = written.strip() if isinstance(written, str) else ""
        if isinstance(written, float) and written.is_integer():
            text = str(int(written))
        if not text or len(text) > _LONGEST_ID:
            self.notes.add(place, "entries", "it has no id of a picture")
            return None
        self.notes.add(place, "ids", "kept; it is not written as a whole number")
        return int(text) if re.fullmatch("-?[0-9]+", text) else text

"""One captions file of COCO: the names and the captions of its pictures, and nothing else of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.files import relative_name
from stackgan_cli.formats.json_events import DamagedJson, json_events
from stackgan_cli.readers.captions import mended, oddity, text_lines
from stackgan_cli.readers.encodings import json_encoding
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHICH_FILE = (
    "Captions are in captions_train2014.json and captions_val2014.json; files named instances or person_keypoints hold "
    "boxes and outlines, and image_info holds neither."
)
"""A hint for a file that holds no captions."""

_PEEK = 500
"""Entries without ids or captions after which a file is given up."""
_SMALL = 16 << 20
"""Bytes of a file that is looked through to the first caption to recognise it."""
_LONGEST_NAME, _LONGEST_ID = 1024, 100
_MOST_TEXT = 1 << 16
"""Characters of all captions of one picture; what is beyond is left out."""

_KEPT = {"images": ("id", "file_name"), "annotations": ("image_id", "caption")}
"""What is kept of each entry of a list."""
_AGAIN = "Get the file again: a broken transfer or an editor may have damaged it."

_Id = int | str


def is_captions_file(path: Path) -> bool:
    """Say whether a file is in the form of COCO: it lists images and captions of them, or is damaged after some.

    Of a large file no more than the first entry is looked at.

    Raises:
        OSError: it cannot be opened.
    """
    seen: set[str] = set()
    enough = 2 if path.stat().st_size <= _SMALL else 1
    try:
        for member, item in _Entries(path):
            if item is not None and all(name in item for name in _KEPT[member]):
                seen.add(member)
                if len(seen) == enough:
                    return True
    except DataError:
        return bool(seen)
    return False


@dataclass(slots=True)
class CaptionsFile:
    """Names and captions of one captions file: all that is kept of it."""

    path: Path
    shown: str
    notes: LeftOut
    names: dict[_Id, str] = field(default_factory=dict)
    """By picture id; empty where the name cannot be used, which is noted then."""
    captions: dict[_Id, str] = field(default_factory=dict)
    """By picture id, joined by line ends: half the memory of a list."""

    def read(self) -> CaptionsFile:
        """Read the file; returns itself.

        Raises:
            DataError: it is damaged, or no captions file.
        """
        odd = oddity(damaged=False, guessed=_encoding(self.path)[1])
        if odd is not None:
            self.notes.add(self.shown, "files", odd)
        counts = {"images": 0, "annotations": 0}
        kept = {"images": (self.names, "id"), "annotations": (self.captions, "caption")}
        for member, item in _Entries(self.path):
            counts[member] += 1
            place = f"{self.shown} {member} {counts[member]:,}"
            if item is None:
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


def _encoding(path: Path) -> tuple[str, str | None]:
    with path.open("rb") as file:
        return json_encoding(file)


class _Entries:
    """The entries of a captions file, one after the other: memory stays flat however large the file or long its lines.

    An entry is what `_KEPT` names of a JSON object, or None for anything else in a list. Damaged bytes become U+FFFD.
    Whatever comes before damage is yielded before the DataError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = self._count = 0
        self._member = self._name = ""
        self._entry: dict[str, Any] = {}

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        for kind, value in self._events():
            if kind == "map_key":
                self._name = value
                if self._depth == 1:
                    self._member, self._count = value, 0
            elif kind.startswith("end_"):
                self._depth -= 1
                if self._depth == 2 and kind == "end_map" and self._member in _KEPT:
                    yield self._member, self._entry
            else:
                if self._depth == 2 and kind != "start_map" and self._member in _KEPT:
                    yield self._member, None
                self._begin(kind, value)

    def _begin(self, kind: str, value: Any) -> None:
        """Take a plain value, or the beginning of an array or object."""
        kept = _KEPT.get(self._member, ())
        if self._depth == 0 and kind != "start_map":
            raise self._refusal("is no JSON object")
        if self._depth == 1 and kept and kind != "start_array":
            raise self._refusal(f"has something else than a list for {self._member!r}")
        if self._depth == 2:
            self._entry = {}
            self._count += 1
        elif self._depth == 3 and self._name in kept:
            self._entry[self._name] = value
        if kind.startswith("start_"):
            self._depth += 1

    def _events(self) -> Iterator[tuple[str, Any]]:
        """Yield what is in the file, and raise the DataError after all that comes before the damage."""
        try:
            yield from json_events(self._path, _encoding(self._path)[0])
        except DamagedJson as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, what: str) -> DataError:
        where = f" (in or after entry {self._count:,} of {self._member[:60]!r})" if self._count else ""
        return DataError(f"{self._path} {what}{where}.", _AGAIN)

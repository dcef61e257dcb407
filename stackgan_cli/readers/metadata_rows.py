"""What a row of metadata says: a file name, captions, and perhaps a class and a split."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.readers.captions import MAX_CAPTION_FILE, mended, text_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_FILE_COLUMNS = ("image", "file", "path", "filename", "image_path", "file_path", "filepath")
"""Columns that may name the picture, after ``file_name``, ``image_file_name`` and any other that ends like these, which
are Hugging Face's names."""
CAPTION_COLUMNS = ("captions", "caption", "text", "description", "prompt", "sentences", "sentence", "title")
"""Columns that hold captions; the first that is not empty is taken."""
CLASS_COLUMNS = ("class", "class_name", "label")
_PARTS = (*CAPTION_COLUMNS, "raw")
"""Members of a caption that is itself a record; ``raw`` is that of the published captions of COCO."""
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "dev"), "test"),
}


class BadRow(Exception):  # noqa: N818
    """A row is no example; the message is a short reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row."""

    line: int
    """Counted from one: the line of a text file, the row of a parquet file."""
    file_name: str
    captions: tuple[str, ...]
    damaged: bool
    class_name: str | None
    split: str | None


def plain(column: str) -> str:
    """Make names of columns alike that differ in case, in outer spaces or in spaces for underscores."""
    return column.strip().lower().replace(" ", "_")


def is_text(kind: Any) -> bool:
    """Say whether a type of pyarrow is one of its kinds of text."""
    from pyarrow import types

    return any(check(kind) for check in (types.is_string, types.is_large_string, types.is_string_view))


def split_named(word: str) -> str | None:
    """Return ``train`` or ``test`` for the usual words for either (validation counts as test), None for others."""
    return _SPLITS.get(word.strip().lower())


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns name the picture and hold its captions: the chosen ones, or those with the usual names."""

    image: str | None = None
    caption: str | None = None

    def of_pictures(self, names: Collection[str]) -> list[str]:
        """Those of some columns, their names `plain`, that may name the picture; the first comes first."""
        only = "file_name" if self.image is None else plain(self.image)
        if only in names:
            return [only]
        if self.image is not None:
            return []
        others = (name for name in names if name.endswith("_file_name"))
        return [name for name in dict.fromkeys(("image_file_name", *others, *_FILE_COLUMNS)) if name in names]

    def of_captions(self, names: Collection[str]) -> list[str]:
        """Those of some columns, their names `plain`, that may hold captions; the first comes first."""
        wanted = CAPTION_COLUMNS if self.caption is None else (plain(self.caption),)
        return [name for name in wanted if name in names]

    def fit(self, texts: Collection[str], captions: Collection[str]) -> bool:
        """Whether some of ``texts`` may name pictures, and some of ``captions`` may hold captions."""
        return bool(self.of_pictures(texts) and self.of_captions(captions))

    def file_name(self, item: Mapping[str, Any]) -> str | None:
        """The name of a row's picture; None where there is none."""
        values = (item.get(name) for name in self.of_pictures(item))
        return next((value.strip() for value in values if isinstance(value, str) and value.strip()), None)

    def row(self, line: int, item: Mapping[str, Any]) -> Row:
        """Make sense of a row.

        Raises:
            BadRow: it is no example.
        """
        file_name = self.file_name(item)
        if file_name is None:
            raise BadRow(f"it has no {self.image or 'file_name'}")
        captions, damaged = self._captions(item)
        if not captions:
            raise BadRow("it has no caption")
        return Row(line, file_name, captions, damaged, _class_name(item), _split(item.get("split")))

    def _captions(self, item: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
        content = next((item[name] for name in self.of_captions(item) if item[name] not in (None, "", [])), None)
        if isinstance(content, str) and content.lstrip().startswith("["):
            content = _listed(content)
        if content is None:
            return (), False
        parts = [_text(part) for part in (content if isinstance(content, list) else [content])]
        if any(len(part) > MAX_CAPTION_FILE for part in parts):
            raise BadRow("its caption is longer than a megabyte")
        pairs = [mended(" ".join(text_lines(part))) for part in parts]
        return tuple(caption for caption, _ in pairs if caption), any(damage for _, damage in pairs)


def _split(word: Any) -> str | None:
    if word in (None, ""):
        return None
    split = split_named(word) if isinstance(word, str) else None
    if split is None:
        shown = mended(word)[0][:40] if isinstance(word, str) else type(word).__name__
        raise BadRow(f"its split is neither train nor test ({shown})")
    return split


def _class_name(item: Mapping[str, Any]) -> str | None:
    value = next((item[name] for name in CLASS_COLUMNS if item.get(name) not in (None, "")), None)
    if isinstance(value, float):
        # Tables with gaps hold whole numbers as floating point, and their gaps as NaN.
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise BadRow("its class is neither text nor a number")
    # Thousands of rows share a class, and need only one copy of its name.
    return sys.intern(mended(str(value))[0]) or None


def _text(part: Any) -> str:
    if isinstance(part, dict):
        part = next((part[name] for name in _PARTS if isinstance(part.get(name), str)), None)
    if not isinstance(part, str):
        raise BadRow("its caption is neither text nor a list of texts")
    return part


def _listed(content: str) -> Any:
    """Read a list written into one field, as a table has to; a caption that begins with a bracket stays text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content

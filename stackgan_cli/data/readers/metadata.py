"""Rows of metadata.jsonl and metadata.csv: a file name, captions, and perhaps a class and a split."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.data.readers.captions import decode_text, mended, text_lines
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAMES = ("metadata.jsonl", "metadata.csv")
_CAPTION_COLUMNS = ("captions", "caption", "text")
_CLASS_COLUMNS = ("class", "class_name", "label")
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
    file_name: str
    captions: tuple[str, ...]
    damaged: bool
    class_name: str | None
    split: str | None


@dataclass(slots=True)
class Metadata:
    """A metadata file, read whole."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)


def split_named(word: str) -> str | None:
    """Return ``train`` or ``test`` for the usual words for either (validation counts as test), None for others."""
    return _SPLITS.get(word.strip().lower())


def read_metadata(path: Path) -> Metadata:
    """Read a metadata file.

    Args:
        path: ``metadata.jsonl`` (an object per line) or ``metadata.csv`` (with a header line).

    Returns:
        Its rows in their order, and the rows that cannot be used, each with its line number.

    Raises:
        DataError: a table has no column ``file_name``, or none with captions.
        OSError: the file cannot be opened.
    """
    text = decode_text(path.read_bytes())
    found = Metadata(path)
    for line, item in _json_rows(text) if path.suffix == ".jsonl" else _table_rows(text, path):
        place = f"{path.name} line {line}"
        try:
            if isinstance(item, BadRow):
                raise item
            found.rows.append(_row(line, item))
        except BadRow as problem:
            named = item.get("file_name") if isinstance(item, dict) else None
            if isinstance(named, str) and named.strip():
                found.problems.append(Skipped(mended(named)[0], f"{place}: {problem}"))
            else:
                found.problems.append(Skipped(place, str(problem)))
    return found


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | BadRow]]:
    for line, content in enumerate(text_lines(text), start=1):
        if not content.strip():
            continue
        try:
            item = json.loads(content)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield line, BadRow(f"it is not JSON ({reason})")
            continue
        yield line, item if isinstance(item, dict) else BadRow("it is not a JSON object")


def _table_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any] | BadRow]]:
    header = text_lines(text[:65536])[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in header), ",")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [column.strip() for column in rows.fieldnames or ()]
    if "file_name" not in columns or not set(columns) & set(_CAPTION_COLUMNS):
        raise DataError(
            f"{path} has the columns {', '.join(columns) or 'none at all'}.",
            "Its first line should name the columns: file_name, caption, and if you like class and split.",
        )
    rows.fieldnames = columns
    while True:
        line = rows.line_num + 1
        try:
            item = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, BadRow(f"it is not a row of a table ({error})")
            continue
        yield line, BadRow("it has more fields than the first line") if None in item else item


def _row(line: int, item: Mapping[str, Any]) -> Row:
    file_name = item.get("file_name")
    if not isinstance(file_name, str) or not file_name.strip():
        raise BadRow("it has no file_name")
    captions, damaged = _captions(item)
    if not captions:
        raise BadRow("it has no caption")
    class_name = next((str(item[name]).strip() for name in _CLASS_COLUMNS if item.get(name) not in (None, "")), None)
    word = item.get("split")
    split = split_named(str(word)) if word not in (None, "") else None
    if word not in (None, "") and split is None:
        raise BadRow(f"its split is {word!r}, which is neither train nor test")
    return Row(line, file_name.strip(), captions, damaged, class_name, split)


def _captions(item: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    content = next((item[name] for name in _CAPTION_COLUMNS if item.get(name) not in (None, "", [])), None)
    if isinstance(content, str) and content.lstrip().startswith("["):
        content = _listed(content)
    parts = [content] if isinstance(content, str) else content
    if parts is None:
        return (), False
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadRow("its caption is neither text nor a list of texts")
    pairs = [mended(" ".join(text_lines(part))) for part in parts]
    return tuple(caption for caption, _ in pairs if caption), any(damage for _, damage in pairs)


def _listed(content: str) -> Any:
    """Read a list written into one field, as a table has to; a caption that begins with a bracket stays text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content

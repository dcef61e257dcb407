"""Rows of metadata.jsonl, metadata.csv and metadata.parquet: a file name, captions, and perhaps a class and a split."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from stackgan_cli.data.readers.captions import MAX_CAPTION_FILE, MAX_LINE, bounded_lines, mended, text_lines
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
FILE_COLUMNS = ("file_name", "image_file_name", "image", "file", "path", "filename")
"""Columns that name the picture, the first that is there; any other that ends in ``_file_name`` comes after the
second. ``file_name`` and those that end like it are Hugging Face's names."""
CAPTION_COLUMNS = ("captions", "caption", "text", "description", "prompt", "sentences", "sentence", "title")
"""Columns that hold captions; the first that is not empty is taken."""
_CLASS_COLUMNS = ("class", "class_name", "label")
_PARTS = (*CAPTION_COLUMNS, "raw")
"""Members of a caption that is itself a record; ``raw`` is that of the published captions of COCO."""
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "dev"), "test"),
}
_TOO_LONG = f"it is longer than {MAX_LINE:,} characters"
_FIRST_LINE = "It should name the columns, such as file_name and caption."
_BATCH = 128
"""Rows of a parquet file that are in memory at once."""


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


@dataclass(frozen=True, slots=True)
class Unusable:
    """One row that is no example."""

    line: int
    file_name: str | None
    reason: str


def split_named(word: str) -> str | None:
    """Return ``train`` or ``test`` for the usual words for either (validation counts as test), None for others."""
    return _SPLITS.get(word.strip().lower())


def read_metadata(path: Path) -> Iterator[Row | Unusable]:
    """Read a metadata file row by row, holding no more than a few of them.

    Args:
        path: ``metadata.jsonl`` (an object per line), ``metadata.csv`` (with a header line) or ``metadata.parquet``.

    Yields:
        Its rows in their order, usable and not.

    Raises:
        DataError: a table has no column that names pictures, or none with captions, or is damaged.
        OSError: the file cannot be opened.
    """
    read = {".jsonl": _json_rows, ".csv": _table_rows, ".parquet": _parquet_rows}[path.suffix]
    for line, item in read(path):
        try:
            if isinstance(item, BadRow):
                raise item
            row = _row(line, item)
        except BadRow as problem:
            named = _file_name(item) if isinstance(item, dict) else None
            yield Unusable(line, None if named is None else mended(named)[0], str(problem))
        else:
            yield row


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    with path.open("rb") as file:
        for line, content in enumerate(bounded_lines(file), start=1):
            if content is None:
                yield line, BadRow(_TOO_LONG)
            elif content.strip():
                yield line, _json_object(content)


def _json_object(content: str) -> dict[str, Any] | BadRow:
    try:
        item = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return BadRow(f"it is not JSON ({reason})")
    return item if isinstance(item, dict) else BadRow("it is not a JSON object")


class _TableLines:
    """Hands lines to the csv module and counts them; a row of many lines may be no longer than one line."""

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._lines = lines
        self._length = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._length += 0 if line is None else len(line)
        if line is None or self._length > MAX_LINE:
            raise csv.Error(_TOO_LONG)
        return line

    def begin(self) -> int:
        """Begin a row, and return its line number."""
        self._length = 0
        return self.number + 1


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    with path.open("rb") as file:
        physical = bounded_lines(file)
        header = next(physical, "")
        if header is None:
            raise DataError(f"The first line of {path} cannot be used: {_TOO_LONG}.", _FIRST_LINE)
        delimiter = next((mark for mark in (",", ";", "\t") if mark in header), ",")
        lines = _TableLines(chain([header], physical))
        rows = csv.reader(lines, delimiter=delimiter)
        columns = _header(path, rows)
        while True:
            line = lines.begin()
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                if lines.number > line:
                    raise _open_quotation(path, line) from error
                yield line, BadRow(f"it is not a row of a table ({error})")
                continue
            if fields:
                extra = len(fields) > len(columns)
                yield (
                    line,
                    BadRow("it has more fields than the first line")
                    if extra
                    else dict(zip(columns, fields, strict=False)),
                )


def _header(path: Path, rows: Iterator[list[str]]) -> list[str]:
    try:
        columns = [column.strip() for column in next(rows, [])]
    except csv.Error as error:
        raise DataError(f"The first line of {path} is not that of a table: {error}.", _FIRST_LINE) from error
    _check_columns(path, columns, columns)
    return columns


def _open_quotation(path: Path, line: int) -> DataError:
    return DataError(
        f"{path} has a field that begins in line {line} and is too long for a table.",
        "A quotation mark was probably not closed there: close it.",
    )


def _check_columns(path: Path, columns: Sequence[str], texts: Sequence[str]) -> None:
    if not _file_columns(texts) or not set(columns) & set(CAPTION_COLUMNS):
        named = ", ".join(columns[:20])
        raise DataError(
            f"{path} has the columns {mended(named)[0][:500] or 'none at all'}.",
            "It needs columns called file_name and caption, and if you like class and split; a table names them in its "
            "first line.",
        )


def _file_columns(columns: Sequence[str] | Mapping[str, Any]) -> list[str]:
    if "file_name" in columns:
        return ["file_name"]
    others = [name for name in columns if name.endswith("_file_name")]
    return [name for name in ("image_file_name", *others, *FILE_COLUMNS[2:]) if name in columns]


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    from pyarrow import parquet

    with path.open("rb") as opened:
        try:
            file = parquet.ParquetFile(opened, pre_buffer=False, buffer_size=1 << 20)
            columns = _parquet_columns(path, file)
            line = 0
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                for item in _batch_rows(batch):
                    line += 1
                    yield line, item
        except DataError:
            raise
        except Exception as error:  # a damaged file can make pyarrow raise nearly anything
            raise DataError(
                f"{path} is not a whole parquet file ({str(error).partition(chr(10))[0][:200]}).",
                "Get it again, or write it again.",
            ) from error


def _parquet_columns(path: Path, file: Any) -> list[str]:
    from pyarrow import types

    def is_text(kind: Any) -> bool:
        value = kind.value_type if types.is_dictionary(kind) else kind
        return any(check(value) for check in (types.is_string, types.is_large_string))

    schema = file.schema_arrow
    texts = [column.name for column in schema if is_text(column.type)]
    others = [name for name in schema.names if name in (*CAPTION_COLUMNS, *_CLASS_COLUMNS, "split")]
    _check_columns(path, schema.names, texts)
    return list(dict.fromkeys([*_file_columns(texts), *others]))


def _batch_rows(batch: Any) -> Iterator[dict[str, Any] | BadRow]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield from batch.slice(index, 1).to_pylist()
            except UnicodeDecodeError:
                yield BadRow("its text is not UTF-8")


def _file_name(item: Mapping[str, Any]) -> str | None:
    values = (item.get(name) for name in _file_columns(item))
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), None)


def _row(line: int, item: Mapping[str, Any]) -> Row:
    file_name = _file_name(item)
    if file_name is None:
        raise BadRow("it has no file_name")
    captions, damaged = _captions(item)
    if not captions:
        raise BadRow("it has no caption")
    return Row(line, file_name, captions, damaged, _class_name(item), _split(item.get("split")))


def _split(word: Any) -> str | None:
    if word in (None, ""):
        return None
    split = split_named(word) if isinstance(word, str) else None
    if split is None:
        shown = mended(word)[0][:40] if isinstance(word, str) else type(word).__name__
        raise BadRow(f"its split is neither train nor test ({shown})")
    return split


def _class_name(item: Mapping[str, Any]) -> str | None:
    value = next((item[name] for name in _CLASS_COLUMNS if item.get(name) not in (None, "")), None)
    if isinstance(value, float):
        # Tables with gaps hold whole numbers as floating point, and their gaps as NaN.
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise BadRow("its class is neither text nor a number")
    # Thousands of rows share a class, and need only one copy of its name.
    return sys.intern(mended(str(value))[0]) or None


def _captions(item: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    content = next((item[name] for name in CAPTION_COLUMNS if item.get(name) not in (None, "", [])), None)
    if isinstance(content, str) and content.lstrip().startswith("["):
        content = _listed(content)
    if content is None:
        return (), False
    parts = [_text(part) for part in (content if isinstance(content, list) else [content])]
    if any(len(part) > MAX_CAPTION_FILE for part in parts):
        raise BadRow("its caption is longer than a megabyte")
    pairs = [mended(" ".join(text_lines(part))) for part in parts]
    return tuple(caption for caption, _ in pairs if caption), any(damage for _, damage in pairs)


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

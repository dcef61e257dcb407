"""Reading metadata.jsonl, metadata.csv and metadata.parquet row by row, however large and damaged they are."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import MAX_LINE, bounded_lines, mended
from stackgan_cli.readers.metadata_rows import CLASS_COLUMNS, BadRow, Columns, Row, is_text, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_TOO_LONG = f"it is longer than {MAX_LINE:,} characters"
_FIRST_LINE = "It should name the columns, such as file_name and caption."
_MARKS = ",;\t|"
"""What may stand between the fields of a table."""
_BATCH = 128
"""Rows of a parquet file that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """One row that is no example."""

    line: int
    file_name: str | None
    reason: str


def read_metadata(path: Path, columns: Columns) -> Iterator[Row | Unusable]:
    """Read a metadata file row by row, holding no more than a few of them.

    Args:
        path: ``metadata.jsonl`` (an object per line), ``metadata.csv`` (with a header line) or ``metadata.parquet``.
        columns: which of its columns name the pictures and hold the captions.

    Yields:
        Its rows in their order, usable and not.

    Raises:
        DataError: a table has no column that names pictures, or none with captions, or is damaged.
        OSError: the file cannot be opened.
    """
    read = {".jsonl": _json_rows, ".csv": _table_rows, ".parquet": _parquet_rows}[path.suffix]
    for line, item in read(path, columns):
        try:
            if isinstance(item, BadRow):
                raise item
            row = columns.row(line, item)
        except BadRow as problem:
            named = columns.file_name(item) if isinstance(item, dict) else None
            yield Unusable(line, None if named is None else mended(named)[0], str(problem))
        else:
            yield row


def _json_rows(path: Path, _: Columns) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
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
    return _plainly(item) if isinstance(item, dict) else BadRow("it is not a JSON object")


def _plainly(item: dict[str, Any]) -> dict[str, Any]:
    return {plain(name): value for name, value in item.items()}


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


def _table_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    with path.open("rb") as file:
        physical = bounded_lines(file)
        header = next(physical, "")
        if header is None:
            raise DataError(f"The first line of {path} cannot be used: {_TOO_LONG}.", _FIRST_LINE)
        lines = _TableLines(chain([header], physical))
        rows = csv.reader(lines, delimiter=_delimiter(header, columns))
        names = _header(path, rows, columns)
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
                extra = len(fields) > len(names)
                more = BadRow("it has more fields than the first line: one with commas belongs in quotation marks")
                yield line, more if extra else dict(zip(names, fields, strict=False))


def _delimiter(header: str, columns: Columns) -> str:
    """Find the mark between fields: the one that makes usable columns of a table's first line."""
    for mark in _MARKS:
        with suppress(csv.Error):
            names = list(map(plain, next(csv.reader([header], delimiter=mark), [])))
            if columns.fit(names, names):
                return mark
    return next((mark for mark in _MARKS if mark in header), ",")


def _header(path: Path, rows: Iterator[list[str]], columns: Columns) -> list[str]:
    try:
        written = next(rows, [])
    except csv.Error as error:
        raise DataError(f"The first line of {path} is not that of a table: {error}.", _FIRST_LINE) from error
    names = list(map(plain, written))
    _check_columns(path, columns, written, names, names)
    return names


def _open_quotation(path: Path, line: int) -> DataError:
    return DataError(
        f"{path} has a field that begins in line {line} and is too long for a table.",
        "A quotation mark was probably not closed there: close it.",
    )


def _check_columns(
    path: Path, columns: Columns, written: Sequence[str], texts: Sequence[str], captions: Sequence[str]
) -> None:
    """Refuse a table without usable columns.

    Args:
        path: of the table.
        columns: which ones are wanted.
        written: names of all columns as they are to be shown.
        texts: plain names of those that can name pictures.
        captions: plain names of those that can hold captions.
    """
    if not columns.fit(texts, captions):
        shown = mended(", ".join(name.strip() for name in written[:20]))[0][:500] or "none at all"
        raise DataError(
            f"{path} has the columns {shown}.",
            f"It needs columns called {columns.image or 'file_name'} and {columns.caption or 'caption'}, or others that"
            " --image-column and --caption-column name; it may have class and split. A table names them in line 1.",
        )


def _parquet_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    from pyarrow import parquet

    with path.open("rb") as opened:
        try:
            file = parquet.ParquetFile(opened, pre_buffer=False, buffer_size=1 << 20)
            names = _parquet_columns(path, file, columns)
            line = 0
            for batch in file.iter_batches(_BATCH, columns=names, use_threads=False):
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


def _parquet_columns(path: Path, file: Any, columns: Columns) -> list[str]:
    """Names of the columns to read."""
    from pyarrow import types

    def holds_words(kind: Any) -> bool:
        return is_text(kind.value_type if types.is_dictionary(kind) else kind)

    schema = file.schema_arrow
    texts = [plain(column.name) for column in schema if holds_words(column.type)]
    captions = [plain(each.name) for each in schema if holds_words(each.type) or types.is_nested(each.type)]
    written = [f"{column.name} ({column.type})" for column in schema]
    _check_columns(path, columns, written, texts, captions)
    wanted = {*columns.of_pictures(texts), *columns.of_captions(captions), *CLASS_COLUMNS, "split"}
    return [name for name in schema.names if plain(name) in wanted]


def _batch_rows(batch: Any) -> Iterator[dict[str, Any] | BadRow]:
    try:
        yield from map(_plainly, batch.to_pylist())
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield from map(_plainly, batch.slice(index, 1).to_pylist())
            except UnicodeDecodeError:
                yield BadRow("its text is not UTF-8")

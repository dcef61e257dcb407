"""Reading metadata.jsonl, metadata.csv and metadata.parquet row by row, however large and damaged they are."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.parsing import parse_json
from stackgan_cli.readers.captions import MAX_LINE, bounded_lines, mended
from stackgan_cli.readers.columns import (
    BadRow,
    Columns,
    Description,
    caption_candidates,
    described_by,
    enumerated,
    is_text,
    plain,
    plainly,
)
from stackgan_cli.readers.encodings import file_encoding
from stackgan_cli.readers.tables import DamagedTable, Table, telling_damage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_TOO_LONG = f"it is longer than {MAX_LINE:,} characters"
_FIRST_LINE = "It should name the columns, such as file_name and caption."
_MARKS = ",;\t|"
"""What may stand between the fields of a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row."""

    line: int
    """Counted from one: the line of a text file, the row of a parquet file."""
    file_name: str
    described: Description


@dataclass(frozen=True, slots=True)
class Unusable:
    """One row that is no example."""

    line: int
    file_name: str | None
    reason: str


def read_metadata(path: Path, columns: Columns) -> Iterator[Row | Unusable]:
    """Read ``metadata.jsonl``, ``metadata.csv`` or ``metadata.parquet`` row by row, holding no more than a few of them.

    Raises:
        DataError: a table has no column that names pictures, or none with captions, or is damaged.
        OSError: the file cannot be opened.
    """
    read = {".jsonl": _json_rows, ".csv": _table_rows, ".parquet": _parquet_rows}[path.suffix]
    try:
        yield from _sorted_out(read(path, columns), columns)
    except BadRow as problem:
        raise DataError(f"In {path}, {problem}.", "--caption-column with the one that is meant") from None


def guessed_encoding(path: Path) -> str | None:
    """Return the encoding that a table of text is read in where it is not UTF-8 and none was chosen."""
    if path.suffix == ".parquet":
        return None
    with path.open("rb") as file:
        return file_encoding(file)[1]


def _sorted_out(items: Iterable[tuple[int, dict[str, Any] | BadRow]], columns: Columns) -> Iterator[Row | Unusable]:
    for line, item in items:
        try:
            if isinstance(item, BadRow):
                raise item
            named = columns.file_name(item)
            if named is None:
                raise BadRow(f"it has no {columns.image or 'file_name'}")
            row = Row(line, named, columns.describe(item))
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
        item = parse_json(content)
    except ValueError as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return BadRow(f"it is not JSON ({reason})")
    return plainly(item) if isinstance(item, dict) else BadRow("it is not a JSON object")


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
        with suppress(csv.Error, BadRow):
            names = list(map(plain, next(csv.reader([header], delimiter=mark), [])))
            if columns.of_files(names) and columns.of_captions(names):
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
    path: Path, columns: Columns, written: Iterable[str], texts: Collection[str], captions: Collection[str]
) -> None:
    """Refuse a table without usable columns.

    Args:
        path: of the table.
        columns: which ones are wanted.
        written: names of all columns as they are to be shown.
        texts: plain names of those that can name pictures.
        captions: plain names of those that can hold captions.
    """
    if not columns.of_files(texts) or not columns.of_captions(captions):
        raise DataError(
            f"{path} has the columns {enumerated(name.strip() for name in written)}.",
            f"It needs columns called {columns.image or 'file_name'} and {columns.caption or 'caption'}, or others that"
            " --image-column and --caption-column name; it may have class and split. A table names them in line 1.",
        )


def _parquet_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    table = Table.of_file(path, path.name, "", None)
    try:
        with telling_damage():
            wanted = _parquet_columns(path, table.schema(), columns)
        for line, row in enumerate(table.rows(list(dict.fromkeys(wanted.values()))), start=1):
            yield line, {name: row[column] for name, column in wanted.items()}
    except DamagedTable as error:
        raise DataError(f"{path} is not a whole parquet file ({error}).", "Get it again, or write it again.") from error


def _parquet_columns(path: Path, schema: Any, columns: Columns) -> dict[str, str]:
    """Names of the columns to read, by their plain names."""
    texts = {plain(column.name): column.name for column in schema if is_text(column.type)}
    written = [f"{column.name} ({column.type})" for column in schema]
    _check_columns(path, columns, written, texts, caption_candidates(schema))
    return described_by(schema, columns) | {name: texts[name] for name in columns.of_files(texts)}

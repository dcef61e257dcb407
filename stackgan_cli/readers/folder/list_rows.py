"""Reading a list of pictures and captions row by row, whatever its form, and however large and damaged it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import bounded_lines, mended
from stackgan_cli.readers.columns import (
    BadRow,
    Columns,
    Description,
    caption_candidates,
    described_by,
    is_text,
    plain,
)
from stackgan_cli.readers.encodings import file_encoding, json_encoding, lines_of
from stackgan_cli.readers.folder.json_lists import json_rows
from stackgan_cli.readers.folder.written_tables import check_columns, table_rows
from stackgan_cli.readers.tables import DamagedTable, Table, telling_damage
from stackgan_cli.readers.written_rows import json_object, objects_of_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""Lists as Hugging Face's datasets call them."""
LIST_SUFFIXES = frozenset((".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".token", ".parquet"))
_JSON_LINES = (".jsonl", ".ndjson")
_LONGEST_LINE = 1 << 18
"""Characters of the first line of what is called JSON, if it is to be an object on each line."""


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


def read_list(path: Path, columns: Columns) -> Iterator[Row | Unusable]:
    """Read a table, JSON lines, JSON or Parquet row by row, holding no more than a few of them.

    Raises:
        DataError: a table has no column that names pictures, or none with captions, or is damaged.
        OSError: the file cannot be opened.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            rows = _parquet_rows(path, columns)
        elif suffix in _JSON_LINES or (suffix == ".json" and _has_lines(path)):
            rows = _json_lines(path)
        else:
            rows = json_rows(path) if suffix == ".json" else table_rows(path, columns)
        yield from _sorted_out(rows, columns)
    except BadRow as problem:
        raise DataError(f"In {path}, {problem}.", "--caption-column with the one that is meant") from None


def unit_of(path: Path) -> str:
    """Say what the rows of a list are counted in: lines, where it has any."""
    whole = path.suffix.lower() == ".parquet" or (path.suffix.lower() == ".json" and not _has_lines(path))
    return "row" if whole else "line"


def guessed_encoding(path: Path) -> str | None:
    """Return the encoding that a list is read in where it is not UTF-8 and none was chosen."""
    if path.suffix.lower() == ".parquet":
        return None
    with path.open("rb") as file:
        return (json_encoding if path.suffix.lower() == ".json" else file_encoding)(file)[1]


def _has_lines(path: Path) -> bool:
    """Say whether what is called JSON is an object on each line."""
    with path.open("rb") as file:
        lines = [line for line in islice(lines_of(file, json_encoding(file)[0], _LONGEST_LINE), 2) if line is not None]
    return len(lines) == 2 and all(isinstance(json_object(line), dict) for line in lines)


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


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    with path.open("rb") as file:
        yield from objects_of_lines(bounded_lines(file))


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
    check_columns(path, columns, written, texts, caption_candidates(schema))
    return described_by(schema, columns) | {name: texts[name] for name in columns.of_files(texts)}

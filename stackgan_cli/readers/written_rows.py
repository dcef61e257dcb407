"""Rows of texts: the fields of a table's lines, and an object of JSON on each line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.parsing import parse_json
from stackgan_cli.readers.captions import MAX_LINE
from stackgan_cli.readers.columns import BadRow, plainly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOO_LONG = f"it is longer than {MAX_LINE:,} characters"


class OpenQuotationError(Exception):
    """A field is too long for a table, so that its quotation mark was probably not closed.

    Args:
        line: in which it begins.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line

    def told_of(self, name: str) -> DataError:
        """Say it of a file."""
        return DataError(
            f"{name} has a field that begins in line {self.line} and is too long for a table.",
            "A quotation mark was probably not closed there: close it.",
        )


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
            raise csv.Error(TOO_LONG)
        return line

    def begin(self) -> int:
        """Begin a row, and return its line number."""
        self._length = 0
        return self.number + 1


def fields_of_rows(
    physical: Iterator[str | None], mark: str, *, quoted: bool = True
) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield the fields of a table's rows, that of its header among them, with the lines that they begin in.

    Args:
        physical: lines, None in place of one that is too long.
        mark: that stands between fields.
        quoted: whether fields may stand in quotation marks.

    Raises:
        OpenQuotationError: a field has no end.
    """
    lines = _TableLines(physical)
    rows = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    while True:
        line = lines.begin()
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.number > line:
                raise OpenQuotationError(line) from error
            yield line, BadRow(f"it is not a row of a table ({error})")
            continue
        if fields:
            yield line, fields


def objects_of_lines(physical: Iterable[str | None]) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield the object on each line that is not empty, with the line's number.

    Args:
        physical: lines, None in place of one that is too long.
    """
    for line, content in enumerate(physical, start=1):
        if content is None:
            yield line, BadRow(TOO_LONG)
        elif content.strip():
            yield line, json_object(content)


def json_object(content: str) -> dict[str, Any] | BadRow:
    """Read an object of JSON, the names of its members `plain`."""
    try:
        item = parse_json(content)
    except ValueError as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return BadRow(f"it is not JSON ({reason})")
    return plainly(item) if isinstance(item, dict) else BadRow("it is not a JSON object")

"""Tables that are written in lines, with a first line that names the columns or without one."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import bounded_lines
from stackgan_cli.readers.columns import BadRow, Columns, enumerated, plain
from stackgan_cli.readers.folder.picture_names import CAPTION_NUMBER
from stackgan_cli.readers.layout import PICTURE_SUFFIXES
from stackgan_cli.readers.written_rows import TOO_LONG, OpenQuotationError, fields_of_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

_FIRST_LINE = "It should name the columns, such as file_name and caption."
_MARKS = ",;\t|"
"""What may stand between the fields of a table whose first line names them."""
_PLAIN_MARKS = "\t|;, "
"""What may stand between the fields of one whose first line does not."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How the lines of a table are to be understood."""

    mark: str
    names: list[str]
    """Of the columns, `plain`; none where they are those of the first line."""
    headed: bool
    """Whether the first line names the columns."""
    quoted: bool = True
    """Whether fields may stand in quotation marks."""

    def row(self, fields: list[str], columns: Columns) -> dict[str, Any] | BadRow:
        """Make a row of fields; a caption that comes last may hold the mark between fields."""
        last = len(self.names) - 1
        if len(fields) > len(self.names):
            if not any(self.names[last] in group for group in columns.of_captions(self.names)):
                return BadRow("it has more fields than the first line: one with commas belongs in quotation marks")
            fields = [*fields[:last], self.mark.join(fields[last:])]
        return dict(zip(self.names, fields, strict=False))


def table_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield the rows of a table with their line numbers, the names of columns `plain`.

    Where the first line names no usable columns, and none were chosen, they are told by what the first lines hold: the
    name of a picture, and words.

    Raises:
        DataError: it has no usable columns, or a field without end.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        physical = bounded_lines(file)
        first, second = next(physical, ""), next(physical, "")
        if first is None:
            raise DataError(f"The first line of {path} cannot be used: {TOO_LONG}.", _FIRST_LINE)
        form = _form(first, second or "", columns)
        rows = fields_of_rows(chain([first], [] if second == "" else [second], physical), form.mark, quoted=form.quoted)
        try:
            if form.headed:
                written = _header(path, rows)
                form = form if form.names else replace(form, names=list(map(plain, written)))
                check_columns(path, columns, written, form.names, form.names)
            for line, fields in rows:
                yield line, fields if isinstance(fields, BadRow) else form.row(fields, columns)
        except OpenQuotationError as error:
            raise error.told_of(str(path)) from error


def _form(first: str, second: str, columns: Columns) -> _Form:
    """Tell the form of a table by its first two lines."""
    for mark in _MARKS:
        with suppress(BadRow):
            names = list(map(plain, _fields(first, mark)))
            if columns.of_files(names) and columns.of_captions(names):
                return _Form(mark, [], headed=True)
    if columns == Columns():
        for mark in _PLAIN_MARKS:
            if (bare := _without_header(first, mark)) is not None:
                return bare
        for mark in _MARKS:
            header, values = _fields(first, mark), _fields(second, mark)
            pictures = [place for place, value in enumerate(values) if _is_picture(value)]
            words = [place for place, value in enumerate(values) if _has_words(value) and place not in pictures]
            if len(header) == len(values) and len(pictures) == len(words) == 1:
                usual = {pictures[0]: "file_name", words[0]: "caption"}
                return _Form(mark, [usual.get(place, plain(name)) for place, name in enumerate(header)], headed=True)
    return _Form(next((mark for mark in _MARKS if mark in first), ","), [], headed=True)


def _without_header(first: str, mark: str) -> _Form | None:
    quoted = mark != " "
    fields = _fields(first, mark, quoted=quoted)
    if len(fields) == 2 and _has_words(fields[0]) and _is_picture(fields[1]) and not _is_picture(fields[0]):
        return _Form(mark, ["caption", "file_name"], headed=False, quoted=quoted)
    if len(fields) < 2 or not _is_picture(fields[0]):
        return None
    numbers = list(takewhile(lambda field: field.strip().isdigit(), fields[1:]))
    if not any(_has_words(field) and not _is_picture(field) for field in fields[1 + len(numbers) :]):
        return None
    names = ["file_name", *(f"number {place}" for place, _ in enumerate(numbers)), "caption"]
    # Nobody puts the captions of such lists into quotation marks, and some begin with one.
    token = mark == "\t" and CAPTION_NUMBER.search(fields[0].strip()) is not None
    return _Form(mark, names, headed=False, quoted=quoted and not token)


def _fields(line: str, mark: str, *, quoted: bool = True) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE), [])
    except csv.Error:
        return []


def _is_picture(field: str) -> bool:
    return PurePosixPath(CAPTION_NUMBER.sub("", field.strip())).suffix.lower() in PICTURE_SUFFIXES


def _has_words(field: str) -> bool:
    return any(map(str.isalpha, field))


def _header(path: Path, rows: Iterator[tuple[int, list[str] | BadRow]]) -> list[str]:
    _, written = next(rows, (1, []))
    if isinstance(written, BadRow):
        raise DataError(f"The first line of {path} is not that of a table: {written}.", _FIRST_LINE)
    return written


def check_columns(
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

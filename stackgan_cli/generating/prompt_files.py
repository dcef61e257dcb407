"""Files of prompts: text with one a line, tables, and JSON on each line; read anew each time, and never held."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import given_path, size_text
from stackgan_cli.generating.seeds import Seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    Form = Literal["text", "table", "json"]

_MOST_BYTES = 1 << 26
_TEXT = "text with one prompt a line, CSV or JSON lines"
_SUFFIXES: Mapping[str, Form] = {
    **dict.fromkeys((".csv", ".tsv"), "table"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
}
_MARKS = ",;\t|"
_PROMPT_COLUMNS = ("prompt", "prompts", "caption", "text", "captions", "texts", "sentence", "description")
_COUNT_COLUMNS = ("count", "n", "num_images", "num_images_per_prompt")
_SEED_COLUMN, _SEEDS_COLUMN = "seed", "seeds"
_KNOWN = frozenset((*_PROMPT_COLUMNS, *_COUNT_COLUMNS, _SEED_COLUMN, _SEEDS_COLUMN))
_NUMBER = re.compile(r"([0-9]{1,19})(?:\.0+)?")
"""Tables with gaps hold whole numbers as floating point."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one row asks for."""

    text: str
    seeds: Seeds


class PromptFile:
    """A file of prompts, or what comes from stdin or a pipe, which is copied first.

    Its form is told by the end of its name. What has no name is a table where its first line names columns that are
    known here, and JSON where it is an object; else it is text.

    Args:
        source: a path, or ``-`` for stdin.
        content: what :func:`passing_content` has taken of it.

    Raises:
        DataError: it cannot be read, or is far too large.
    """

    def __init__(self, source: str, content: bytes | None) -> None:
        self.name = "the standard input" if source == "-" else source
        with _telling(source):
            if content is None:
                self._file: IO[bytes] = _opened(source)
            else:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with this object
                self._file.write(content)
                self._file.flush()
            _refuse_large(source, os.fstat(self._file.fileno()).st_size)
            from stackgan_cli.readers.encodings import file_encoding

            self._encoding, self.guessed = file_encoding(self._again())
            """Encoding, where that is not UTF-8 and was only guessed."""
        named = _SUFFIXES.get(Path(source).suffix.lower(), "text")
        self._form = named if content is None else _form_of(next(self._lines(), ""))

    def rows(self, usual: Seeds) -> Iterator[tuple[int, Row | str]]:
        """Yield what each row asks for, or why it cannot be used, with its line counted from 1.

        Args:
            usual: seeds of a row that says nothing of them.

        Raises:
            DataError: a table has no column of prompts, or a field without end.
        """
        from stackgan_cli.readers.columns import BadRow

        items = {"text": self._texts, "table": self._table, "json": self._objects}[self._form]()
        for line, item in items:
            try:
                if isinstance(item, BadRow):
                    raise item
                yield line, Row(_text_of(item), _seeds_of(item, usual))
            except (BadRow, UsageError) as problem:
                words = str(problem)
                yield line, f"{words[:1].upper()}{words[1:].removesuffix('.')}."

    def _again(self) -> BinaryIO:
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        return file

    def _lines(self) -> Iterator[str | None]:
        from stackgan_cli.readers.captions import MAX_LINE
        from stackgan_cli.readers.encodings import lines_of

        return lines_of(self._again(), self._encoding, MAX_LINE)

    def _texts(self) -> Iterator[tuple[int, Any]]:
        from stackgan_cli.readers.columns import BadRow
        from stackgan_cli.readers.written_rows import TOO_LONG

        for number, line in enumerate(self._lines(), 1):
            if line is None:
                yield number, BadRow(TOO_LONG)
            elif (text := line.strip()) and not text.startswith("#"):
                yield number, {"prompt": text}

    def _objects(self) -> Iterator[tuple[int, Any]]:
        from stackgan_cli.readers.written_rows import objects_of_lines

        return objects_of_lines(self._lines())

    def _table(self) -> Iterator[tuple[int, Any]]:
        from stackgan_cli.readers.columns import BadRow, enumerated
        from stackgan_cli.readers.written_rows import OpenQuotationError, fields_of_rows

        mark = _mark_of(next(self._lines(), "") or "")
        try:
            rows = fields_of_rows(self._lines(), mark)
            _, written = next(rows, (1, []))
            written = [] if isinstance(written, BadRow) else written
            names = _names(written)
            if twice := sorted({name for name in names if name in _KNOWN and names.count(name) > 1}):
                raise DataError(f"{self.name} has two columns called {twice[0]!r}.", hint="another name for one")
            if not set(names) & set(_PROMPT_COLUMNS):
                raise DataError(
                    f"{self.name} has the columns {enumerated(name.strip() for name in written)}.",
                    hint="a first line that names the columns: prompt, and if need be seed, seeds and count",
                )
            for line, fields in rows:
                if isinstance(fields, BadRow):
                    yield line, fields
                elif len(fields) > len(names):
                    yield line, BadRow("it has more fields than the first line: one with commas belongs in quotes")
                else:
                    yield line, dict(zip(names, fields, strict=False))
        except OpenQuotationError as error:
            raise error.told_of(self.name) from error


def passing_content(source: str) -> bytes | None:
    """Take what can be read once alone: stdin, or a pipe, which a shell makes of ``<(command)``; None of a file.

    A pipe that nobody writes into is empty.

    Raises:
        UsageError: it can be no path.
        DataError: it cannot be read, or is far too large.
    """
    with _telling(source):
        if source == "-":
            content = b"" if sys.stdin is None else sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with _opened(source) as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                content = file.read(_MOST_BYTES + 1)
        _refuse_large(source, len(content))
        return content


@contextmanager
def _telling(source: str) -> Iterator[None]:
    """Say of what the system refuses that it is about the prompts.

    Raises:
        DataError: it refuses something.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{_beginning(source)} cannot be read: {error.strerror or error}.", hint=_TEXT) from error


def _refuse_large(source: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise DataError(
            f"{_beginning(source)} has more than {size_text(_MOST_BYTES)}, which are no prompts.", hint=_TEXT
        )


def _beginning(source: str) -> str:
    return "The standard input" if source == "-" else source


def _opened(source: str) -> IO[bytes]:
    given_path(source)
    # What a pipe of the shell's leads to has no path, and one that nobody writes into is not to be waited for.
    handle = os.open(Path(source).expanduser(), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def _form_of(first: str | None) -> Form:
    """Tell the form of what has no name by its first line; what can be a prompt is no table and no JSON."""
    from stackgan_cli.readers.written_rows import json_object

    if not first:
        return "text"
    item = json_object(first) if first.lstrip().startswith("{") else None
    if isinstance(item, dict) and item.keys() & set(_PROMPT_COLUMNS):
        return "json"
    names = _names(first.strip().split(_mark_of(first)))
    return "table" if len(names) > 1 and set(names) <= _KNOWN and set(names) & set(_PROMPT_COLUMNS) else "text"


def _mark_of(header: str) -> str:
    """Find what stands between the fields of a table: what makes a column of prompts of its first line."""
    names = ((mark, _names(header.strip().split(mark))) for mark in _MARKS)
    return next((mark for mark, found in names if len(found) > 1 and set(found) & set(_PROMPT_COLUMNS)), ",")


def _names(header: list[str]) -> list[str]:
    from stackgan_cli.readers.columns import plain

    return [plain(name.strip().strip('"')) for name in header]


def _text_of(item: Mapping[str, Any]) -> str:
    from stackgan_cli.readers.captions import is_nothing, text_lines
    from stackgan_cli.readers.columns import BadRow

    found = [item[name] for name in _PROMPT_COLUMNS if item.get(name) is not None]
    for value in found:
        if not isinstance(value, str):
            raise BadRow("its prompt is not text")
        text = " ".join(text_lines(value)).strip()
        if "\ufffd" in text:
            raise BadRow("it is not UTF-8, or damaged")
        if not is_nothing(text) or len(item) == 1:
            return text
    raise BadRow("it has no prompt")


def _seeds_of(item: Mapping[str, Any], usual: Seeds) -> Seeds:
    """Make seeds of what a row says of them: one, several, or how many pictures there are to be."""
    from stackgan_cli.readers.columns import BadRow

    count = next((number for name in _COUNT_COLUMNS if (number := _number(item, name)) is not None), None)
    first, listed = _number(item, _SEED_COLUMN), item.get(_SEEDS_COLUMN)
    if count == 0:
        raise BadRow("it asks for no picture")
    if listed is None or listed == "":
        return usual if first is None and count is None else usual.changed(first, count)
    if first is not None or count is not None:
        raise BadRow("its seeds say which pictures there are, so it can have neither seed nor count")
    if isinstance(listed, list) and listed and all(type(each) is int for each in listed):
        listed = ",".join(map(str, listed))
    if not isinstance(listed, str | int) or isinstance(listed, bool):
        raise BadRow("its seeds are no list of numbers")
    return Seeds.listed(str(listed))


def _number(item: Mapping[str, Any], name: str) -> int | None:
    """The whole number under a name; None where there is nothing."""
    from stackgan_cli.readers.captions import is_nothing
    from stackgan_cli.readers.columns import BadRow

    value = item.get(name)
    if value is None or (isinstance(value, str) and is_nothing(value)):
        return None
    found = _NUMBER.fullmatch(str(value).strip())
    if found is None:
        raise BadRow(f"its {name} is not a whole number: {str(value)[:40]!r}")
    return int(found[1])

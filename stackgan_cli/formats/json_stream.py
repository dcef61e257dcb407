"""One huge JSON object, read element by element: memory stays flat however large the file or long its lines."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

LARGEST = 1 << 22
"""Characters; a larger element of an array may be refused, and one of twice this size always is."""
DEEPEST = 500
"""Arrays and objects inside one another that are passed over before the file is refused."""
SHALLOW = 8
"""Depth down to which a value passed over is tried as a whole; each trial that fails looks through a chunk in vain."""
CHUNK = 1 << 20
"""Bytes read at a time."""

_DECODER = json.JSONDecoder()
_SPACES = r"[ \t\n\r]*+"
_PIECE = r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+"
_NAME = rf'{_SPACES}"{_PIECE}"{_SPACES}:{_SPACES}'
_SCALAR = rf'{_SPACES}(?:"{_PIECE}"|{_NUMBER}|true|false|null){_SPACES},'
_SPACE = re.compile(_SPACES)
_STRING_PIECE = re.compile(_PIECE)
_ESCAPE_BEGUN = re.compile(r"|\\(?:u[0-9A-Fa-f]{0,3})?")
_WORD = re.compile(r"[-+.0-9A-Za-z]*+")
_WORD_VALUE = re.compile(rf"{_NUMBER}|true|false|null|NaN|-?Infinity")
# Long runs of numbers and strings are stepped over at once, tens of times as fast as one by one.
_RUNS = {"]": re.compile(rf"(?:{_SCALAR})*+"), "}": re.compile(rf"(?:{_NAME}{_SCALAR})*+")}
_LONGEST_ESCAPE = len(r"\u0000")
# What may still belong to a number at the end of the text: after 1 these could be the beginning of 1e+5.
_AFTER_NUMBER = len("e+5")
_HINT = "Get the file again: a broken transfer or an editor may have damaged it."


def items(path: Path, names: Collection[str], *, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Yield the elements of some arrays of a file that holds one JSON object; its other members are passed over.

    What `json.loads` takes is taken, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; damaged bytes
    become U+FFFD. Of the file no more is held than a few chunks or one element.

    Args:
        path: the file.
        names: members of the top-level object whose value is an array.
        chunk: bytes read at a time.

    Yields:
        The member's name and one element, in the order of the file.

    Raises:
        DataError: the file cannot be opened or is no whole JSON object, a member of ``names`` is there twice or is no
            array, or an element is too large or too deeply nested. What lies before has been yielded.
    """
    try:
        with path.open("rb") as file:
            yield from _members(_Window(file, path, chunk), names)
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror or error}.", "Check its permissions.") from error


def _members(window: _Window, names: Collection[str]) -> Iterator[tuple[str, Any]]:
    first = window.peek()
    if not first:
        raise DataError(f"{window.path} is empty.", _HINT)
    if first != "{":
        raise DataError(f"{window.path} is no JSON object: it begins with {first!r}, not with '{{'.", _HINT)
    window.position += 1
    seen: set[str] = set()
    if window.peek() == "}":
        window.take("}")
        window.refuse_more()
        return
    while True:
        name = window.name()
        if name not in names:
            window.pass_over()
        elif name in seen:
            window.refuse(f"has a second {name!r}")
        else:
            seen.add(name)
            yield from _elements(window, name)
        if window.take(",}") == "}":
            window.refuse_more()
            return


def _elements(window: _Window, name: str) -> Iterator[tuple[str, Any]]:
    if window.peek() not in ("[", ""):
        window.refuse(f"has something else than a list for {name!r}")
    window.take("[")
    if window.peek() == "]":
        window.position += 1
        return
    while True:
        yield name, window.element()
        if window.take(",]") == "]":
            return


class _CutError(Exception):
    """The text ends before the value does."""


class _Window:
    """The part of a file that is in memory, and how far it is read."""

    def __init__(self, file: BinaryIO, path: Path, chunk: int) -> None:
        self.path = path
        self.position = 0
        self._file = file
        self._chunk = chunk
        # Four bytes tell the encoding, as `json.loads` tells it.
        start = file.read(4)
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(start))(errors="replace")
        self._text = self._decoder.decode(start)
        self._dropped = 0
        self._ended = False

    def peek(self) -> str:
        """Go to the next character that is no space and return it, or nothing at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self._text):
                return self._text[self.position]
            if not self._read_on():
                return ""

    def take(self, marks: str) -> str:
        """Step over the next character, which must be one of ``marks``, and return it."""
        mark = self.peek()
        if not mark:
            self._refuse_cut()
        if mark not in marks:
            self.refuse(f"is not JSON: {mark!r} stands where {' or '.join(map(repr, marks))} belongs")
        self.position += 1
        return mark

    def name(self) -> str:
        """Read the name of a member, and the colon after it."""
        if self.peek() not in ('"', ""):
            self.refuse("is not JSON: a name in double quotes is missing")
        name = self.element()
        self.take(":")
        return str(name)

    def element(self) -> Any:
        """Decode one value."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self.position)
            except RecursionError:
                self.refuse("is nested too deeply")
            except json.JSONDecodeError:
                if self._ended:
                    self._refuse_value()
            except ValueError:
                self.refuse("has a number of thousands of digits")
            else:
                if end + _AFTER_NUMBER <= len(self._text) or (self._ended and not self._word_is_cut()):
                    self.position = end
                    return found
                if self._ended:
                    self._refuse_cut()
            if len(self._text) - self.position > LARGEST:
                self._refuse_value()
            self._read_on()

    def _word_is_cut(self) -> bool:
        word = _WORD.match(self._text, self.position)
        return word is not None and word.end() == len(self._text)

    def pass_over(self) -> None:
        """Step over one value of any size, which must be JSON all the same."""
        try:
            self._pass_over()
        except _CutError:
            self._refuse_cut()

    def refuse(self, what: str) -> NoReturn:
        """Raise a DataError that says where in the file it is."""
        raise DataError(f"{self.path} {what} (at character {self._dropped + self.position + 1:,}).", _HINT)

    def refuse_more(self) -> None:
        """Raise a DataError if anything follows."""
        if self.peek():
            self.refuse("goes on after the end of its JSON object")

    def _refuse_cut(self) -> NoReturn:
        self.position = len(self._text)
        self.refuse("ends too early: it is not a whole JSON object")

    def _refuse_value(self) -> NoReturn:
        """Say why the value here cannot be decoded: passing over it finds the place."""
        whole, start = self._ended, self.position
        self._ended = True
        try:
            self._pass_over()
        except _CutError:
            if whole:
                self._refuse_cut()
        self.position = start
        self.refuse("is not JSON" if whole else f"has an element of more than {LARGEST >> 20} MiB")

    def _read_on(self) -> bool:
        """Read more and forget what is done with; False at the end of the file."""
        if self._ended:
            return False
        rest = self._text[self.position :]
        self._dropped += self.position
        self.position = 0
        # At least as much again as is kept, so that a value looked at anew each time costs linear time.
        data = self._file.read(max(self._chunk, len(rest)))
        self._ended = not data
        self._text = rest + self._decoder.decode(data, final=self._ended)
        return len(self._text) > len(rest) or not self._ended

    def _pass_over(self) -> None:
        closing: list[str] = []
        while True:
            mark = self.peek()
            if len(closing) < SHALLOW and self._pass_whole():
                pass
            elif mark and mark in "{[":
                if len(closing) == DEEPEST:
                    self.refuse("is nested too deeply")
                self.position += 1
                closing.append("}" if mark == "{" else "]")
                if self.peek() != closing[-1]:
                    self._pass_to_value(closing[-1])
                    continue
            elif mark == '"':
                self._pass_string()
            else:
                self._pass_word()
            while closing:
                mark = self._next(f",{closing[-1]}")
                if mark == ",":
                    self._pass_to_value(closing[-1])
                    break
                closing.pop()
            else:
                return

    def _pass_whole(self) -> bool:
        """Step over an array or object that is whole in memory: several times the speed of going through its parts."""
        if not self._text.startswith(("{", "["), self.position):
            return False
        try:
            self.position = _DECODER.raw_decode(self._text, self.position)[1]
        except (ValueError, RecursionError):
            return False
        return True

    def _next(self, marks: str) -> str:
        if not self.peek():
            raise _CutError
        return self.take(marks)

    def _pass_to_value(self, closing: str) -> None:
        """Inside an array or object, step over plain values and the next value's name."""
        run = _RUNS[closing].match(self._text, self.position)
        self.position = run.end() if run else self.position
        if closing == "}":
            if self.peek() not in ('"', ""):
                self.refuse("is not JSON: a name in double quotes is missing")
            self._pass_string()
            self._next(":")

    def _pass_string(self) -> None:
        self._next('"')
        while True:
            match = _STRING_PIECE.match(self._text, self.position)
            self.position = match.end() if match else self.position
            if self._text.startswith('"', self.position):
                self.position += 1
                return
            if len(self._text) - self.position >= _LONGEST_ESCAPE or not self._read_on():
                break
        if _ESCAPE_BEGUN.fullmatch(self._text, self.position):
            raise _CutError
        self.refuse(f"is not JSON: {self._text[self.position : self.position + 2]!r} stands inside a string")

    def _pass_word(self) -> None:
        while True:
            match = _WORD.match(self._text, self.position)
            end = match.end() if match else self.position
            if end - self.position > LARGEST:
                self.refuse(f"has a number of more than {LARGEST:,} digits")
            if end < len(self._text) or self._ended:
                break
            self._read_on()
        if end == len(self._text):
            raise _CutError
        if not _WORD_VALUE.fullmatch(self._text, self.position, end):
            word = self._text[self.position : max(end, self.position + 1)]
            self.refuse(f"is not JSON: {word[:20]!r} is no value")
        self.position = end

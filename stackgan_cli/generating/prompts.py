"""The prompts that ``generate`` is given: arguments, and the lines of a file or of stdin, which keep their numbers."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import given_path, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

_LONGEST = 10_000
_MOST_BYTES = 1 << 26
_UTF8 = "UTF-8 text, one prompt a line"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sentence to draw, and where it stands."""

    text: str
    line: int | None = None
    """Of the file that it comes from, from 1; None for an argument."""


@dataclass(frozen=True, slots=True)
class LeftOutLine:
    """A line that cannot be drawn, and why."""

    line: int
    why: str


class Prompts:
    """Prompts in their order, and the lines that are left out.

    An argument that cannot be drawn is a slip that ends the command; a line among many that cannot is noted, and the
    others are drawn.

    Args:
        given: as arguments.
        source: of more of them, one a line: a file, or ``-`` for stdin.

    Raises:
        UsageError: there is no prompt, or an argument is far too long.
        DataError: the file cannot be read.
    """

    def __init__(self, given: Sequence[str], source: str | None) -> None:
        self._source = "the standard input" if source == "-" else source
        self._prompts = [Prompt(text) for text in given]
        self.left_out: list[LeftOutLine] = []
        self._first_error: UsageError | None = None
        for number, line in enumerate(_lines(source), 1):
            try:
                text = line.decode("utf-8").strip()
            except UnicodeDecodeError:
                self._leave_out(number, UsageError("It is not UTF-8.", hint=_UTF8))
                continue
            if text:
                self._prompts.append(Prompt(text, number))
        self.keep(_refuse_unreadable)
        if not self._prompts:
            raise UsageError("There is no prompt.", hint='stackgan generate "a small red bird"')

    @property
    def texts(self) -> list[str]:
        """The prompts, in their order."""
        return [prompt.text for prompt in self._prompts]

    def keep(self, check: Callable[[str], object]) -> None:
        """Leave out lines that a check refuses with a :class:`UsageError`.

        Raises:
            UsageError: of an argument that it refuses; or of the first line, where none is left.
        """
        kept: list[Prompt] = []
        for prompt in self._prompts:
            try:
                check(prompt.text)
            except UsageError as error:
                if prompt.line is None:
                    raise
                self._leave_out(prompt.line, error)
            else:
                kept.append(prompt)
        self._prompts = kept
        if not kept and self._first_error is not None:
            first, more = self.left_out[0], len(self.left_out) - 1
            others = f" So it is with {more:,} more." if more else ""
            raise UsageError(
                f"Line {first.line} of {self._source} cannot be drawn. {first.why}{others}", self._first_error.hint
            )

    def told(self, left_out: LeftOutLine) -> str:
        """Say of a line that it is left out, and why."""
        return f"Line {left_out.line} of {self._source} is left out. {left_out.why}"

    def _leave_out(self, line: int, error: UsageError) -> None:
        self.left_out.append(LeftOutLine(line, error.message))
        self._first_error = self._first_error or error


def words_typed_apart(given: Sequence[str]) -> str | None:
    """Say that each of several single words is drawn by itself; None where something else was given.

    Whoever forgets the quotation marks gives a sentence as words.
    """
    if len(given) < 2 or any(len(text.split()) != 1 for text in given):
        return None
    whole = f"stackgan generate {shlex.quote(' '.join(given))}"
    return f"Each of the {len(given)} words is drawn by itself. In quotation marks they are one prompt: {whole}"


def _refuse_unreadable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("The prompt is not UTF-8.", hint="Type it anew, or set the terminal to UTF-8.") from None
    if len(text) > _LONGEST:
        raise UsageError(
            f"A prompt of {len(text):,} characters is too long; a sentence is meant.", hint="one or two sentences"
        )


def _lines(source: str | None) -> list[bytes]:
    if source is None:
        return []
    where = "The standard input" if source == "-" else source
    try:
        if source == "-":
            whole = b"" if sys.stdin is None else sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            given_path(source)
            # What a pipe of the shell's leads to has no path.
            with _opened(Path(source).expanduser()) as file:
                whole = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}.", hint=_UTF8) from error
    if len(whole) > _MOST_BYTES:
        raise DataError(f"{where} has more than {size_text(_MOST_BYTES)}, which are no prompts.", hint=_UTF8)
    return whole.removeprefix(b"\xef\xbb\xbf").splitlines()


def _opened(path: Path) -> BinaryIO:
    """Open a file, or a pipe, which a shell makes of ``<(command)``; one that nobody writes into is empty."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise

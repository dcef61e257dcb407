"""The prompts that ``generate`` is given: arguments, and the rows of a file or of stdin, which keep their lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.drawing.pictures import MOST_STOPS, Request, Stop, refuse_no_text, stops_of
from stackgan_cli.errors import UsageError
from stackgan_cli.generating.prompt_files import PromptFile
from stackgan_cli.interrupts import this_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stackgan_cli.generating.seeds import Seeds


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sentence to draw, with its seeds, and where it stands."""

    text: str
    seeds: Seeds
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
    others are drawn. A file is read anew each time that the prompts are gone through, so there may be any number.

    Args:
        given: as arguments.
        source: of more of them: a file, or ``-`` for stdin.
        content: of a source that can be read once alone.
        seeds: of each that has none of its own.

    Raises:
        UsageError: there is no prompt, or an argument is far too long.
        DataError: the file cannot be read.
    """

    def __init__(self, given: Sequence[str], source: str | None, content: bytes | None, seeds: Seeds) -> None:
        self._given, self._seeds = given, seeds
        self._file = None if source is None else PromptFile(source, content)
        self._left_out: dict[int, LeftOutLine] = {}
        self._hint: str | None = "one prompt a line, or a column called prompt"
        self.pictures = 0
        """How many there are to draw."""
        self.by_lot: int | None = None
        """The first seed of prompts that have none of their own, where it was drawn by lot and there are such."""
        self.keep(refuse_no_text)
        if not self.pictures:
            raise UsageError("There is no prompt.", hint='stackgan generate "a small red bird"')

    def __iter__(self) -> Iterator[Prompt]:
        for text in self._given:
            yield Prompt(text, self._seeds)
        for line, row in () if self._file is None else self._file.rows(self._seeds):
            if line in self._left_out:
                continue
            if isinstance(row, str):
                self._left_out[line] = LeftOutLine(line, row)
            else:
                yield Prompt(row.text, row.seeds, line)

    @property
    def requests(self) -> Iterator[Request]:
        """All pictures to draw."""
        return (Request(prompt.text, seed) for prompt in self for seed in prompt.seeds)

    @property
    def left_out(self) -> list[LeftOutLine]:
        """Lines that cannot be drawn, in their order."""
        return [self._left_out[line] for line in sorted(self._left_out)]

    @property
    def notes(self) -> list[str]:
        """What is odd about the file as a whole."""
        if self._file is None or self._file.guessed is None:
            return []
        return [f"{self._file.name} is not UTF-8 and is read as {self._file.guessed}."]

    def keep(self, check: Callable[[str], object]) -> None:
        """Leave out lines that a check refuses with a :class:`UsageError`.

        Raises:
            UsageError: of an argument that it refuses; or of the first line, where none is left.
        """
        self.pictures = 0
        for prompt in self:
            try:
                check(prompt.text)
            except UsageError as error:
                if prompt.line is None:
                    raise
                self._hint = error.hint if not self._left_out else self._hint
                self._left_out[prompt.line] = LeftOutLine(prompt.line, error.message)
            else:
                self.pictures += prompt.seeds.count
                self.by_lot = prompt.seeds.by_lot if self.by_lot is None else self.by_lot
        if not self.pictures and self._left_out and self._file is not None:
            first, more = self.left_out[0], len(self._left_out) - 1
            others = f" So it is with {more:,} more." if more else ""
            raise UsageError(f"Line {first.line} of {self._file.name} cannot be drawn. {first.why}{others}", self._hint)

    def told(self, left_out: LeftOutLine) -> str:
        """Say of a line that it is left out, and why."""
        assert self._file is not None
        return f"Line {left_out.line} of {self._file.name} is left out. {left_out.why}"

    def stops(self) -> list[Stop]:
        """What a way through all prompts and seeds leads through.

        Raises:
            UsageError: there are too many or too few, or as many prompts and seeds as do not fit together.
        """
        prompts: list[Prompt] = []
        for prompt in self:
            prompts.append(prompt)
            if len(prompts) > MOST_STOPS:
                raise UsageError("These are too many prompts for a way.", hint=f"at most {MOST_STOPS:,}")
        if all(prompt.seeds is self._seeds for prompt in prompts):
            return stops_of([prompt.text for prompt in prompts], self._seeds.few(MOST_STOPS))
        stops = [Stop(prompt.text, seed) for prompt in prompts for seed in prompt.seeds.few(MOST_STOPS)]
        if not 2 <= len(stops) <= MOST_STOPS:
            raise UsageError(f"A way leads through 2 to {MOST_STOPS:,} pictures, not {len(stops):,}.")
        return stops


def words_typed_apart(given: Sequence[str]) -> str | None:
    """Say that each of several single words is drawn by itself; None where something else was given.

    Whoever forgets the quotation marks gives a sentence as words.
    """
    if len(given) < 2 or any(len(text.split()) != 1 for text in given):
        return None
    whole = this_command(given, [" ".join(given)])
    return f"Each of the {len(given)} words is drawn by itself. In quotation marks they are one prompt: {whole}"

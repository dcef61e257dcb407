"""What is left out of a source, or kept though something is odd: counted by reason, and the first of each named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMED = 20
"""Things of one reason that are named; where there are more, they take one line together."""
MOST_REASONS = 1000
"""Reasons that are told apart; a broken source may have as many as it has pictures."""

_LONGEST_NAME = 300
"""Characters of a name that a message holds; lines of their own hold it whole."""
_OTHERS = "for other reasons than the first thousand"
_PLACE = re.compile(r"^(.{1,300}? (?:line|row) [0-9]+): ")
"""Where in a table something stands; what follows is the reason."""
_EXAMPLES = re.compile(r" \(the first: (.*)\)$")
"""What a line for many things has after its reason."""


@dataclass(slots=True)
class _Reason:
    """Everything that has one reason."""

    words: str
    """The reason with its remark, as long as all have the same remark."""
    what: str
    count: int = 0
    lines: int = 0
    """How many lines there would be, had each its own."""
    named: list[Skipped] = field(default_factory=list)

    def add(self, item: Skipped, words: str) -> None:
        if words != self.words:
            self.words = _kind(self.words)
        self.count += item.count
        self.lines += 1
        if len(self.named) < NAMED:
            self.named.append(item)

    def told(self) -> Iterator[Skipped]:
        if self.lines <= NAMED:
            yield from self.named
            return
        first = "; ".join(map(self._example, self.named))
        yield Skipped(f"{self.count:,} {self.what}", f"{self.words} (the first: {first})", self.count)

    def _example(self, item: Skipped) -> str:
        """Say where a thing is, and the remark about it where not all have the same."""
        place = _PLACE.match(item.reason)
        words = _words(item)
        remark = words[len(_kind(words)) :] if words != self.words else ""
        return (place[1] if place else item.name) + remark

    def in_short(self) -> str:
        first, name = self.named[0], self.named[0].name[:_LONGEST_NAME]
        if self.lines == 1:
            return f"{name}: {_EXAMPLES.sub(_first_example, first.reason)}"
        return f"{name}, the first of {self.count:,}: {_words(first)}"


class LeftOut:
    """Counts what is left out by reason: up to twenty things of one reason are named, more of them counted.

    Reasons that differ in nothing but a place before them, such as ``metadata.csv line 3: ``, or a remark in
    parentheses after them are one. However much is added, memory stays small.
    """

    def __init__(self) -> None:
        self.total = 0
        """How many things there are, of all reasons."""
        self._reasons: dict[str, _Reason] = {}

    def add(self, name: str, what: str, reason: str) -> None:
        """Count one thing, of those called ``what`` (such as ``pictures``): why it is left out, or what is odd."""
        self.take(Skipped(name, reason), what)

    def take(self, item: Skipped, what: str = "things") -> None:
        """Count what is told in a line already, however many things it stands for."""
        words = _words(item)
        kind = _kind(words)
        if kind not in self._reasons and len(self._reasons) >= MOST_REASONS:
            words = kind = _OTHERS
        self._reasons.setdefault(kind, _Reason(words, what)).add(item, words)
        self.total += item.count

    def lines(self) -> Iterator[Skipped]:
        """Yield a line for each thing, or one for all of a reason that more than twenty have."""
        for reason in self._reasons.values():
            yield from reason.told()

    def commonest(self, most: int) -> list[tuple[str, int]]:
        """Give the commonest reasons, with how often each was met."""
        return [(reason.words, reason.count) for reason in self._by_count()[:most]]

    def in_short(self, most: int = 3) -> str:
        """Say the commonest reasons in half a sentence, each with the first thing that has it."""
        return "; ".join(reason.in_short() for reason in self._by_count()[:most])

    def _by_count(self) -> list[_Reason]:
        return sorted(self._reasons.values(), key=lambda reason: -reason.count)


def _words(item: Skipped) -> str:
    """Return a reason without the place before it and the examples behind it."""
    return _EXAMPLES.sub("", _PLACE.sub("", item.reason))


def _first_example(found: re.Match[str]) -> str:
    return f" (the first: {found[1].partition('; ')[0]})"


def _kind(words: str) -> str:
    return words.partition(" (")[0]

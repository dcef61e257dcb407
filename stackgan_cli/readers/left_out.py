"""Counting what is left out, so that one reason takes a line or a few, and not thousands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = 20


@dataclass(slots=True)
class Tally:
    """Counts what is left out for one and the same reason, so that it takes one line and not thousands."""

    what: str
    reason: str
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Note one more."""
        self.names.append(name)

    def lines(self) -> Iterator[Skipped]:
        """Yield nothing, or one line that names the only one, or the number of them and the first."""
        if len(self.names) == 1:
            yield Skipped(self.names[0], self.reason)
        elif self.names:
            count = len(self.names)
            yield Skipped(f"{count:,} {self.what}", f"{self.reason} (the first: {min(self.names)})", count)


@dataclass(slots=True)
class Notes:
    """What is left out or mended, one line for each reason; only counted, for a broken file may hold any number."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, name: str, what: str, reason: str) -> None:
        """Note one more."""
        self.first.setdefault((what, reason), name)
        self.counts[what, reason] = self.counts.get((what, reason), 0) + 1

    def lines(self) -> Iterator[Skipped]:
        """Yield one line for each reason, which names the only thing or the first."""
        for (what, reason), count in self.counts.items():
            first = self.first[what, reason]
            more = Skipped(f"{count:,} {what}", f"{reason} (the first: {first})", count)
            yield Skipped(first, reason) if count == 1 else more


@dataclass(slots=True)
class LeftOut:
    """Names the first twenty things that are left out for a reason, and only counts the others."""

    _counts: dict[str, int] = field(default_factory=dict)
    _next: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, reason: str, place: str = "") -> Iterator[Skipped]:
        """Note one more, and yield it if it is one of the first.

        Args:
            name: what is left out.
            reason: why; things whose reasons differ in nothing but a remark in parentheses are counted together.
            place: where it is named, such as ``metadata.csv line 3``.
        """
        kind = reason.partition(" (")[0]
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= _NAMED:
            yield Skipped(name, f"{place}: {reason}" if place else reason)
        elif count == _NAMED + 1:
            self._next[kind] = place or name

    def rest(self) -> Iterator[Skipped]:
        """Yield one line for each reason that more things had than were named."""
        for kind, first in self._next.items():
            more = self._counts[kind] - _NAMED
            yield Skipped(f"{more:,} more", f"{kind} (the first of them: {first})", more)

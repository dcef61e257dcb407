"""The seeds that ``generate`` draws each prompt with: numbers and ranges, of any length."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from stackgan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"\s*(\d{1,19})\s*(?:-\s*(\d{1,19})\s*)?", re.ASCII)


class Seeds:
    """Seeds in their order; only the ends of ranges are held.

    Args:
        ranges: of seeds.
    """

    def __init__(self, ranges: list[range]) -> None:
        self._ranges = ranges

    @classmethod
    def of(cls, seed: int | None, count: int, listed: str | None) -> Seeds:
        """Take what was asked for: a first seed and a number of pictures, or a list such as ``0-7,42``.

        Args:
            seed: the first; by lot where it is None.
            count: pictures of each prompt.
            listed: numbers and ranges, ends included, with commas between.

        Raises:
            UsageError: the list cannot be read, or stands beside a seed or a number of pictures.
        """
        if listed is None:
            first = secrets.randbelow(2**31) if seed is None else seed
            return cls([range(first, first + count)])
        if seed is not None or count > 1:
            raise UsageError("--seeds says which pictures are drawn of each prompt.", hint="it without --seed and -n")
        found = [_PART.fullmatch(part) for part in listed.split(",")]
        ranges = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in found if part]
        if len(ranges) < len(found) or not all(ranges):
            raise UsageError(f"{listed[:60]!r} does not list seeds.", hint="--seeds 0-7,42")
        return cls(ranges)

    @property
    def count(self) -> int:
        """How many there are; more than a length can be."""
        return sum(each.stop - each.start for each in self._ranges)

    @property
    def largest(self) -> int:
        """The largest of them."""
        return max(each.stop for each in self._ranges) - 1

    def few(self, most: int) -> list[int]:
        """All of them, in memory.

        Raises:
            UsageError: there are more than ``most``.
        """
        if self.count > most:
            raise UsageError(f"{self.count:,} seeds are too many here.", hint=f"at most {most:,}")
        return list(self)

    def __iter__(self) -> Iterator[int]:
        for each in self._ranges:
            yield from each

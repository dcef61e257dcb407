"""The seeds that ``generate`` draws each prompt with: numbers and ranges, of any length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stackgan_cli.errors import UsageError
from stackgan_cli.randomness import LARGEST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"\s*(\d{1,19})\s*(?:-\s*(\d{1,19})\s*)?", re.ASCII)


class Seeds:
    """Seeds in their order; only the ends of ranges are held.

    Args:
        ranges: of seeds.
        chosen: whether a person listed them, so that there are these and no others.
        by_lot: the first, where it was drawn by lot.

    Raises:
        UsageError: one is too large.
    """

    def __init__(self, ranges: list[range], *, chosen: bool, by_lot: int | None = None) -> None:
        self._ranges, self._chosen, self.by_lot = ranges, chosen, by_lot
        largest = max(each.stop for each in ranges) - 1
        if largest > LARGEST_SEED:
            first = max(each.start for each in ranges)
            if first > LARGEST_SEED:
                raise UsageError(f"The seed {first} is not between 0 and {LARGEST_SEED}.", hint="--seed 7")
            raise UsageError(
                f"The seeds from {first} on reach beyond {LARGEST_SEED}, the largest there is.",
                hint="a smaller seed, or fewer pictures",
            )

    @classmethod
    def of(cls, seed: int | None, count: int, listed: str | None, by_lot: int) -> Seeds:
        """Take what was asked for: a first seed and a number of pictures, or a list such as ``0-7,42``.

        Args:
            seed: the first.
            count: pictures of each prompt.
            listed: numbers and ranges, ends included, with commas between.
            by_lot: the first where none was asked for.

        Raises:
            UsageError: the list cannot be read, or stands beside a seed or a number; or a seed is too large.
        """
        if listed is None:
            first = by_lot if seed is None else seed
            return cls([range(first, first + count)], chosen=False, by_lot=by_lot if seed is None else None)
        if seed is not None or count > 1:
            raise UsageError("--seeds says which pictures are drawn of each prompt.", hint="it without --seed and -n")
        return cls.listed(listed)

    @classmethod
    def listed(cls, text: str) -> Seeds:
        """Read a list such as ``0-7,42``.

        Raises:
            UsageError: it cannot be read, or a seed is too large.
        """
        found = [_PART.fullmatch(part) for part in text.split(",")]
        ranges = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in found if part]
        if len(ranges) < len(found) or not all(ranges):
            raise UsageError(f"{text[:60]!r} does not list seeds.", hint="--seeds 0-7,42")
        return cls(ranges, chosen=True)

    def changed(self, first: int | None, count: int | None) -> Seeds:
        """Seeds of a prompt that has a first one, or a number of pictures, of its own.

        Raises:
            UsageError: it wants more pictures than there are seeds, which were listed; or a seed is too large.
        """
        if first is not None:
            number = count or (1 if self._chosen else self.count)
            return Seeds([range(first, first + number)], chosen=False)
        if count is None:
            return self
        if not self._chosen:
            start = self._ranges[0].start
            return Seeds([range(start, start + count)], chosen=False, by_lot=self.by_lot)
        if count > self.count:
            raise UsageError(f"It asks for {count:,} pictures, and --seeds has {self.count:,}.")
        return Seeds(list(_first(self._ranges, count)), chosen=True)

    @property
    def count(self) -> int:
        """How many there are; more than a length can be."""
        return sum(each.stop - each.start for each in self._ranges)

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


def _first(ranges: list[range], count: int) -> Iterator[range]:
    for each in ranges:
        if count > 0:
            yield range(each.start, min(each.stop, each.start + count))
        count -= each.stop - each.start

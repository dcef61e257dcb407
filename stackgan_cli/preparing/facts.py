"""What prepared data looks like in numbers: pictures' sizes, captions and their lengths."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.dataset.manifest import Spread, Summary


@dataclass(slots=True)
class Facts:
    """Counts over pictures; those of two parts add up to those of the whole."""

    captions: Counter[int] = field(default_factory=Counter)
    """How many pictures have how many captions."""
    words: Counter[int] = field(default_factory=Counter)
    """How many captions have how many words."""
    characters: Counter[int] = field(default_factory=Counter)
    """How many captions have how many characters."""
    short_sides: Counter[int] = field(default_factory=Counter)
    """How many originals have a shorter side of how many pixels."""
    long_sides: Counter[int] = field(default_factory=Counter)

    def add(self, example: Example, size: tuple[int, int]) -> None:
        """Count a picture.

        Args:
            example: with its captions.
            size: width and height in pixels of the original.
        """
        self.captions[len(example.captions)] += 1
        self.words.update(len(caption.split()) for caption in example.captions)
        self.characters.update(map(len, example.captions))
        self.short_sides[min(size)] += 1
        self.long_sides[max(size)] += 1

    def merge(self, other: Facts) -> None:
        """Add the counts of another part."""
        for mine, theirs in zip(self._counters(), other._counters(), strict=True):
            mine.update(theirs)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Give the counts in a form that JSON can hold."""
        return {
            name: {str(value): count for value, count in counter.items()}
            for name, counter in zip(self.__slots__, self._counters(), strict=True)
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, int]]) -> Self:
        """Read what :meth:`as_json` gave.

        Raises:
            KeyError, ValueError: it is something else.
        """
        return cls(*(Counter({int(key): value for key, value in content[name].items()}) for name in cls.__slots__))

    def summary(self) -> Summary:
        """Give the smallest, the median and the largest of each."""
        from stackgan_cli.dataset.manifest import Summary

        return Summary(
            captions_per_picture=_spread(self.captions),
            caption_words=_spread(self.words),
            caption_characters=_spread(self.characters),
            short_side=_spread(self.short_sides),
            long_side=_spread(self.long_sides),
        )

    def _counters(self) -> tuple[Counter[int], ...]:
        return (self.captions, self.words, self.characters, self.short_sides, self.long_sides)


def _spread(counter: Counter[int]) -> Spread:
    """Give the smallest, the median (the lower of two) and the largest value."""
    values = sorted(counter)
    before, half = 0, (counter.total() + 1) // 2
    for value in values:
        before += counter[value]
        if before >= half:
            return values[0], value, values[-1]
    return ()

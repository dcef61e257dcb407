"""Captions that cannot be guessed: the same sentence of other things, and with the slips that people make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_WORD = re.compile(r"[^\W_]+")
_ARTICLE = re.compile(r"\b(an?)(\s+)([^\W_])", re.IGNORECASE)
_SHORTEST = 4
"""Letters of the shortest word that a slip is made in."""


class Rewording:
    """Exchanges what captions state, and makes slips of the pen.

    In most data the parts of a thing resemble each other, so an encoder can guess which of them has which colour, and
    does. Where several attributes take the same values, the values of a caption are exchanged for others, in its words
    and in what is known of it: ``a red bird with black wings`` becomes ``a gray bird with red wings``. A caption whose
    values do not stand in it as they are called in the data is left as it is.

    Args:
        exchanged: share of captions whose values are exchanged.
        slips: share of captions with a letter dropped, doubled or swapped.
    """

    def __init__(self, exchanged: float, slips: float) -> None:
        self._exchanged, self._slips = exchanged, slips
        self._values: list[Sequence[str]] = []
        self._alike: list[list[int]] = []

    def learn(self, values: Mapping[str, Sequence[str]]) -> None:
        """Find out which attributes take the same values."""
        self._values = list(values.values())
        alike: dict[tuple[str, ...], list[int]] = {}
        for place, each in enumerate(self._values):
            alike.setdefault(tuple(each), []).append(place)
        self._alike = [places for places in alike.values() if len(places) > 1]

    def __call__(self, captions: Sequence[str], stated: Tensor, generator: torch.Generator) -> tuple[list[str], Tensor]:
        """Reword a batch.

        Args:
            captions: the batch.
            stated: (batch, attributes) numbers of the values that are stated, -1 where none is.
            generator: of all that is drawn.

        Returns:
            Captions, and what they state now.
        """
        texts, numbers = list(captions), stated.clone()
        lots = torch.rand(len(texts), 2, generator=generator).tolist()
        for row, (exchange, slip) in enumerate(lots):
            if exchange < self._exchanged:
                for places in self._alike:
                    texts[row] = self._exchange(texts[row], numbers[row], places, generator)
            if slip < self._slips:
                texts[row] = with_slip(texts[row], generator)
        return texts, numbers

    def _exchange(self, text: str, numbers: Tensor, places: list[int], generator: torch.Generator) -> str:
        """Exchange the values of attributes in a caption and, in place, in what it states."""
        values = self._values[places[0]]
        used = {int(numbers[place]) for place in places} - {-1}
        words = {word.lower() for word in _WORD.findall(text)}
        if not used or {values.index(word) for word in words.intersection(values)} != used:
            return text
        others = torch.randperm(len(values), generator=generator)[: len(used)].tolist()
        instead = dict(zip(sorted(used), others, strict=True))
        for place in places:
            if int(numbers[place]) >= 0:
                numbers[place] = instead[int(numbers[place])]
        by_word = {values[before]: values[after] for before, after in instead.items()}
        return with_right_articles(_WORD.sub(lambda found: _like(found[0], by_word), text))


def _like(word: str, by_word: Mapping[str, str]) -> str:
    """The word that stands for another, with a capital where that had one."""
    other = by_word.get(word.lower(), word)
    return other.capitalize() if word[0].isupper() and other is not word else other


def with_right_articles(text: str) -> str:
    """Write a or an as the next letter asks for."""

    def right(found: re.Match[str]) -> str:
        article = found[1][0] + ("n" if found[3].lower() in "aeiou" else "")
        return article + found[2] + found[3]

    return _ARTICLE.sub(right, text)


def with_slip(text: str, generator: torch.Generator) -> str:
    """Drop, double or swap a letter within one of the longer words; a text without such a word is left as it is."""
    longer = [found.span() for found in _WORD.finditer(text) if found.end() - found.start() >= _SHORTEST]
    if not longer:
        return text
    which, where, how = torch.rand(3, generator=generator).tolist()
    start, end = longer[int(which * len(longer))]
    at = start + 1 + int(where * (end - start - 2))
    if how < 1 / 3:
        return text[:at] + text[at + 1 :]
    if how < 2 / 3:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

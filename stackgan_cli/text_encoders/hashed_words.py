"""Captions as hashed bags of words: a text encoder that needs no fitting and has no weights."""

from __future__ import annotations

import math
import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

WORD = re.compile(r"[^\W_]+")
"""A word: letters and digits of any script."""


class HashedWords:
    """Describes a caption by its words and pairs of neighbouring words, hashed to places with signs.

    Feature hashing with signed places (Weinberger et al. 2009): scalar products of two captions estimate how many words
    and pairs they share. Vectors have a mean square of 1; a caption without a word is the zero vector.

    Args:
        width: width of the sentence vector.
        pairs: whether neighbouring words count as well as single ones.

    Raises:
        SettingsError: a width below 8.
    """

    def __init__(self, *, width: int = 512, pairs: bool = True) -> None:
        if width < 8:
            raise SettingsError(f"hashed-words cannot have a width of {width}.", "Set width to 8 or more.")
        self.width = width
        self.pairs = pairs

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; (captions, width), float32, on the CPU."""
        result = np.zeros((len(captions), self.width), dtype=np.float32)
        for row, caption in zip(result, captions, strict=True):
            self._add(row, caption)
        return TextFeatures(torch.from_numpy(result))

    def coverage(self, caption: str) -> float:
        """Give the share of a caption's words, split at white space, that hold a letter or digit."""
        return share_of_words(caption)

    def _add(self, row: NDArray[np.float32], caption: str) -> None:
        for term in self._terms(caption):
            # The last bit decides the sign, so the place must not depend on it.
            code = zlib.crc32(term.encode("utf-8", "surrogatepass"))
            row[(code >> 1) % self.width] += 1.0 if code & 1 else -1.0
        length = float(np.linalg.norm(row))
        if length > 0:
            row *= math.sqrt(self.width) / length

    def _terms(self, caption: str) -> Iterator[str]:
        words = WORD.findall(caption.lower())
        yield from words
        if self.pairs:
            yield from (f"{first} {second}" for first, second in pairwise(words))


def share_of_words(caption: str) -> float:
    """Give the share of what white space parts in a caption that holds a letter or digit; 0 for an empty one."""
    parts = caption.split()
    return sum(WORD.search(part) is not None for part in parts) / len(parts) if parts else 0.0

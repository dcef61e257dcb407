"""A text encoder that counts letter trigrams."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import torch
from torch.nn.functional import normalize

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import SettingsError


class LetterTrigrams:
    """Counts letter trigrams in hashed bins, so that misspelt words stay near the right ones.

    Every run of three letters, spaces included, falls into one of ``width`` bins and is counted there with a sign, both
    from its CRC-32 (feature hashing, Weinberger et al. 2009); the counts are scaled to unit length. Nothing is learnt.

    Args:
        width: number of bins, at least 8.

    Raises:
        SettingsError: the width is below 8.
    """

    def __init__(self, *, width: int = 256) -> None:
        if width < 8:
            raise SettingsError(f"letter-trigrams needs a width of at least 8, not {width}.", hint="width=256")
        self.width = width

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions as sentence vectors (batch, width) of unit length; an empty caption is all zeros."""
        counts = torch.zeros(len(captions), self.width)
        for row, caption in enumerate(captions):
            padded = f" {' '.join(caption.lower().split())} "
            for start in range(len(padded) - 2):
                # hash() differs from process to process; a CRC is the same for ever.
                code = crc32(padded[start : start + 3].encode())
                counts[row, (code >> 1) % self.width] += 1 if code & 1 else -1
        return TextFeatures(sentence=normalize(counts))

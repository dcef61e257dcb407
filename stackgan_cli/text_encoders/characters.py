"""Captions as rows of character codes, the input of char-CNN-RNN (Reed et al. 2016, icml2016 and cvpr2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "
"""The published 70 characters; the hyphen stands there twice, and the later place is the one in use."""
LENGTH = 201
"""Characters of a caption that are read; the rest is cut."""
NOTHING = 0
"""Code of the places behind the end of a caption; characters count from 1, as published."""

_PLACES = {character: place for place, character in enumerate(ALPHABET, start=1)}
_CODES = np.full(256, _PLACES[" "], dtype=np.uint8)
_CODES[0] = NOTHING
for _character, _place in _PLACES.items():
    _CODES[ord(_character)] = _place


def characters(captions: Sequence[str]) -> NDArray[np.uint8]:
    """Turn captions into codes (captions, 201): 1 to 70 for characters, 0 behind the end.

    Captions are lower-cased, and what is not in the alphabet becomes a space; the published Lua code left capitals and
    strange characters as empty rows instead.
    """
    rows = "".join(_readable(caption).replace("\0", " ").ljust(LENGTH, "\0") for caption in captions)
    points = np.frombuffer(rows.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return _CODES[np.minimum(points, 255)].reshape(len(captions), LENGTH)


def coverage(caption: str) -> float:
    """Give the share, 0 to 1, of a caption's characters other than white space that are read and in the alphabet."""
    inked = sum(not character.isspace() for character in caption)
    if inked == 0:
        return 0.0
    return min(1.0, sum(character != " " and character in _PLACES for character in _readable(caption)) / inked)


def _readable(caption: str) -> str:
    # Lower-casing may lengthen a character, never shorten one; so it is enough to lower what is read.
    return caption[:LENGTH].lower()[:LENGTH]

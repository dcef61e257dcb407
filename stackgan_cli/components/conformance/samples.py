"""What components are tried on: captions, text features and pictures, small and the same every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stackgan_cli.components.protocols import TextFeatures

BATCH = 4
TEXT_WIDTH, WORD_WIDTH = 24, 18
"""Widths of sentences and of words; they differ, so that whoever takes one for the other notices."""
_WORDS, _PADDED = 7, 2
"""Words of a caption, and how many of them, the last ones, are padding."""

CAPTIONS = (
    "a small red bird with a short beak",
    "this bird is blue and has a long tail",
    "a yellow bird with black wings sits on a branch",
    "the large bird has a white belly",
)
_COLOURS = ("red", "blue", "yellow", "white")
_PICTURES = 8


def drawn(seed: int, *shape: int) -> Tensor:
    """Numbers from N(0, 1), the same for the same seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def drawn_pictures(seed: int, side: int, count: int = BATCH) -> Tensor:
    """Pictures (count, 3, side, side) in [-1, 1]."""
    return drawn(seed, count, 3, side, side).tanh()


def sample_text(host: Mapping[str, int], seed: int = 1, *, words: bool, batch: int = BATCH) -> TextFeatures:
    """Text features of the widths that the host gives; with ``words``, the last words of each caption are padding."""
    sentence = drawn(seed, batch, host["text_width"])
    if not words:
        return TextFeatures(sentence)
    padding = torch.zeros(batch, _WORDS, dtype=torch.bool)
    padding[:, -_PADDED:] = True
    return TextFeatures(sentence, drawn(seed + 1, batch, _WORDS, host["word_width"]), padding)


def some_rows(text: TextFeatures, rows: slice) -> TextFeatures:
    """Features of some of the captions."""
    words, padding = (None if each is None else each[rows] for each in (text.words, text.padding))
    return TextFeatures(text.sentence[rows], words, padding)


def other_words(text: TextFeatures, *, padded: bool) -> TextFeatures:
    """The same text with other vectors in place of its words; with ``padded``, of what is no word."""
    assert text.words is not None
    assert text.padding is not None
    changed = text.padding if padded else ~text.padding
    return TextFeatures(text.sentence, text.words + 3 * changed[..., None], text.padding)


class SampleData:
    """Eight small pictures in four classes, with two captions each: what ``fit`` gets in a check.

    Args:
        host: widths of the text features, which objectives see.
    """

    captions: Sequence[Sequence[str]] = [
        (CAPTIONS[index % 4], f"a {_COLOURS[index % 4]} bird") for index in range(_PICTURES)
    ]
    classes: Sequence[int] = [index % 4 for index in range(_PICTURES)]
    attributes: Sequence[Mapping[str, str]] | None = [{"colour": _COLOURS[index % 4]} for index in range(_PICTURES)]
    stated: Sequence[Sequence[Sequence[str]]] | None = [[["colour"], ["colour"]] for _ in range(_PICTURES)]

    def __init__(self, host: Mapping[str, int]) -> None:
        widths = {"text_width": TEXT_WIDTH, "word_width": WORD_WIDTH, **host}
        self._widths = widths
        self._texts = sample_text(widths, words=True, batch=2 * _PICTURES)

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Draw plain pictures whose brightness tells their class; uint8 (batch, 3, resolution, resolution)."""
        levels = torch.tensor([index % 4 * 60 for index in indices], dtype=torch.uint8)
        return levels[:, None, None, None].expand(-1, 3, resolution, resolution).contiguous()

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        """Features of one caption of each picture."""
        rows = 2 * torch.as_tensor(pictures) + torch.as_tensor(captions)
        words, padding = self._texts.words, self._texts.padding
        assert words is not None
        assert padding is not None
        return TextFeatures(self._texts.sentence[rows], words[rows], padding[rows])

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Features of captions that no picture has."""
        return sample_text(self._widths, words=True, batch=len(captions))

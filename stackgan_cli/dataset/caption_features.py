"""Cached features of all captions of a split."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextEncoder
    from stackgan_cli.ranks import Ranks

_CAPTIONS_AT_ONCE = 512


class CaptionFeatures:
    """Features of every caption of every picture, in one table.

    Args:
        tensors: ``sentence`` (captions, width) and, for encoders that describe words, ``words`` (captions, length,
            word_width) and ``padding`` (captions, length); the captions of one picture stand together.
        counts: captions of each picture.
    """

    def __init__(self, tensors: Mapping[str, Tensor], counts: Sequence[int]) -> None:
        self._tensors = dict(tensors)
        self.counts = torch.as_tensor(list(counts))
        self._first = torch.cumsum(self.counts, 0) - self.counts

    @property
    def width(self) -> int:
        """Width of a sentence vector."""
        return int(self._tensors["sentence"].shape[1])

    @property
    def word_width(self) -> int | None:
        """Width of a word's vector, or None where words are not described."""
        return int(self._tensors["words"].shape[2]) if self.has_words else None

    @property
    def has_words(self) -> bool:
        """Whether words are described too."""
        return "words" in self._tensors

    @property
    def bytes(self) -> int:
        """Memory that the table takes."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    def hold(self, device: torch.device) -> None:
        """Hold the table in a device's memory."""
        self._tensors = {name: tensor.to(device) for name, tensor in self._tensors.items()}

    def first(self, pictures: Tensor) -> TextFeatures:
        """Features of the first caption of each of the pictures (batch,)."""
        return self._rows(self._first[pictures])

    def at(self, pictures: Tensor, captions: Tensor) -> TextFeatures:
        """Features of one caption of each of the pictures; both (batch,), captions counted from 0."""
        return self._rows(self._first[pictures] + captions)

    def draw(self, pictures: Tensor, averaged: int, draw: torch.Generator, ranks: Ranks = ALONE) -> TextFeatures:
        """Features of captions drawn at random without replacement, averaged where more than one is asked for.

        Args:
            pictures: (batch,) indices.
            averaged: captions of each picture to average; a picture with fewer gives all it has.
            draw: source of randomness.
            ranks: which part of the batch is looked up; the draws are made for all of it.
        """
        counts = self.counts[pictures]
        lots = torch.rand(len(pictures), int(counts.max()), generator=draw)
        lots[torch.arange(lots.shape[1]) >= counts[:, None]] = 2.0
        lots, places = lots.topk(min(averaged, lots.shape[1]), dim=1, largest=False)
        rows = self._first[pictures, None] + places
        if rows.shape[1] == 1:
            return self._rows(ranks.own(rows[:, 0]))
        # A place drawn beyond a picture's captions weighs nothing; its row may belong to the next picture.
        weight = (lots < 2.0).float()
        table = self._tensors["sentence"]
        rows, weight = (
            ranks.own(each).to(table.device, non_blocking=True)
            for each in (rows.clamp_(max=len(table) - 1), weight / weight.sum(1, keepdim=True))
        )
        return TextFeatures((table[rows] * weight[..., None]).sum(1))

    def _rows(self, rows: Tensor) -> TextFeatures:
        words, padding = self._tensors.get("words"), self._tensors.get("padding")
        rows = rows.to(self._tensors["sentence"].device, non_blocking=True)
        return TextFeatures(
            self._tensors["sentence"][rows],
            None if words is None else words[rows],
            None if padding is None else padding[rows],
        )


def on_device(text: TextFeatures, device: torch.device) -> TextFeatures:
    """Move text features to a device, words and all."""

    def moved(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(device, non_blocking=True)

    return TextFeatures(text.sentence.to(device, non_blocking=True), moved(text.words), moved(text.padding))


def encode_all(encoder: TextEncoder, captions: Iterable[str]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Encode captions in batches; yields how many are done, and the tensors of each batch."""
    waiting, done = iter(captions), 0
    while batch := list(islice(waiting, _CAPTIONS_AT_ONCE)):
        features = encoder.encode(batch)
        tensors = {"sentence": features.sentence.detach().float().cpu()}
        if features.words is not None:
            none = torch.zeros(features.words.shape[:2], dtype=torch.bool)
            padding = none if features.padding is None else features.padding.cpu()
            tensors |= {"words": features.words.detach().float().cpu(), "padding": padding}
        done += len(batch)
        yield done, tensors

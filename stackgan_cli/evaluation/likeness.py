"""How well captions fit pictures, by whatever an extractor tells of both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import normalize

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import AttributeProbabilities, Observation, Texts

_NEVER = math.log(torch.finfo(torch.float32).tiny)
"""Logarithm of the probability of a value that the extractor has never met."""


class Likeness:
    """How well each of some captions fits each of as many pictures.

    With an extractor that reads captions it is the cosine of both features; else the logarithm of the probability that
    the picture shows everything that the caption states, attribute by attribute.

    Args:
        drawn: the pictures.
        texts: the captions, whose ``features`` are there, or whose ``truth`` and ``stated`` are and the pictures'
            ``probabilities``.
    """

    def __init__(self, drawn: Observation, texts: Texts) -> None:
        if texts.features is not None:
            pictures, captions = (normalize(each.double(), dim=1) for each in (drawn.features, texts.features))
            telling = torch.ones(len(captions), dtype=torch.bool)
        else:
            assert drawn.probabilities is not None
            pictures, captions = _weighed(drawn.probabilities, texts)
            telling = captions.any(1)
        self._pictures, self._captions = pictures, captions
        self.telling: list[int] = telling.nonzero()[:, 0].tolist()
        """Places of captions that say something that can be seen; the others fit every picture."""

    def of(self, picture: int, captions: Tensor) -> Tensor:
        """Of one picture with captions at these places."""
        return self._captions[captions] @ self._pictures[picture]

    def own(self) -> Tensor:
        """Of every picture with the caption at its own place."""
        return (self._pictures * self._captions).sum(1)

    def between(self, caption: int, others: Tensor) -> Tensor:
        """How much other captions say the same as one."""
        return self._captions[others] @ self._captions[caption]


def _weighed(probabilities: AttributeProbabilities, texts: Texts) -> tuple[Tensor, Tensor]:
    """Vectors whose product is the likeness: of pictures logarithms, and of captions ones for what they state."""
    assert texts.truth is not None
    assert texts.stated is not None
    places = {pair: at for at, pair in enumerate(probabilities.columns)}
    read = {name for name, _ in places}
    logarithms = probabilities.logarithms.double()
    captions = torch.zeros(len(texts.captions), len(places) + 1, dtype=logarithms.dtype)
    for row, (truth, names) in enumerate(zip(texts.truth, texts.stated, strict=True)):
        for name in names:
            if name in read and name in truth:
                captions[row, places.get((name, truth[name]), len(places))] += 1
    return torch.cat([logarithms, torch.full((len(logarithms), 1), _NEVER)], 1), captions

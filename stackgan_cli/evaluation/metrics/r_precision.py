"""R-precision: whether a picture fits its own caption better than those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import normalize

from stackgan_cli.evaluation.metrics.shares import share
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts

_TIE = 1e-7
"""Cosine similarities no farther apart are equal: the features are float32."""


class RPrecision:
    """R-precision (Xu et al. 2018, section 4): share of pictures whose caption is the closest of many by cosine.

    Each picture's caption is ranked among captions of other classes that read differently, drawn at random from those
    that are measured with it. A caption that shares the first place with others counts as their part of one, so that
    an extractor which tells nothing apart scores by chance.

    Args:
        candidates: captions to rank for each picture, its own among them.
    """

    title = "R-precision"
    better = "higher"
    needs = frozenset({"caption_features"})

    def __init__(self, *, candidates: int = 100) -> None:
        self.candidates = candidates

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Rank; the seed draws the mismatched captions."""
        assert texts is not None
        assert texts.features is not None
        pictures, captions = (normalize(each.double(), dim=1) for each in (drawn.features, texts.features))
        first: dict[str, int] = {}
        wording = torch.tensor([first.setdefault(caption, at) for at, caption in enumerate(texts.captions)])
        classes = wording if texts.classes is None else torch.tensor(list(texts.classes))
        draw = generator_for(seed, "mismatched captions")
        right = 0.0
        for at, picture in enumerate(pictures):
            others = ((wording != wording[at]) & (classes != classes[at])).nonzero()[:, 0]
            if len(others) < self.candidates - 1:
                return {"reason": f"{self.candidates} captions of different classes are ranked, and there are too few"}
            chosen = others[torch.randperm(len(others), generator=draw)[: self.candidates - 1]]
            right += _first_place(captions[at] @ picture, captions[chosen] @ picture)
        return {**share(right, len(pictures)), "candidates": self.candidates}


def _first_place(own: Tensor, others: Tensor) -> float:
    """Part in the first place: 1 alone, a half for one of two, 0 for a caption that another one beats."""
    if bool((others > own + _TIE).any()):
        return 0.0
    return 1.0 / (1 + int((others >= own - _TIE).sum()))

"""R-precision: whether a picture fits its own caption better than those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.likeness import Likeness
from stackgan_cli.evaluation.metrics.shares import share
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts

_TIE = 1e-7
"""Likenesses no farther apart are equal: the features are float32."""


class RPrecision:
    """R-precision (Xu et al. 2018, section 4): share of pictures whose own caption fits them best of many.

    :class:`~stackgan_cli.evaluation.likeness.Likeness` says what fits: the cosine, as in the source, where the
    extractor reads captions, else a probability, and then captions that state nothing which can be seen do not count.
    Each picture's caption is ranked among captions of other classes that read differently and, where the data knows
    what captions state, are not true of the picture's too: drawn at random from those that are measured with it and, as
    the part ``similar``, those that are the closest to it. A caption that shares the first place with others counts as
    their part of one, so that an extractor which tells nothing apart scores by chance.

    Args:
        candidates: captions to rank for each picture, its own among them; fewer, and said so, where any picture has
            fewer.
    """

    title = "R-precision"
    better = "higher"
    needs = frozenset({"likeness"})

    def __init__(self, *, candidates: int = 100) -> None:
        self.candidates = candidates

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Rank; the seed draws the mismatched captions."""
        assert texts is not None
        likeness, mismatched = Likeness(drawn, texts), _Mismatched(texts)
        counted = likeness.telling
        if not counted:
            return {"reason": "no caption states an attribute that the extractor reads"}
        ranked = min(self.candidates, 1 + min(len(mismatched.of(at)) for at in counted))
        if ranked < 2:
            return {"reason": "it ranks captions of different classes, and a picture has none but its own"}
        draw = generator_for(seed, "mismatched captions")
        among_random = among_similar = 0.0
        for at in counted:
            others = mismatched.of(at)
            own = likeness.of(at, torch.tensor([at]))
            chosen = others[torch.randperm(len(others), generator=draw)[: ranked - 1]]
            among_random += _first_place(own, likeness.of(at, chosen))
            similar = others[likeness.between(at, others).topk(ranked - 1).indices]
            among_similar += _first_place(own, likeness.of(at, similar))
        parts = {"similar": share(among_similar, len(counted))}
        found = {**share(among_random, len(counted)), "parts": parts, "candidates": ranked}
        if ranked < self.candidates:
            found["doubt"] = (
                f"each caption is ranked among {ranked} and not {self.candidates}, because there are no more of"
                f" different classes, and chance comes to {1 / ranked:.1%}"
            )
        return found


class _Mismatched:
    """Finds captions that do not belong to a picture.

    Args:
        texts: the captions, and what is known of their pictures.
    """

    def __init__(self, texts: Texts) -> None:
        first: dict[str, int] = {}
        self._wording = torch.tensor([first.setdefault(caption, at) for at, caption in enumerate(texts.captions)])
        self._classes = self._wording if texts.classes is None else torch.tensor(list(texts.classes))
        self._truth = self._stated = torch.zeros(len(texts.captions), 0)
        if texts.truth is not None and texts.stated is not None:
            names = sorted({name for row in texts.truth for name in row})
            numbers: dict[tuple[str, str | None], int] = {}
            self._truth = torch.tensor(
                [[numbers.setdefault((name, row.get(name)), len(numbers)) for name in names] for row in texts.truth]
            )
            self._stated = torch.tensor([[name in row for name in names] for row in texts.stated])

    def of(self, at: int) -> Tensor:
        """Places of the captions that do not fit the picture of the caption at a place."""
        other = (self._wording != self._wording[at]) & (self._classes != self._classes[at])
        if self._truth.shape[1]:
            # Whatever another caption states may happen to be true of this one's picture.
            other &= ((self._truth != self._truth[at]) & self._stated).any(1)
        return other.nonzero()[:, 0]


def _first_place(own: Tensor, others: Tensor) -> float:
    """Part in the first place: 1 alone, a half for one of two, 0 for a caption that another one beats."""
    if bool((others > own + _TIE).any()):
        return 0.0
    return 1.0 / (1 + int((others >= own - _TIE).sum()))

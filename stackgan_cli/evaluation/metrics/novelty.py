"""Whether pictures are new, or training pictures learnt by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.metrics.distances import nearest
from stackgan_cli.evaluation.metrics.shares import share
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts

_CLOSE = 0.01
_REPLICATES = 100
"""Times that pictures are drawn anew to tell the deviation."""


class Novelty:
    """How far drawings lie from the nearest training picture, as a multiple of how far real test pictures do.

    Of both the median counts, and the deviation is that of both over pictures drawn anew with replacement. Around one,
    drawings are as new as pictures that nobody trained on; near nothing, they are training pictures. ``close``, its
    part, is the share of drawings that lie closer to a training picture than all but one in a hundred test pictures do.
    Such distances see only what the features see: they are a screening, after which one looks at the nearest pictures
    (Meehan et al. 2020 test the same comparison).
    """

    title = "novelty"
    better = "higher"
    needs = frozenset({"real", "training"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare distances to training pictures; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert real is not None
        assert real.training is not None
        usual = nearest(real.features, real.training)
        found = nearest(drawn.features, real.training)
        if float(usual.median()) == 0:
            return {"reason": "most test pictures are training pictures to this extractor"}
        close = int((found < usual.quantile(_CLOSE)).sum())
        draw = generator_for(seed, "novelty")
        again = _medians(found, draw) / _medians(usual, draw)
        told: dict[str, Any] = {"value": float(found.median() / usual.median()), "training": len(real.training)}
        told["parts"] = {"close": share(close, len(found))}
        # Where training pictures are among the test pictures, a draw may be of nothing but these.
        return told | ({"deviation": float(again.std())} if bool(again.isfinite().all()) else {})


def _medians(distances: Tensor, draw: torch.Generator) -> Tensor:
    """Medians of as many distances, drawn with replacement again and again (Efron and Tibshirani 1993)."""
    count = len(distances)
    drawn = [distances[torch.randint(count, (count,), generator=draw)].median() for _ in range(_REPLICATES)]
    return torch.stack(drawn)

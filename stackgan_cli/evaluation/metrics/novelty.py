"""Whether pictures are new, or training pictures learnt by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.evaluation.metrics.distances import nearest
from stackgan_cli.evaluation.metrics.shares import share

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts

_CLOSE = 0.01


class Novelty:
    """How far drawings lie from the nearest training picture, as a multiple of how far real test pictures do.

    Of both the median counts. Around one, drawings are as new as pictures that nobody trained on; near nothing, they
    are training pictures. ``close``, its part, is the share of drawings that lie closer to a training picture than all
    but one in a hundred test pictures do. Such distances see only what the features see: they are a screening, after
    which one looks at the nearest pictures (Meehan et al. 2020 test the same comparison).
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
        return {"value": float(found.median() / usual.median()), "parts": {"close": share(close, len(found))}}

"""Whether a model draws one sentence in many ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts


class Diversity:
    """How far drawings of one caption lie apart, as a share of how far drawings of different captions do.

    Mean distances of features between pairs. Nothing means that the noise changes nothing; one, that the caption
    changes nothing. Its deviation is the standard error over captions.
    """

    title = "same-text diversity"
    better = "higher"
    needs = frozenset({"repeats"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare pairs of drawings; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert drawn.repeats is not None
        repeats = drawn.repeats.double()
        if min(repeats.shape[:2]) < 2:
            return {"reason": "it compares two captions or more, each drawn twice or more"}
        within = torch.stack([_mean_distance(each) for each in repeats])
        between = _mean_distance(repeats[:, 0])
        if float(between) == 0:
            return {"reason": "drawings of all captions are the same to this extractor"}
        error = float(within.std() / len(within) ** 0.5 / between)
        return {"value": float(within.mean() / between), "deviation": error, "captions": len(within)}


def _mean_distance(features: Tensor) -> Tensor:
    """Mean distance of all pairs of rows."""
    return torch.nn.functional.pdist(features).mean()

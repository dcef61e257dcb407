"""The Fréchet distance between two sets of features; the formula is torchmetrics' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.metrics.given_features import GivenFeatures

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts


class FrechetDistance:
    """Fréchet distance (Heusel et al. 2017) between the features of drawn and of real pictures, in float64.

    Its bias grows with the square of the features' width and falls with the number of pictures, so it compares sets of
    one size, described by one extractor.
    """

    title = "Fréchet distance"
    better = "lower"
    needs = frozenset({"real"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare means and covariances; see :class:`~stackgan_cli.components.protocols.Metric`."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        assert real is not None
        if min(len(real.features), len(drawn.features)) < 2:
            return {"reason": "one picture has no covariance"}
        distance = FrechetInceptionDistance(GivenFeatures(real.features.shape[1])).set_dtype(torch.float64)
        distance.update(real.features.double(), real=True)
        distance.update(drawn.features.double(), real=False)
        return {"value": float(distance.compute())}

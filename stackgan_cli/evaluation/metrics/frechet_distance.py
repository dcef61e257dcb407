"""The Fréchet distance between the features of two sets of pictures, which is FID where they are Inception's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.reference_statistics import statistics_of

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import FeatureStatistics, Observation, Texts


class FrechetDistance:
    """Fréchet distance (Heusel et al. 2017) between the features of drawn and of real pictures, in float64.

    Its bias grows with the square of the features' width and falls with the number of pictures, so it compares sets of
    one size, described by one extractor.
    """

    title = "Fréchet distance"
    better = "lower"
    needs = frozenset({"statistics"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare means and covariances; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert real is not None
        if len(drawn.features) < 2 or (real.statistics is None and len(real.features) < 2):
            return {"reason": "one picture has no covariance"}
        theirs = real.statistics or statistics_of(real.features)
        return {"value": frechet_distance(statistics_of(drawn.features), theirs)}


def frechet_distance(one: FeatureStatistics, other: FeatureStatistics) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2); the last trace is the nuclear norm of S1^(1/2) S2^(1/2).

    So written it is never complex, and it holds where there are fewer pictures than features, or dead features.
    """
    across = torch.linalg.svdvals(_half(one.covariance).T @ _half(other.covariance)).sum()
    traces = one.covariance.trace() + other.covariance.trace()
    # Of equal sets rounding leaves a little less than nothing.
    return max(0.0, float((one.mean - other.mean).square().sum() + traces - 2 * across))


def _half(covariance: Tensor) -> Tensor:
    """A matrix (width, rank) that times its transpose is the covariance."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    least = len(values) * torch.finfo(values.dtype).eps * float(values.max().clamp(min=0))
    kept = values > least
    half: Tensor = vectors[:, kept] * values[kept].sqrt()
    return half

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
    one size, described by one extractor. How far it strays is told by whoever measures sets, from halves of them.
    """

    title = "Fréchet distance"
    short_name = "fd"
    better = "lower"
    needs = frozenset({"statistics"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare means and covariances; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert real is not None
        if len(drawn.features) < 2 or (real.statistics is None and len(real.features) < 2):
            return {"reason": "one picture has no covariance"}
        ours = _halved(drawn.features)
        theirs = _halved(real.features) if real.statistics is None else _half(real.statistics)
        return {"value": _distance(*ours, *theirs)}


def _distance(one_mean: Tensor, one: Tensor, other_mean: Tensor, other: Tensor) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2); the last trace is the nuclear norm of S1^(1/2) S2^(1/2).

    So written it is never complex, and it holds where there are fewer pictures than features, or dead features. Every
    matrix that times its transpose is a covariance will do for its root.
    """
    across = torch.linalg.svdvals(one.T @ other).sum()
    traces = one.square().sum() + other.square().sum()
    # Of equal sets rounding leaves a little less than nothing.
    return max(0.0, float((one_mean - other_mean).square().sum() + traces - 2 * across))


def _halved(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and a matrix (width, rank) that times its transpose is the covariance; of few pictures it is they."""
    if len(features) > features.shape[1]:
        return _half(statistics_of(features))
    features = features.double()
    mean = features.mean(0)
    return mean, (features - mean).T / (len(features) - 1) ** 0.5


def _half(statistics: FeatureStatistics) -> tuple[Tensor, Tensor]:
    covariance = statistics.covariance
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    least = len(values) * torch.finfo(values.dtype).eps * float(values.max().clamp(min=0))
    kept = values > least
    return statistics.mean, vectors[:, kept] * values[kept].sqrt()

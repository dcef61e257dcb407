"""Metrics over features, logits and attributes; the distances and scores are torchmetrics' own."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

SPLITS = 10
"""Splits of the Inception-style score (Salimans et al. 2016)."""


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Fréchet distance (Heusel et al. 2017) between two sets of features (pictures, width), in float64."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(real.shape[1])).set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(generated.double(), real=False)
    return float(metric.compute())


def inception_score(logits: Tensor, seed: int) -> tuple[float, float]:
    """Mean and standard deviation over splits of the Inception-style score (Salimans et al. 2016) of shuffled logits.

    Args:
        logits: (pictures, values).
        seed: of the shuffling, which matters: sorted pictures score far lower.
    """
    from torchmetrics.image.inception import InceptionScore

    splits = min(SPLITS, len(logits))
    with warnings.catch_warnings():
        # It warns of the memory that its features take; logits take next to none.
        warnings.simplefilter("ignore", UserWarning)
        metric = InceptionScore(feature=_Given(logits.shape[1]), splits=splits)
    metric.update(logits.double())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return float(mean), float(deviation) if splits > 1 else 0.0


def attribute_accuracy(
    seen: Mapping[str, Sequence[str]], truth: Sequence[Mapping[str, str]], stated: Sequence[Sequence[str]]
) -> dict[str, tuple[int, int]]:
    """Count, for each attribute, the pictures on which it was seen as the caption states it.

    Args:
        seen: for each attribute, its value on each picture, as a classifier sees it.
        truth: for each picture, the attributes that its caption was written from.
        stated: for each picture, the names of the attributes that its caption states.

    Returns:
        For each attribute, how often it was right and how often stated; ``all stated`` counts pictures on which
        every stated attribute was right.
    """
    counts = {name: [0, 0] for name in [*seen, "all stated"]}
    for at, (row, names) in enumerate(zip(truth, stated, strict=True)):
        right = {name: seen[name][at] == row[name] for name in names if name in seen}
        for name, hit in right.items():
            counts[name][0] += hit
            counts[name][1] += 1
        if right:
            counts["all stated"][0] += all(right.values())
            counts["all stated"][1] += 1
    return {name: (right, total) for name, (right, total) in counts.items() if total}


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927)."""
    z = 1.959964
    share = right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


class _Given(torch.nn.Module):
    """Hands features through that were computed before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features

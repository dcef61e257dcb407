"""The kernel distance between two sets of features, which is KID where the features are Inception's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts

_ROWS = 1000
"""Rows of the kernel that are computed at once: 240 MB beside 30,000 pictures."""


class KernelDistance:
    """Squared maximum mean discrepancy with the kernel (x.y / width + 1)^3 (Bińkowski et al. 2018, section 4).

    The unbiased estimate over all pictures at once, in float64, in place of the mean over random subsets: it has less
    variance, and nothing in it is random. Around nothing it may be negative. Its deviation is the jackknife's, which
    leaves out one picture after the other.
    """

    title = "kernel distance"
    short_name = "kd"
    better = "lower"
    needs = frozenset({"real"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Compare means in the kernel's space; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert real is not None
        ours, theirs = drawn.features.double(), real.features.double()
        if min(len(ours), len(theirs)) < 3:
            return {"reason": "two pictures are too few for it"}
        value, variance = 0.0, 0.0
        of_ours, of_theirs = _sums(ours, theirs)
        for one, across in ((ours, of_ours / len(theirs)), (theirs, of_theirs / len(ours))):
            among = _sums(one, one)[0] - (one.square().sum(1) / one.shape[1] + 1) ** 3
            value += float(among.sum()) / (len(one) * (len(one) - 1)) - float(across.mean())
            variance += _jackknife(among, across)
        return {"value": value, "deviation": math.sqrt(variance)}


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def _sums(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of one, the sum of the kernel with all rows of the other, and likewise for each row of the other."""
    rows, columns = [], torch.zeros(len(other), dtype=other.dtype)
    for part in torch.split(one, _ROWS):
        kernel = _kernel(part, other)
        rows.append(kernel.sum(1))
        columns += kernel.sum(0)
    return torch.cat(rows), columns


def _jackknife(among: Tensor, across: Tensor) -> float:
    """Variance of the estimate that leaving out rows of one set tells.

    Args:
        among: for each row, the sum of the kernel with the other rows of its set.
        across: for each row, its mean with the rows of the other set.
    """
    count = len(among)
    without = (among.sum() - 2 * among) / ((count - 1) * (count - 2)) - 2 * (across.sum() - across) / (count - 1)
    return float((without - without.mean()).square().sum()) * (count - 1) / count

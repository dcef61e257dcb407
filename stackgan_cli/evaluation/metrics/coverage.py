"""How much of what is real is drawn, and how much of what is drawn looks real: shares of neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.metrics.distances import ROWS, blocks
from stackgan_cli.evaluation.metrics.shares import share

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts


class Coverage:
    """Coverage, with density (Naeem et al. 2020), precision and recall (Kynkäänniemi et al. 2019) as its parts.

    Around every picture lies a ball that reaches to its k-th nearest neighbour in its own set. Coverage is the share of
    real pictures in whose ball something is drawn; recall, the share of real pictures that lie in the ball of a
    drawing; precision, the share of drawings that lie in the ball of a real picture; density counts for each drawing in
    how many of these it lies, divided by k, and may exceed one. A generator that draws few things well has precision
    and no coverage. The deviation of density is that of the mean of what each drawing, and each real picture, adds to
    it, their balls being what they are. Of two sets of one distribution coverage comes to 1 - 2^-k and density to 1,
    and precision and recall do not come to 1. Distances are taken in float64: in float32 those between near pictures
    are lost.

    Args:
        neighbours: k, as the source of coverage and density has it.
    """

    title = "coverage"
    better = "higher"
    needs = frozenset({"real"})

    def __init__(self, *, neighbours: int = 5) -> None:
        self.neighbours = neighbours

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Count neighbourhoods; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert real is not None
        if min(len(drawn.features), len(real.features)) <= self.neighbours:
            return {"reason": f"each set needs more than {self.neighbours} pictures"}
        middle = real.features.double().mean(0)
        ours, theirs = drawn.features.double() - middle, real.features.double() - middle
        reach, reach_real = _reach(ours, self.neighbours), _reach(theirs, self.neighbours)
        precise = torch.zeros(len(ours), dtype=torch.long)
        covered, recalled, held = [], [], []
        for distances, radius in zip(blocks(theirs, ours), torch.split(reach_real, ROWS), strict=True):
            inside = distances < radius[:, None]
            precise += inside.sum(0)
            held.append(inside.sum(1))
            covered.append(distances.amin(1) < radius)
            recalled.append((distances < reach).any(1))
        shares = {"coverage": torch.cat(covered), "precision": precise > 0, "recall": torch.cat(recalled)}
        parts = {name: share(int(hits.sum()), len(hits)) for name, hits in shares.items()}
        added = (precise.double(), torch.cat(held).double() * (len(theirs) / len(ours)))
        deviation = sum(float(each.var()) / len(each) for each in added) ** 0.5
        density = {
            "value": float(precise.double().mean()) / self.neighbours,
            "deviation": deviation / self.neighbours,
        }
        return {**parts["coverage"], "parts": {**parts, "density": density}, "neighbours": self.neighbours}


def _reach(features: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each row to its k-th nearest other row."""
    parts = []
    for number, distances in enumerate(blocks(features, features)):
        rows = torch.arange(len(distances))
        distances[rows, rows + number * ROWS] = 0.0
        # The nearest is the row itself.
        parts.append(distances.kthvalue(neighbours + 1, dim=1).values)
    return torch.cat(parts)

"""Distances between features, a block of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

ROWS = 500
"""Rows of distances that are computed at once: 120 MB beside 30,000 pictures."""


def squares(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances (rows, rows) of float64 features; they should lie around nothing, or digits are lost."""
    lengths = one.square().sum(1)[:, None] + other.square().sum(1)
    return (lengths - 2 * one @ other.T).clamp_min(0.0)


def blocks(one: Tensor, other: Tensor) -> Iterator[Tensor]:
    """Squared distances of some rows of one after the other to all rows of the other."""
    return (squares(part, other) for part in torch.split(one, ROWS))


def nearest(one: Tensor, other: Tensor) -> Tensor:
    """Distance (rows,) of each row of one to the nearest row of the other, in float64."""
    middle = other.double().mean(0)
    return torch.cat([part.amin(1) for part in blocks(one.double() - middle, other.double() - middle)]).sqrt()

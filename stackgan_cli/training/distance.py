"""How far drawn pictures are from real ones while training runs: the sliced Wasserstein distance of their patches.

Karras et al. 2017, *Progressive Growing of GANs*, section 5. It needs no network, so it costs little and means the same
in every run; it looks at texture and colour and knows nothing of the captions, and it ranks the checkpoints of one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from torch import Tensor

_PATCH = 7
_PATCHES = 64
"""Patches of each picture at each scale."""
_DIRECTIONS = 128
_LEAST_SIDE = 16


def sliced_wasserstein(real: Tensor, drawn: Tensor) -> float:
    """Mean over scales of the sliced Wasserstein distance between patches; 0 for the same pictures, lower is better.

    The pictures are split into a Laplacian pyramid down to 16 pixels; 7x7 patches of each level, normalised by mean and
    deviation of the real ones per colour, are projected on random directions, where the distance is that of sorted
    lists. Patches and directions are the same in every call.

    Args:
        real: (pictures, 3, side, side) in [-1, 1].
        drawn: of the same shape.
    """
    distances = []
    for scale, (ours, theirs) in enumerate(zip(_pyramid(real.float()), _pyramid(drawn.float()), strict=True)):
        draw = generator_for("sliced wasserstein", scale)
        rows, columns = torch.randint(0, ours.shape[-1] - _PATCH + 1, (2, len(ours), _PATCHES), generator=draw)
        directions = F.normalize(torch.randn(3 * _PATCH**2, _DIRECTIONS, generator=draw), dim=0).to(ours.device)
        mean, deviation = ours.mean((0, 2, 3), keepdim=True), ours.std((0, 2, 3), keepdim=True).clamp_min(1e-6)
        one, other = (
            (_patches((level - mean) / deviation, rows, columns) @ directions).sort(dim=0).values
            for level in (ours, theirs)
        )
        distances.append((one - other).abs().mean())
    return float(torch.stack(distances).mean())


def _pyramid(pictures: Tensor) -> list[Tensor]:
    """Split pictures into bands of detail, the finest first, and what is left at the smallest side."""
    levels = []
    while pictures.shape[-1] >= 2 * _LEAST_SIDE:
        small = F.avg_pool2d(pictures, 2)
        levels.append(pictures - F.interpolate(small, size=pictures.shape[2:], mode="bilinear", align_corners=False))
        pictures = small
    return [*levels, pictures]


def _patches(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cut patches (pictures * patches, 3 * 7 * 7) whose corners are rows and columns (pictures, patches)."""
    within = torch.arange(_PATCH)
    picture = torch.arange(len(pictures))[:, None, None, None]
    at_rows, at_columns = rows[:, :, None, None] + within[:, None], columns[:, :, None, None] + within
    patches = pictures.permute(0, 2, 3, 1)[
        picture.to(pictures.device), at_rows.to(pictures.device), at_columns.to(pictures.device)
    ]
    return patches.flatten(2).flatten(0, 1)

"""The noise that a trained model draws a picture with: a function of the picture's seed and of the stage alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.protocols import DrawsCondition
from stackgan_cli.generators.layers import truncate_normal
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def noise_of(
    generator: Any, stage: int, seeds: Sequence[int], *, mean: bool, truncation: float | None = None
) -> Tensor:
    """Noise (seeds, noise_width) of a generator, on the processor.

    Args:
        generator: of the stage.
        stage: 1 or 2.
        seeds: of the pictures.
        mean: put zeros where the noise draws the condition, which give its mean.
        truncation: largest number that the noise may hold.
    """
    width = int(generator.noise_width)
    rows = torch.stack([torch.randn(width, generator=generator_for(seed, "picture", stage)) for seed in seeds])
    if truncation is not None:
        rows = truncate_normal(rows, truncation)
    if mean and isinstance(generator, DrawsCondition):
        rows[:, generator.condition_noise] = 0.0
    return rows

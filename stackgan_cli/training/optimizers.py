"""Adam and its learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from stackgan_cli.recipes.schema import OptimizerSettings

_LEAST = 0.1
"""Share of the learning rate that a linear decay ends at."""


def make_adam(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Adam:
    """Make Adam over a network's weights, in its fused form, which computes the same."""
    return torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), fused=True
    )


def learning_rate(settings: OptimizerSettings, step: int, steps: int, steps_per_epoch: int) -> float:
    """Learning rate of one step: a function of the step alone, so that a resumed run goes on where it was.

    Args:
        settings: of the optimiser.
        step: 0, 1, 2 ...
        steps: of the whole run.
        steps_per_epoch: for schedules that count epochs.
    """
    rate = settings.learning_rate
    if settings.halve_every is not None:
        rate *= 0.5 ** (step // steps_per_epoch // settings.halve_every)
    if settings.decay_from < 1.0:
        passed = max(0.0, (step / steps - settings.decay_from) / (1.0 - settings.decay_from))
        rate *= 1.0 - (1.0 - _LEAST) * min(passed, 1.0)
    return rate

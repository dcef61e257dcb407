"""Adam and its learning rate, and the average of the weights that it trains."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.recipes.schema import OptimizerSettings


@dataclass(frozen=True, slots=True)
class Length:
    """How long a run is."""

    steps: int
    steps_per_epoch: int
    first_step: int = 0
    """That epochs are counted from, since when they have had so many steps."""
    first_epoch: int = 0
    """That it begins."""

    def epoch(self, step: int) -> int:
        """Return the epoch (0, 1, 2 ...) of a step."""
        return self.first_epoch + (step - self.first_step) // self.steps_per_epoch


def make_adam(weights: Sequence[nn.Parameter], settings: OptimizerSettings) -> torch.optim.Adam:
    """Make Adam over weights, in its fused form, which computes the same in one pass over the memory."""
    return torch.optim.Adam(weights, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), fused=True)


def learning_rate(settings: OptimizerSettings, step: int, length: Length) -> float:
    """Learning rate of one step: a function of the step alone, so that a resumed run goes on where it was."""
    rate = settings.learning_rate
    if settings.halve_every is not None:
        rate *= 0.5 ** (length.epoch(step) // settings.halve_every)
    if settings.decay_from < 1.0:
        # Linearly to a tenth: the last pictures of a GAN tremble at the full rate.
        passed = max(0.0, (step / length.steps - settings.decay_from) / (1.0 - settings.decay_from))
        rate *= 1.0 - 0.9 * min(passed, 1.0)
    return rate


class Averaged:
    """A copy of a network whose weights follow the original's slowly; its buffers are the original's.

    The generator circles around what it seeks; the average lies nearer to the middle (Yazici et al. 2018), so it is the
    average that draws.

    Args:
        network: the network that is trained.
        decay: share of the old average that a step keeps, reached from a tenth on so that early steps do not linger.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self._ours = list(self.network.parameters())
        self._theirs = [parameter.detach() for parameter in network.parameters()]
        self._our_buffers, self._their_buffers = list(self.network.buffers()), list(network.buffers())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the network after ``step`` (0, 1, 2 ...) was trained."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(cast("list[torch.Tensor]", self._ours), self._theirs, 1 - decay)
        if self._our_buffers:
            torch._foreach_copy_(self._our_buffers, self._their_buffers)

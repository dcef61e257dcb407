"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn


class Averaged:
    """A copy of a network whose weights follow the original's slowly; its buffers are the original's.

    Args:
        network: the network that is trained.
        decay: share of the old average that a step keeps, reached gradually from 0 so that early steps do not linger.
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

"""Nearest-neighbour doubling and 3x3 convolution as one layer, with fewer multiplications for the same result."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpsampleConvolution(nn.Module):
    """Double the size by nearest neighbour, then convolve 3x3 without bias (paper, section 3.5).

    Maps (batch, inputs, height, width) to (batch, outputs, 2 height, 2 width). The stored weight is the 3x3 kernel.
    Pixels of the enlarged map that share a source meet the same value, so their taps can be added beforehand: a
    transposed convolution of stride 2 with the 4x4 kernel of these sums computes the same, with 16 multiplications
    where resizing first takes 36.
    """

    _summed: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        # Row by row, the taps of the 3-kernel that meet the same source pixel at each tap of the 4-kernel.
        meets = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        self.register_buffer("_summed", torch.kron(meets, meets).T.contiguous(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Upsample and convolve."""
        enlarged = 4 * features.numel() // features.shape[1] * len(self.weight)
        if torch.is_autocast_enabled(features.device.type) and self.weight.numel() > features.numel() + enlarged:
            # In half precision, summing a kernel that holds more numbers than the maps costs more than it saves.
            return F.conv2d(F.interpolate(features, scale_factor=2.0, mode="nearest"), self.weight, padding=1)
        return F.conv_transpose2d(features, self._kernel(), stride=2, padding=1)

    def as_transposed(self) -> nn.ConvTranspose2d:
        """Build the transposed convolution that computes the same, with the sums made once: for inference."""
        outputs, inputs = self.weight.shape[:2]
        layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False).to(self.weight.device)
        layer.weight.data = self._kernel().detach().contiguous()
        return layer.train(self.training)

    def _kernel(self) -> Tensor:
        """Sum the 3x3 weight to the kernel (inputs, outputs, 4, 4) of the transposed convolution."""
        # Sums of float32 weights, rounded once: under autocast the product would round before it adds.
        with torch.autocast(self.weight.device.type, enabled=False):
            return (self.weight.reshape(-1, 9) @ self._summed).view(*self.weight.shape[:2], 4, 4).transpose(0, 1)

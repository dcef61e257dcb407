"""Nearest-neighbour doubling and 3x3 convolution as one layer, computed in the quickest of four equal forms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_FORM = "transposed"


class UpsampleConvolution(nn.Module):
    """Double the size by nearest neighbour, then convolve 3x3 without bias (paper, section 4.3).

    Maps (batch, inputs, height, width) to (batch, outputs, 2 height, 2 width). The stored weight is the 3x3 kernel.
    Pixels of the enlarged map that share a source meet the same value, so their taps can be added beforehand: each of
    the four phases (even or odd row, even or odd column) is a 2x2 convolution of the small map, with 16 multiplications
    where resizing first takes 36. ``form`` says how that is computed, a key of :data:`FORMS`; the function is the same.
    """

    _summed: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.form = DEFAULT_FORM
        # Row by row, the taps of the 3-kernel that meet the same source pixel at each tap of the 4-kernel.
        meets = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        self.register_buffer("_summed", torch.kron(meets, meets).T.contiguous(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Upsample and convolve."""
        return FORMS[self.form](features, self.weight, self._summed)

    def as_transposed(self) -> nn.ConvTranspose2d:
        """Build the transposed convolution that computes the same, with the sums made once: for inference."""
        outputs, inputs = self.weight.shape[:2]
        layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False).to(self.weight.device)
        layer.weight.data = _kernel(self.weight.data, self._summed).transpose(0, 1).contiguous()
        return layer.train(self.training)


def _resized(features: Tensor, weight: Tensor, summed: Tensor) -> Tensor:  # noqa: ARG001
    """As published: resize, then convolve."""
    return F.conv2d(F.interpolate(features, scale_factor=2.0, mode="nearest"), weight, padding=1)


def _transposed(features: Tensor, weight: Tensor, summed: Tensor) -> Tensor:
    """One transposed convolution of stride 2 with a 4x4 kernel."""
    return F.conv_transpose2d(features, _kernel(weight, summed).transpose(0, 1), stride=2, padding=1)


def _phases(features: Tensor, weight: Tensor, summed: Tensor) -> Tensor:
    """Four 2x2 convolutions, one for each phase, interleaved."""
    height, width = features.shape[2:]
    kernel, padded = _kernel(weight, summed), F.pad(features, (1, 1, 1, 1))
    phases = [
        F.conv2d(padded[:, :, row : row + height + 1, column : column + width + 1], _phase(kernel, row, column))
        for row in (0, 1)
        for column in (0, 1)
    ]
    return _interleaved(torch.stack(phases).permute(0, 1, 3, 4, 2))


def _products(features: Tensor, weight: Tensor, summed: Tensor) -> Tensor:
    """Four matrix products, one for each phase, over the 2x2 neighbourhoods written out: for small maps."""
    batch, inputs, height, width = features.shape
    kernel, outputs = _kernel(weight, summed), weight.shape[0]
    near = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).unfold(1, 2, 1).unfold(2, 2, 1)
    phases = [
        near[:, row : row + height, column : column + width].reshape(-1, 4 * inputs)
        @ _phase(kernel, row, column).reshape(outputs, -1).T
        for row in (0, 1)
        for column in (0, 1)
    ]
    return _interleaved(torch.stack(phases).view(4, batch, height, width, outputs))


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    DEFAULT_FORM: _transposed,
    "resized": _resized,
    "phases": _phases,
    "products": _products,
}
"""Forms of one function, by name, each of the features, the 3x3 weight, and the layer's table of sums."""


def _kernel(weight: Tensor, summed: Tensor) -> Tensor:
    """Sum a 3x3 weight (outputs, inputs, 3, 3) to the 4x4 kernel of the transposed convolution."""
    # Sums of float32 weights, rounded once: under autocast the product would round before it adds.
    with torch.autocast(weight.device.type, enabled=False):
        return (weight.reshape(-1, 9) @ summed).view(*weight.shape[:2], 4, 4)


def _phase(kernel: Tensor, row: int, column: int) -> Tensor:
    """Take the 2x2 kernel of one phase out of the 4x4 kernel."""
    # A transposed convolution runs its kernel backwards.
    return kernel[:, :, 1 - row :: 2, 1 - column :: 2].flip(2, 3)


def _interleaved(phases: Tensor) -> Tensor:
    """Lay phases (4, batch, height, width, channels) out as (batch, channels, 2 height, 2 width), channels last."""
    _, batch, height, width, channels = phases.shape
    rows = phases.view(2, 2, batch, height, width, channels).permute(2, 3, 0, 4, 1, 5)
    return rows.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)

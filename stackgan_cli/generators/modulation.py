"""Blocks that a style vector scales and shifts, shared by the modulated generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.generators.upsampling import UpsampleConvolution

if TYPE_CHECKING:
    from torch import Tensor


class Style(nn.Sequential):
    """Two layers from the code (batch, code_width) to the style vector (batch, style_width)."""

    def __init__(self, code_width: int, style_width: int) -> None:
        super().__init__(
            nn.Linear(code_width, style_width),
            nn.LeakyReLU(0.2),
            nn.Linear(style_width, style_width),
            nn.LeakyReLU(0.2),
        )


class Modulation(nn.Module):
    """Scale and shift each channel by amounts that the style decides, then leaky ReLU.

    Starts as the identity before the activation: scale 1, shift 0 (as the last layer of Tao et al. 2020's affine
    transformation does).
    """

    def __init__(self, channels: int, style_width: int) -> None:
        super().__init__()
        self.amounts = nn.Linear(style_width, 2 * channels)
        nn.init.zeros_(self.amounts.weight)
        with torch.no_grad():
            self.amounts.bias.copy_(torch.cat([torch.ones(channels), torch.zeros(channels)]))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Modulate features (batch, channels, height, width) by the style (batch, style_width)."""
        scale, shift = self.amounts(style)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(features * scale + shift, 0.2)


class ModulatedResidual(nn.Module):
    """A residual 3x3 convolution of modulated features; the channels stay."""

    def __init__(self, channels: int, style_width: int) -> None:
        super().__init__()
        self.modulation = Modulation(channels, style_width)
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Refine features (batch, channels, height, width) in the way the style asks for."""
        refined: Tensor = self.convolution(self.modulation(features, style))
        return features + refined


class ModulatedUpsample(nn.Module):
    """Double the side: modulate, resize to the nearest neighbour and convolve, then one residual convolution.

    Args:
        channels_in: channels of what comes in.
        channels_out: channels of what goes out.
        style_width: width of the style.
        refined: whether the residual convolution is there; at the largest sides it costs most and adds least.
    """

    def __init__(self, channels_in: int, channels_out: int, style_width: int, *, refined: bool = True) -> None:
        super().__init__()
        self.modulation = Modulation(channels_in, style_width)
        self.upsample = UpsampleConvolution(channels_in, channels_out)
        self.residual = ModulatedResidual(channels_out, style_width) if refined else None

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map features (batch, channels_in, side, side) to (batch, channels_out, 2 side, 2 side)."""
        enlarged: Tensor = self.upsample(self.modulation(features, style))
        return enlarged if self.residual is None else self.residual(enlarged, style)

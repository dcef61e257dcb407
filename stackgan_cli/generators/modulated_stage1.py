"""Stage-I whose every block is scaled and shifted by the text and the noise: small, stable, quick to train."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import Generated
from stackgan_cli.errors import SettingsError
from stackgan_cli.generators.layers import ConditioningAugmentation, positive
from stackgan_cli.generators.modulation import ModulatedUpsample, Style

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures

NAME = "The modulated Stage-I generator"


class ModulatedStage1(nn.Module):
    """Stage-I generator with deep fusion of the text (after Tao et al. 2020, *DF-GAN*, section 3.3).

    The condition, drawn by conditioning augmentation as in the StackGAN paper, and the noise pass a small network; what
    comes out scales and shifts the features before every convolution. There is no batch-norm, so a picture depends on
    nothing but its own text and noise. Every resolution draws its share of the picture, coarse ones first (the output
    skips of Karras et al. 2020, *StyleGAN2*, section 4.1).

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels, a power of two from 8.
        channels: channels at full resolution; they double with every halving of the resolution.
        max_channels: upper bound of the channels.
        condition_width: dimensions of the conditioning distribution.
        z_width: dimensions of the noise z.
        style_width: width of the vector that scales and shifts.
        mirrored: draw one picture in two the other way round, by the sign of the first number of z, for data that are
            as true mirrored (``flip`` of the settings). Which way round a thing stands then is no matter of degree: a
            generator that lets the noise decide it by degrees draws, in between, things with two ends of one kind.

    Raises:
        SettingsError: a number is below one, or the resolution is no power of two.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 64,
        channels: int = 32,
        max_channels: int = 128,
        condition_width: int = 64,
        z_width: int = 64,
        style_width: int = 128,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        positive(NAME, channels=channels, max_channels=max_channels, style_width=style_width)
        positive(NAME, text_width=text_width, condition_width=condition_width, z_width=z_width)
        if resolution < 8 or resolution & (resolution - 1):
            raise SettingsError(
                f"The generator 'modulated' draws 8, 16, 32, 64 ... pixels, not {resolution}.", hint="--resolution 64"
            )
        self.resolution = resolution
        self.noise_width = z_width + condition_width
        self._z_width, self.mirrors = z_width, mirrored
        self.condition_noise = slice(z_width, None)
        sides = [4 * 2**step for step in range((resolution // 4).bit_length())]
        widths = [min(channels * resolution // side, max_channels) for side in sides]
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=1.0, log_variance=False, truncated=True
        )
        self.style = Style(condition_width + z_width, style_width)
        self.start = nn.Linear(z_width + condition_width, widths[0] * 16)
        self.blocks = nn.ModuleList(ModulatedUpsample(before, after, style_width) for before, after in pairwise(widths))
        self.to_rgb = nn.ModuleList(nn.Conv2d(width, 3, 3, padding=1) for width in widths[1:])

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        """Sketch pictures from noise (batch, noise_width) and text."""
        z, epsilon = torch.split(noise, [self._z_width, self.noise_width - self._z_width], dim=1)
        condition = self.augmentation(text.sentence, epsilon)
        around = z[:, :1, None, None] < 0
        if self.mirrors:
            # Nothing else tells the two ways from each other.
            z = torch.cat([z[:, :1].abs(), z[:, 1:]], dim=1)
        code = torch.cat([condition.value, z], dim=1)
        style = self.style(code)
        features = self.start(code).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        drawn = features.new_zeros(noise.shape[0], 3, 4, 4)
        for block, to_rgb in zip(self.blocks, self.to_rgb, strict=True):
            features = block(features, style)
            added = to_rgb(F.leaky_relu(features, 0.2))
            drawn = added + F.interpolate(drawn, scale_factor=2.0, mode="bilinear")
        images = torch.tanh(drawn.float())
        if self.mirrors:
            images = torch.where(around, images.flip(3), images)
        return Generated(images=images, kl=condition.kl, condition=condition.mean)

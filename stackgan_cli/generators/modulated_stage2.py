"""Stage-II whose every block is scaled and shifted by the text, re-read while it refines the sketch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import Generated
from stackgan_cli.errors import SettingsError
from stackgan_cli.generators.layers import ConditioningAugmentation, positive
from stackgan_cli.generators.modulation import ModulatedResidual, ModulatedUpsample, Style

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures

NAME = "The modulated Stage-II generator"


class ModulatedStage2(nn.Module):
    """Stage-II generator of the modulated kind.

    It encodes the sketch at half its side, corrects it in residual blocks that the text scales and shifts, enlarges
    the features in steps of two, and adds what it drew to the enlarged sketch before the tanh. Conditioning
    augmentation is its own, as in the StackGAN paper (section 3.4); its noise also draws the fine texture.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels.
        input_resolution: side of the sketch; ``resolution`` is this times a power of two.
        channels: channels at full resolution; they double with every halving of the resolution.
        max_channels: upper bound of the channels.
        residual_blocks: blocks between the encoder and the first enlargement.
        condition_width: dimensions of the conditioning distribution.
        z_width: dimensions of the noise of its own.
        style_width: width of the vector that scales and shifts.

    Raises:
        SettingsError: a number is below one, or the resolutions do not fit together.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 256,
        input_resolution: int = 64,
        channels: int = 16,
        max_channels: int = 96,
        residual_blocks: int = 3,
        condition_width: int = 64,
        z_width: int = 16,
        style_width: int = 128,
    ) -> None:
        super().__init__()
        positive(NAME, channels=channels, max_channels=max_channels, style_width=style_width)
        positive(NAME, text_width=text_width, condition_width=condition_width, z_width=z_width)
        factor = resolution // input_resolution
        if input_resolution % 2 or factor * input_resolution != resolution or factor < 2 or factor & (factor - 1):
            raise SettingsError(
                f"Stage-II 'modulated' enlarges by 2, 4, 8 ..., not from {input_resolution} to {resolution} pixels.",
                hint=f"--set resolution={4 * input_resolution}",
            )
        self.resolution, self.input_resolution = resolution, input_resolution
        self.noise_width = z_width + condition_width
        self._z_width = z_width
        self.condition_noise = slice(z_width, None)
        sides = [input_resolution // 2 * 2**step for step in range(factor.bit_length() + 1)]
        widths = [min(channels * resolution // side, max_channels) for side in sides]
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=1.0, log_variance=False, truncated=True
        )
        self.style = Style(condition_width + z_width, style_width)
        self.encoder = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.residual_blocks = nn.ModuleList(ModulatedResidual(widths[0], style_width) for _ in range(residual_blocks))
        self.blocks = nn.ModuleList(
            ModulatedUpsample(before, after, style_width, refined=side < resolution)
            for (before, after), side in zip(pairwise(widths), sides[1:], strict=True)
        )
        self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)
        for parameter in self.to_rgb.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor, noise: Tensor, text: TextFeatures) -> Generated:
        """Refine sketches (batch, 3, input_resolution, input_resolution) to (batch, 3, resolution, resolution)."""
        z, epsilon = torch.split(noise, [self._z_width, self.noise_width - self._z_width], dim=1)
        condition = self.augmentation(text.sentence, epsilon)
        style = self.style(torch.cat([condition.value, z], dim=1))
        features = self.encoder(images)
        for block in [*self.residual_blocks, *self.blocks]:
            features = block(features, style)
        drawn = self.to_rgb(F.leaky_relu(features, 0.2)).float()
        sketch = F.interpolate(images.float(), size=self.resolution, mode="bilinear", align_corners=False)
        # atanh of the sketch, held away from its poles, so that drawing nothing gives the enlarged sketch back.
        return Generated(
            images=torch.tanh(drawn + torch.atanh(sketch * 0.99)), kl=condition.kl, condition=condition.mean
        )

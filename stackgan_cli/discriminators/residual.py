"""A residual discriminator without batch-norm, for hinge loss and gradient penalties."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import Judgement
from stackgan_cli.errors import SettingsError
from stackgan_cli.generators.layers import positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures

NAME = "The residual discriminator"


class ResidualDiscriminator(nn.Module):
    """One-way discriminator of residual blocks (after Tao et al. 2020, *DF-GAN*, section 3.2).

    No normalisation at all: each picture is judged by itself, and penalties on its gradient mean what they say. The
    text joins at 4x4, repeated over the map, as in the StackGAN paper (section 3.3). Patches of pixels are folded into
    channels first: on a processor, convolutions of many pixels and few channels cost several times what they compute.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels, a power of two from 16.
        patch: side in pixels of the patches that become channels.
        channels: channels after the first convolution, at the resolution divided by ``patch``.
        max_channels: upper bound of the channels, which double with every halving.
        text_channels: width of the text beside the picture's features.

    Raises:
        SettingsError: a number is below one, or the resolution is no power of two from 16.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 64,
        patch: int = 2,
        channels: int = 48,
        max_channels: int = 192,
        text_channels: int = 128,
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels, max_channels=max_channels, text_channels=text_channels)
        side = resolution // max(patch, 1)
        if side < 8 or side & (side - 1) or side * patch != resolution:
            raise SettingsError(
                f"The discriminator 'residual' cannot judge {resolution} pixels in patches of {patch}.",
                hint="a resolution of 16, 32, 64 ... and a patch of 1, 2 or 4",
            )
        steps = (side // 4).bit_length()
        widths = [min(channels * 2**step, max_channels) for step in range(steps)]
        self.stem = nn.Sequential(nn.PixelUnshuffle(patch), nn.Conv2d(3 * patch * patch, widths[0], 3, padding=1))
        self.blocks = nn.ModuleList(ResidualDown(a, b) for a, b in pairwise(widths))
        self.text = nn.Linear(text_width, text_channels)
        self.joint = nn.Conv2d(widths[-1] + text_channels, widths[-1], 3, padding=1)
        self.logit = nn.Conv2d(widths[-1], 1, 4)

    def forward(
        self,
        images: Tensor,
        texts: Sequence[TextFeatures],
        given: Tensor | None = None,  # noqa: ARG002
    ) -> list[Judgement]:
        """Judge pictures (batch, 3, resolution, resolution) beside each batch of texts; ``given`` is not looked at."""
        features = F.leaky_relu(self.stem(images), 0.2)
        for block in self.blocks:
            features = block(features)
        return [Judgement(matching=self._match(features, text)) for text in texts]

    def _match(self, features: Tensor, text: TextFeatures) -> Tensor:
        beside = F.leaky_relu(self.text(text.sentence), 0.2)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        joined = F.leaky_relu(self.joint(torch.cat([features, beside], dim=1)), 0.2)
        logits: Tensor = self.logit(joined).flatten()
        return logits


class ResidualDown(nn.Module):
    """Halve the side: a strided and a plain convolution, added to an average-pooled shortcut.

    The sum is scaled to keep the variance (as in StyleGAN2). A learned gain that starts at 0, as in the released code
    of DF-GAN, takes Adam a thousand steps to open, which a run of minutes does not have.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
        self.refine = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, channels_in, side, side) to (batch, channels_out, side/2, side/2)."""
        refined = F.leaky_relu(self.refine(F.leaky_relu(self.down(features), 0.2)), 0.2)
        shortcut: Tensor = self.shortcut(F.avg_pool2d(features, 2))
        return (shortcut + refined).mul(0.5**0.5)

"""The Stage-I generator of the paper, as its TensorFlow code builds it for CUB and Oxford-102 (stageI/model.py)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stackgan_cli.components.protocols import Generated
from stackgan_cli.generators.layers import (
    ConditioningAugmentation,
    bottleneck,
    doublings,
    halved,
    initialise,
    positive,
    to_picture,
    up_block,
)
from stackgan_cli.generators.upsampling import UpsampleConvolution

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import TextFeatures

NAME = "The paper Stage-I generator"


class PaperStage1(nn.Module):
    """Sketches a picture: a linear layer to 4x4, then nearest-neighbour up-blocks, with two residual bottlenecks.

    At 64 pixels and the published widths: 1024 channels at 4x4, 512 at 8x8, 256 at 16x16, 128 at 32x32, then RGB at
    64x64; 14.3 million parameters. Each doubling of the resolution adds one up-block with half the channels.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels: 16, 32, 64, 128, ...
        channels: the published GF_DIM; the 4x4 layer has eight times as many.
        condition_width: width of the condition.
        z_width: width of the noise z; ``noise`` holds z first, then the epsilon of conditioning augmentation.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 64,
        channels: int = 128,
        condition_width: int = 128,
        z_width: int = 100,
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels, condition_width=condition_width, z_width=z_width)
        steps = doublings(resolution, 4, least=2, what=NAME)
        widths = [halved(8 * channels, step, what=NAME) for step in range(steps)]
        self.resolution = resolution
        self.z_width = z_width
        self.noise_width = z_width + condition_width
        self.condition_noise = slice(z_width, None)
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=0.2, log_variance=False, truncated=True
        )
        self.project = nn.Sequential(
            nn.Linear(condition_width + z_width, 16 * widths[0]), nn.BatchNorm1d(16 * widths[0])
        )
        self.blocks = nn.Sequential(
            bottleneck(widths[0], nn.ReLU()),
            up_block(widths[0], widths[1], activated=False),
            bottleneck(widths[1], nn.ReLU()),
            *(up_block(before, after) for before, after in pairwise(widths[1:])),
        )
        self.output = UpsampleConvolution(widths[-1], 3)
        initialise(self, truncated=True)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        """Sketch pictures from noise (batch, noise_width) and sentences (batch, text_width)."""
        z, epsilon = noise[:, : self.z_width], noise[:, self.z_width :]
        condition = self.augmentation(text.sentence, epsilon)
        features = self.project(torch.cat([condition.value, z.float()], dim=1))
        features = self.blocks(features.unflatten(1, (-1, 4, 4)))
        return Generated(to_picture(self.output(features)), condition.kl, condition.mean)

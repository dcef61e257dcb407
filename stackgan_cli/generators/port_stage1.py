"""The Stage-I generator of the authors' PyTorch port (model.py, STAGE1_G), whose checkpoints it takes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stackgan_cli.components.protocols import Generated
from stackgan_cli.generators.layers import (
    ConditioningAugmentation,
    convolution,
    doublings,
    halved,
    initialise,
    positive,
    to_picture,
    up_block,
)
from stackgan_cli.generators.published import UP_BLOCKS, Rules, renamed, shape, split_stages, up_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgan_cli.components.protocols import TextFeatures

NAME = "The port's Stage-I generator"

RULES: Rules = (
    (r"ca_net\.fc\.", r"augmentation.linear."),
    (r"fc\.(\d)\.", r"project.\1."),
    *UP_BLOCKS,
    (r"img\.0\.", r"output."),
)


class PortStage1(nn.Module):
    """Sketches a picture: a linear layer to 4x4, then up-blocks that halve the channels, then a convolution to RGB.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels: 8, 16, 32, 64, ...
        channels: the port's GF_DIM; the 4x4 layer has eight times as many.
        condition_width: the port's CONDITION_DIM.
        z_width: width of the noise z; ``noise`` holds z first, then the epsilon of conditioning augmentation.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 64,
        channels: int = 192,
        condition_width: int = 128,
        z_width: int = 100,
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels, condition_width=condition_width, z_width=z_width)
        steps = doublings(resolution, 4, least=1, what=NAME)
        widths = [halved(8 * channels, step, what=NAME) for step in range(steps + 1)]
        self.resolution = resolution
        self.z_width = z_width
        self.noise_width = z_width + condition_width
        self.condition_noise = slice(z_width, None)
        self.condition_width = condition_width
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=0.0, log_variance=True, truncated=False
        )
        self.project = nn.Sequential(
            nn.Linear(z_width + condition_width, 16 * widths[0], bias=False), nn.BatchNorm1d(16 * widths[0]), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(up_block(before, after) for before, after in pairwise(widths)))
        self.output = convolution(widths[-1], 3, 3)
        initialise(self, truncated=False)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        """Sketch pictures from noise (batch, noise_width) and sentences (batch, text_width)."""
        z, epsilon = noise[:, : self.z_width], noise[:, self.z_width :]
        condition = self.augmentation(text.sentence, epsilon)
        features = self.project(torch.cat([z.float(), condition.value], dim=1))
        features = self.blocks(features.unflatten(1, (-1, 4, 4)))
        return Generated(to_picture(self.output(features)), condition.kl, condition.mean)

    @staticmethod
    def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of a published Stage-I checkpoint, or those of Stage-I inside a Stage-II one, to ours.

        Args:
            state_dict: a ``netG_epoch_N.pth`` of either stage, with or without a leading ``module.``.

        Raises:
            ModelError: a weight that this network does not have.
        """
        inside_stage2, alone = split_stages(state_dict)
        return renamed(inside_stage2 or alone, RULES, what=NAME)

    @staticmethod
    def published_options(state_dict: Mapping[str, Tensor]) -> dict[str, int]:
        """Read the options of a published Stage-I generator, ``text_width`` among them, off the shapes of its weights.

        Raises:
            ModelError: a weight that the shapes are read from is missing.
        """
        weights = PortStage1.from_published(state_dict)
        inside_stage2, alone = split_stages(state_dict)
        double_condition, text_width = shape(weights, "augmentation.linear.weight", 2, NAME)
        outputs, inputs = shape(weights, "project.0.weight", 2, NAME)
        return {
            "text_width": text_width,
            "resolution": 4 * 2 ** up_blocks(inside_stage2 or alone),
            "channels": outputs // (16 * 8),
            "condition_width": double_condition // 2,
            "z_width": inputs - double_condition // 2,
        }

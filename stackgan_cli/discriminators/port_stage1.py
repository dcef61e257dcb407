"""The Stage-I discriminator of the authors' PyTorch port (model.py, STAGE1_D), whose checkpoints it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from stackgan_cli.discriminators.layers import (
    MatchingDiscriminator,
    down_blocks,
    encoder_widths,
    joint_block,
    to_logit,
)
from stackgan_cli.generators.layers import doublings, initialise, positive
from stackgan_cli.generators.published import Rules, renamed, shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NAME = "The port's Stage-I discriminator"

RULES: Rules = (
    (r"encode_img\.", "picture."),
    (r"get_cond_logits\.outlogits\.", "matching."),
    (r"get_uncond_logits\.outlogits\.", "realism."),
)


class PortStage1Discriminator(MatchingDiscriminator):
    """Judges 64 px pictures: four halvings, and a 3x3 convolution that joins the condition.

    It judges by the mean of the generator's conditioning distribution, given as ``TextFeatures(sentence=mean)``, and
    not by the sentence vector.

    Args:
        text_width: width of that mean, the port's CONDITION_DIM.
        resolution: side of the picture in pixels: 8, 16, 32, 64, ...
        channels: the port's DF_DIM.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(self, *, text_width: int, resolution: int = 64, channels: int = 96) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels)
        steps = doublings(resolution, 4, least=1, what=NAME)
        widths = encoder_widths(channels, steps, 8 * channels)
        self.resolution = resolution
        self.picture = nn.Sequential(*down_blocks(widths))
        self.sentence = nn.Identity()
        self.matching = nn.Sequential(
            *joint_block(widths[-1] + text_width, widths[-1], 3), to_logit(widths[-1], bias=True)
        )
        initialise(self, truncated=False)

    @staticmethod
    def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of a published discriminator of either stage to ours.

        Args:
            state_dict: a ``netD_epoch_last.pth``, with or without a leading ``module.``.

        Raises:
            ModelError: a weight that this network does not have.
        """
        return renamed(state_dict, RULES, what=NAME)

    @staticmethod
    def published_options(state_dict: Mapping[str, Tensor]) -> dict[str, int]:
        """Read the options of a published discriminator of either stage, ``text_width`` among them, off its shapes.

        Raises:
            ModelError: a weight that the shapes are read from is missing.
        """
        weights = PortStage1Discriminator.from_published(state_dict)
        code, joined = shape(weights, "matching.0.weight", 4, NAME)[:2]
        return {"text_width": joined - code, "channels": shape(weights, "picture.0.weight", 4, NAME)[0]}

"""The Stage-I discriminator of the paper, as its TensorFlow code builds it (stageI/model.py)."""

from __future__ import annotations

from torch import nn

from stackgan_cli.discriminators.layers import (
    MatchingDiscriminator,
    down_blocks,
    encoder_widths,
    joint_block,
    leaky,
    to_logit,
)
from stackgan_cli.generators.layers import bottleneck, doublings, initialise, positive

NAME = "The paper Stage-I discriminator"


class PaperStage1Discriminator(MatchingDiscriminator):
    """Judges 64 px pictures: four halvings, a residual bottleneck, and a 1x1 convolution that joins the sentence.

    4.0 million parameters as published. The last two halvings have no activation behind their batch norm; that is how
    the published network is. Each doubling of the resolution adds one halving, with at most eight times ``channels``.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels: 16, 32, 64, ...
        channels: the published DF_DIM.
        condition_width: width to which the sentence is brought before it is joined.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self, *, text_width: int, resolution: int = 64, channels: int = 64, condition_width: int = 128
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels, condition_width=condition_width)
        steps = doublings(resolution, 4, least=2, what=NAME)
        widths = encoder_widths(channels, steps, 8 * channels)
        self.resolution = resolution
        self.picture = nn.Sequential(*down_blocks(widths, silent=2), bottleneck(widths[-1], leaky()))
        self.sentence = nn.Sequential(nn.Linear(text_width, condition_width), leaky())
        self.matching = nn.Sequential(
            *joint_block(widths[-1] + condition_width, widths[-1], 1), to_logit(widths[-1], bias=False)
        )
        initialise(self, truncated=True)

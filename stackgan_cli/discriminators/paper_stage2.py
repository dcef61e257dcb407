"""The Stage-II discriminator of the paper, as its TensorFlow code builds it (stageII/model.py)."""

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

NAME = "The paper Stage-II discriminator"


class PaperStage2Discriminator(MatchingDiscriminator):
    """Judges 256 px pictures: six halvings to 4x4, 1x1 reductions, a residual bottleneck, and a 1x1 joining layer.

    48.6 million parameters as published: 2048 channels at 4x4, reduced to 1024 and to 512. Other resolutions have as
    many halvings as lead to 4x4, at most 32 times ``channels``, and the reductions that lead to eight times.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels: 64, 128, 256, ...
        channels: the published DF_DIM.
        condition_width: width to which the sentence is brought before it is joined.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self, *, text_width: int, resolution: int = 256, channels: int = 64, condition_width: int = 128
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels, condition_width=condition_width)
        steps = doublings(resolution, 4, least=4, what=NAME)
        layers = down_blocks(encoder_widths(channels, steps, 32 * channels))
        width = min(2 ** (steps - 1), 32) * channels
        code = 8 * channels
        while width > code:
            layers += joint_block(width, width // 2, 1, activated=width // 2 > code)
            width //= 2
        self.resolution = resolution
        self.picture = nn.Sequential(*layers, bottleneck(code, leaky()))
        self.sentence = nn.Sequential(nn.Linear(text_width, condition_width), leaky())
        self.matching = nn.Sequential(*joint_block(code + condition_width, code, 1), to_logit(code, bias=False))
        initialise(self, truncated=True)

"""The Stage-II discriminator of the authors' PyTorch port (model.py, STAGE2_D), whose checkpoints it takes."""

from __future__ import annotations

from torch import nn

from stackgan_cli.discriminators.layers import (
    MatchingDiscriminator,
    down_blocks,
    encoder_widths,
    joint_block,
    to_logit,
)
from stackgan_cli.discriminators.port_stage1 import PortStage1Discriminator
from stackgan_cli.generators.layers import doublings, initialise, positive

NAME = "The port's Stage-II discriminator"


class PortStage2Discriminator(MatchingDiscriminator):
    """Judges 256 px pictures: six halvings, 3x3 reductions, a joining 3x3 convolution, and a second head without text.

    It judges by the mean of the generator's conditioning distribution, given as ``TextFeatures(sentence=mean)``. Its
    judgements carry ``realism``. Published checkpoints are renamed as those of Stage-I are.

    Args:
        text_width: width of that mean, the port's CONDITION_DIM.
        resolution: side of the picture in pixels: 64, 128, 256, ...
        channels: the port's DF_DIM.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(self, *, text_width: int, resolution: int = 256, channels: int = 96) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, channels=channels)
        steps = doublings(resolution, 4, least=4, what=NAME)
        layers = down_blocks(encoder_widths(channels, steps, 32 * channels))
        width = min(2 ** (steps - 1), 32) * channels
        code = 8 * channels
        while width > code:
            layers += joint_block(width, width // 2, 3)
            width //= 2
        self.resolution = resolution
        self.picture = nn.Sequential(*layers)
        self.sentence = nn.Identity()
        self.matching = nn.Sequential(*joint_block(code + text_width, code, 3), to_logit(code, bias=True))
        self.realism = nn.Sequential(to_logit(code, bias=True))
        initialise(self, truncated=False)

    published_options = staticmethod(PortStage1Discriminator.published_options)
    from_published = staticmethod(PortStage1Discriminator.from_published)

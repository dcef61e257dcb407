"""Layers that the published discriminators are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from stackgan_cli.components.protocols import Judgement
from stackgan_cli.generators.layers import append_condition, convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.components.protocols import TextFeatures


def leaky() -> nn.LeakyReLU:
    """Build the activation of every published discriminator, slope 0.2."""
    return nn.LeakyReLU(0.2)


def encoder_widths(channels: int, steps: int, most: int) -> list[int]:
    """Give the widths after each of ``steps`` halvings of the size: doubling from ``channels``, at most ``most``."""
    return [min(channels * 2**step, most) for step in range(steps)]


def joint_block(inputs: int, outputs: int, kernel: int, *, activated: bool = True) -> list[nn.Module]:
    """Build a convolution that keeps the size, batch norm and, if ``activated``, the leaky ReLU."""
    layers: list[nn.Module] = [convolution(inputs, outputs, kernel), nn.BatchNorm2d(outputs)]
    return [*layers, leaky()] if activated else layers


def down_blocks(widths: Sequence[int], *, silent: int = 0) -> list[nn.Module]:
    """Build 4x4 convolutions with stride 2 from RGB through ``widths``, batch norm after all but the first.

    Args:
        widths: channels after each.
        silent: how many of the last have no activation; the first always has one.
    """
    layers: list[nn.Module] = [convolution(3, widths[0], 4, 2), leaky()]
    for step in range(1, len(widths)):
        layers += [convolution(widths[step - 1], widths[step], 4, 2), nn.BatchNorm2d(widths[step])]
        if step < len(widths) - silent:
            layers.append(leaky())
    return layers


def to_logit(channels: int, *, bias: bool) -> nn.Conv2d:
    """Build the 4x4 convolution that reads one logit off (batch, channels, 4, 4)."""
    return nn.Conv2d(channels, 1, 4, stride=4, bias=bias)


class MatchingDiscriminator(nn.Module):
    """What all published discriminators share: pictures are encoded to 4x4 once and joined with each text in turn.

    A subclass sets the three networks and may set the fourth.
    """

    resolution: int
    picture: nn.Module
    """(batch, 3, resolution, resolution) to (batch, channels, 4, 4)."""
    sentence: nn.Module
    """(batch, text_width) to what is appended at every place."""
    matching: nn.Module
    """(batch, channels + sentence width, 4, 4) to (batch, 1, 1, 1)."""
    realism: nn.Module | None
    """(batch, channels, 4, 4) to (batch, 1, 1, 1), or None."""

    def __init__(self) -> None:
        super().__init__()
        # Not a class attribute: that would hide the registered module of a subclass.
        self.realism = None

    def forward(
        self,
        images: Tensor,
        texts: Sequence[TextFeatures],
        given: Tensor | None = None,  # noqa: ARG002 - the published networks do not look at the Stage-I picture
    ) -> list[Judgement]:
        """Judge pictures (batch, 3, resolution, resolution) in [-1, 1] beside each batch of texts; float32 logits."""
        features = self.picture(images)
        realism = None if self.realism is None else self.realism(features).flatten().float()
        return [
            Judgement(
                self.matching(append_condition(features, self.sentence(text.sentence))).flatten().float(), realism
            )
            for text in texts
        ]

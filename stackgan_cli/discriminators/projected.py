"""A discriminator that looks through pretrained features instead of at pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from stackgan_cli.components.protocols import Judgement
from stackgan_cli.errors import SettingsError
from stackgan_cli.extractors.looking_through import frozen_features
from stackgan_cli.generators.layers import positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures

NAME = "The projected discriminator"


class ProjectedDiscriminator(nn.Module):
    """Small heads over the maps of a frozen, pretrained network (after Sauer et al. 2021, *Projected GANs*).

    A network that has seen a million photographs need not learn from a few thousand pictures what a petal is, and
    cannot learn the training pictures by heart, because it does not learn. Each depth has a head of its own, which
    brings its map down to the side of the deepest one and judges every place of it beside the text; a head's logit is
    the mean over the places, and the heads are not averaged, so that each has its own loss, as published. Of the
    published method, the random mixing of channels and depths is left out.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the picture in pixels.
        features: the feature extractor whose maps are judged (``stackgan components list``).
        input_side: side in pixels at which the extractor sees pictures; by default 96, or three quarters of the
            resolution where that is more.
        channels: of each head.
        text_channels: width of the text beside a head's map.

    Raises:
        ComponentError: the extractor is not here.
        SettingsError: a number is below one, the side is too small, or the extractor only measures.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 64,
        features: str = "imagenet-lite0",
        input_side: int | None = None,
        channels: int = 64,
        text_channels: int = 64,
    ) -> None:
        super().__init__()
        positive(NAME, text_width=text_width, resolution=resolution, channels=channels, text_channels=text_channels)
        self.features = frozen_features(features)
        deepest = max(self.features.strides)
        self._side = max(96, resolution * 3 // 4 // deepest * deepest) if input_side is None else input_side
        if self._side < deepest:
            raise SettingsError(f"{features} cannot look at {self._side} pixels.", hint=f"an input_side from {deepest}")
        self.text = nn.Linear(text_width, text_channels)
        self.heads = nn.ModuleList(
            _Head(width, (deepest // stride).bit_length() - 1, channels, text_channels)
            for width, stride in zip(self.features.channels, self.features.strides, strict=True)
        )

    def train(self, mode: bool = True) -> ProjectedDiscriminator:
        """Train the heads; the features stay as they are."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(
        self,
        images: Tensor,
        texts: Sequence[TextFeatures],
        given: Tensor | None = None,  # noqa: ARG002
    ) -> list[Judgement]:
        """Judge pictures (batch, 3, resolution, resolution) beside each batch of texts; ``given`` is not looked at.

        Returns:
            Judgements of (batch, heads) logits.
        """
        if images.shape[-1] != self._side:
            shrinks = images.shape[-1] > self._side
            size = (self._side, self._side)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=shrinks, align_corners=False)
        beside = [F.leaky_relu(self.text(text.sentence), 0.2) for text in texts]
        heads = zip(self.heads, self.features.maps(images), strict=True)
        # For each head its logits beside each text.
        logits = [head(maps, beside) for head, maps in heads]
        return [Judgement(torch.stack(of_text, dim=1)) for of_text in zip(*logits, strict=True)]


class _Head(nn.Module):
    """Judges one map beside texts.

    Args:
        inputs: channels of the map.
        halvings: how often its side is halved.
        channels: of the head.
        text_channels: width of the text.
    """

    def __init__(self, inputs: int, halvings: int, channels: int, text_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_spectral(inputs, channels, 1)]
        for _ in range(halvings):
            layers += [nn.LeakyReLU(0.2), _spectral(channels, channels, 4, stride=2)]
        self.look = nn.Sequential(*layers)
        self.joint = _spectral(channels + text_channels, channels, 3)
        self.logit = _spectral(channels, 1, 1)

    def forward(self, maps: Tensor, texts: Sequence[Tensor]) -> list[Tensor]:
        """Give logits (batch,) of a map beside each batch of texts (batch, text_channels)."""
        seen = F.leaky_relu(self.look(maps), 0.2)
        beside = [text[:, :, None, None].expand(-1, -1, *seen.shape[2:]) for text in texts]
        joined = [F.leaky_relu(self.joint(torch.cat([seen, text], dim=1)), 0.2) for text in beside]
        return [self.logit(each).float().mean((1, 2, 3)) for each in joined]


def _spectral(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))

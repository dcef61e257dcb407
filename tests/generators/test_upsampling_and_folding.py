from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.generators.folding import fold
from stackgan_cli.generators.modulated_stage1 import ModulatedStage1
from stackgan_cli.generators.paper_stage1 import PaperStage1
from stackgan_cli.generators.paper_stage2 import PaperStage2
from stackgan_cli.generators.port_stage1 import PortStage1
from stackgan_cli.generators.upsampling import UpsampleConvolution

SHAPES = [(3, 5, 4, 4), (1, 1, 1, 1), (4, 2, 7, 3)]


def resize_then_convolve(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(F.interpolate(features, scale_factor=2, mode="nearest"), weight, padding=1)


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), SHAPES)
def test_the_layer_is_resizing_and_convolving_forward_and_backward(
    inputs: int, outputs: int, height: int, width: int
) -> None:
    torch.manual_seed(0)
    layer = UpsampleConvolution(inputs, outputs).double()
    features = torch.randn(2, inputs, height, width, dtype=torch.float64, requires_grad=True)
    made = layer(features)
    expected = resize_then_convolve(features, layer.weight)
    assert made.shape == (2, outputs, 2 * height, 2 * width)
    assert torch.allclose(made, expected, rtol=0, atol=1e-10)
    upstream = torch.randn_like(made)
    ours = torch.autograd.grad(made, [features, layer.weight], upstream, retain_graph=True)
    theirs = torch.autograd.grad(expected, [features, layer.weight], upstream)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("channels", "side"), [(16, 4), (64, 2)])
def test_the_layer_is_as_exact_as_bfloat16_allows(channels: int, side: int) -> None:
    torch.manual_seed(0)
    layer, features = UpsampleConvolution(channels, 8 * channels), torch.randn(2, channels, side, side)
    with torch.autocast("cpu", torch.bfloat16):
        made = layer(features)
    expected = resize_then_convolve(features, layer.weight)
    assert (made.float() - expected).norm() / expected.norm() < 0.01


def test_only_the_three_by_three_kernel_is_stored() -> None:
    assert {name: tuple(each.shape) for name, each in UpsampleConvolution(3, 5).state_dict().items()} == {
        "weight": (5, 3, 3, 3)
    }


def used(network: nn.Module) -> nn.Module:
    """A network whose batch-norms have seen something and whose scales and shifts are no ones and zeros."""
    torch.manual_seed(5)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            for value in (layer.running_mean, layer.running_var, layer.weight.data, layer.bias.data):
                assert value is not None
                value.copy_(0.5 + torch.rand_like(value))
    return network.eval().requires_grad_(False)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "paper": lambda: PaperStage1(text_width=12, resolution=16, channels=8),
    "port": lambda: PortStage1(text_width=12, resolution=16, channels=8),
    "modulated": lambda: ModulatedStage1(text_width=12, resolution=16, channels=8, max_channels=16),
}


def drawn(network: nn.Module) -> torch.Tensor:
    torch.manual_seed(6)
    noise = torch.randn(3, int(network.noise_width))  # type: ignore[arg-type]
    images: torch.Tensor = network(noise, TextFeatures(torch.randn(3, 12))).images
    return images


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_generator_draws_the_same_without_batch_norms(name: str) -> None:
    network = used(NETWORKS[name]())
    folded = copy.deepcopy(network)
    fold(folded)
    assert torch.allclose(drawn(folded), drawn(network), atol=1e-5)
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def test_a_folded_second_stage_draws_the_same_in_half_precision_too() -> None:
    network = used(PaperStage2(text_width=12, resolution=32, input_resolution=16, channels=8, residual_blocks=1))
    arguments = (torch.rand(2, 3, 16, 16) * 2 - 1, torch.randn(2, 128), TextFeatures(torch.randn(2, 12)))
    expected = network(*arguments).images
    folded, half = copy.deepcopy(network), copy.deepcopy(network)
    fold(folded)
    assert torch.allclose(folded(*arguments).images, expected, atol=1e-5)
    fold(half, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        made = half(*arguments).images
    assert made.dtype == torch.float32
    assert (made - expected).abs().mean() < 0.02


def test_a_sequence_that_others_may_read_between_is_left_alone() -> None:
    class Watched(nn.Sequential):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            between = self[0](features)
            return between + self[1](between)  # type: ignore[no-any-return]

    network = used(nn.Sequential(Watched(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))))
    features = torch.randn(1, 2, 3, 3)
    expected = network(features)
    fold(network)
    assert torch.equal(network(features), expected)

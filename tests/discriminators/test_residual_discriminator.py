from __future__ import annotations

import pytest
import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.discriminators.residual import ResidualDiscriminator
from stackgan_cli.errors import SettingsError

SMALL = {"text_width": 6, "channels": 4, "max_channels": 8, "text_channels": 5}


def disturbed(**options: int) -> ResidualDiscriminator:
    torch.manual_seed(2)
    network = ResidualDiscriminator(**{**SMALL, **options})
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return network


@pytest.mark.parametrize(("resolution", "patch"), [(16, 1), (16, 2), (32, 4), (64, 2)])
def test_each_picture_is_judged_by_itself_beside_each_text(resolution: int, patch: int) -> None:
    network = disturbed(resolution=resolution, patch=patch)
    images = torch.rand(3, 3, resolution, resolution) * 2 - 1
    right, wrong = torch.randn(3, 6), torch.randn(3, 6)
    both = network(images, [TextFeatures(right), TextFeatures(wrong)])
    assert [tuple(each.matching.shape) for each in both] == [(3,), (3,)]
    assert all(each.realism is None for each in both)
    (alone,) = network(images[1:2], [TextFeatures(wrong[1:2])])
    assert torch.allclose(alone.matching, both[1].matching[1:2], atol=1e-5)
    assert (both[0].matching - both[1].matching).abs().max() > 1e-4


def test_every_weight_gets_a_gradient() -> None:
    network = disturbed(resolution=32)
    network(torch.rand(2, 3, 32, 32), [TextFeatures(torch.randn(2, 6))])[0].matching.sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in network.parameters())


@pytest.mark.parametrize(("resolution", "patch"), [(8, 2), (48, 2), (64, 3), (0, 1), (16, 4), (64, 0)])
def test_sizes_that_cannot_be_judged_are_refused(resolution: int, patch: int) -> None:
    with pytest.raises(SettingsError):
        ResidualDiscriminator(resolution=resolution, patch=patch, **SMALL)

from __future__ import annotations

import pytest
import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.discriminators.projected import ProjectedDiscriminator
from stackgan_cli.errors import SettingsError


def network(**options: object) -> ProjectedDiscriminator:
    torch.manual_seed(3)
    return ProjectedDiscriminator(text_width=6, channels=8, text_channels=4, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("resolution", [64, 256])
def test_every_depth_judges_each_picture_beside_each_text(resolution: int) -> None:
    judge = network(resolution=resolution).eval()
    images = torch.rand(2, 3, resolution, resolution) * 2 - 1
    right, wrong = TextFeatures(torch.randn(2, 6)), TextFeatures(torch.randn(2, 6))
    one, other = (each.matching for each in judge(images, [right, wrong]))
    assert one.shape == other.shape == (2, 4)
    assert (one - other).abs().max() > 1e-5
    (alone,) = judge(images[1:], [TextFeatures(wrong.sentence[1:])])
    assert torch.allclose(alone.matching, other[1:], atol=1e-4)


def test_what_it_looks_through_is_neither_trained_nor_saved() -> None:
    judge = network().train()
    assert not judge.features.training
    assert not any(key.startswith("features.") for key in judge.state_dict())
    judge(torch.rand(2, 3, 64, 64), [TextFeatures(torch.randn(2, 6))])[0].matching.sum().backward()
    assert all(weight.grad is not None for weight in judge.parameters())
    assert sum(weight.numel() for weight in judge.parameters()) < 30_000


def test_an_extractor_that_only_measures_is_refused() -> None:
    with pytest.raises(SettingsError, match="no maps"):
        network(features="domain-classifier")

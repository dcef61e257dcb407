from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import SettingsError
from stackgan_cli.generators.modulated_stage1 import ModulatedStage1
from stackgan_cli.generators.modulated_stage2 import ModulatedStage2

SMALL = {"text_width": 12, "channels": 4, "max_channels": 8, "condition_width": 6, "z_width": 5, "style_width": 7}


def disturbed(network: nn.Module) -> nn.Module:
    """A network whose layers that start at zero do so no more."""
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


def test_a_sketch_does_not_depend_on_its_neighbours() -> None:
    generator = disturbed(ModulatedStage1(resolution=16, **SMALL)).train()
    noise, sentence = torch.randn(5, generator.noise_width), torch.randn(5, 12)
    together = generator(noise, TextFeatures(sentence)).images
    for at in range(5):
        alone = generator(noise[at : at + 1], TextFeatures(sentence[at : at + 1])).images
        assert torch.allclose(alone[0], together[at], atol=1e-5)


def test_a_refined_picture_does_not_depend_on_its_neighbours() -> None:
    generator = disturbed(ModulatedStage2(resolution=32, input_resolution=16, **SMALL)).train()
    sketch = torch.rand(4, 3, 16, 16) * 2 - 1
    noise, sentence = torch.randn(4, generator.noise_width), torch.randn(4, 12)
    together = generator(sketch, noise, TextFeatures(sentence)).images
    assert together.shape == (4, 3, 32, 32)
    for at in range(4):
        one = slice(at, at + 1)
        alone = generator(sketch[one], noise[one], TextFeatures(sentence[one])).images
        assert torch.allclose(alone[0], together[at], atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(16, 32), (16, 64), (8, 64)])
def test_stage_two_begins_as_the_enlarged_sketch(before: int, after: int) -> None:
    torch.manual_seed(1)
    generator = ModulatedStage2(resolution=after, input_resolution=before, **SMALL)
    sketch = torch.rand(3, 3, before, before) * 2 - 1
    made = generator(sketch, torch.randn(3, generator.noise_width), TextFeatures(torch.randn(3, 12))).images
    enlarged = F.interpolate(sketch, size=after, mode="bilinear", align_corners=False)
    assert (made - enlarged).abs().max() <= 0.0101


def test_stage_two_learns_from_a_sketch_at_the_ends_of_the_range() -> None:
    generator = ModulatedStage2(resolution=32, input_resolution=16, **SMALL)
    sketch = torch.ones(2, 3, 16, 16)
    made = generator(sketch, torch.randn(2, generator.noise_width), TextFeatures(torch.randn(2, 12))).images
    made.sum().backward()
    gradient = generator.to_rgb.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 1e-3


def test_a_mirrored_generator_draws_half_of_its_pictures_the_other_way_round() -> None:
    generator = disturbed(ModulatedStage1(resolution=16, mirrored=True, **SMALL))
    noise, text = torch.randn(200, generator.noise_width), TextFeatures(torch.randn(200, 12))
    other = noise.clone()
    other[:, 0] *= -1
    drawn, again = generator(noise, text).images, generator(other, text).images
    assert torch.equal(drawn, again.flip(3))
    assert not torch.equal(drawn, again)
    plain = ModulatedStage1(resolution=16, **SMALL)
    plain.load_state_dict(generator.state_dict())
    to_the_left = noise[:, 0] < 0
    as_plain = plain(torch.cat([noise[:, :1].abs(), noise[:, 1:]], dim=1), text).images
    assert torch.equal(drawn[~to_the_left], as_plain[~to_the_left])
    assert torch.equal(drawn[to_the_left].flip(3), as_plain[to_the_left])
    assert 60 < int(to_the_left.sum()) < 140


def test_text_and_noise_both_matter() -> None:
    generator = disturbed(ModulatedStage1(resolution=16, **SMALL))
    noise, sentence = torch.randn(1, generator.noise_width), torch.randn(1, 12)
    first = generator(noise, TextFeatures(sentence)).images
    assert (generator(noise, TextFeatures(-sentence)).images - first).abs().max() > 1e-3
    assert (generator(-noise, TextFeatures(sentence)).images - first).abs().max() > 1e-3
    assert first.abs().max() <= 1


@pytest.mark.parametrize("resolution", [0, 4, 12, 65, 100])
def test_sizes_that_cannot_be_drawn_are_refused(resolution: int) -> None:
    with pytest.raises(SettingsError):
        ModulatedStage1(resolution=resolution, **SMALL)
    with pytest.raises(SettingsError):
        ModulatedStage2(resolution=resolution, input_resolution=16, **SMALL)


@pytest.mark.parametrize("network", [ModulatedStage1, ModulatedStage2])
@pytest.mark.parametrize("option", ["channels", "max_channels", "style_width", "condition_width", "z_width"])
def test_a_width_of_nothing_is_refused_by_name(network: type, option: str) -> None:
    with pytest.raises(SettingsError, match=f"{option} = 0"):
        network(text_width=8, **{option: 0})

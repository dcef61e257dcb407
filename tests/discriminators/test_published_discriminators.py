from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.discriminators.paper_stage1 import PaperStage1Discriminator
from stackgan_cli.discriminators.paper_stage2 import PaperStage2Discriminator
from stackgan_cli.discriminators.port_stage1 import PortStage1Discriminator
from stackgan_cli.discriminators.port_stage2 import PortStage2Discriminator
from stackgan_cli.errors import SettingsError

GOLDEN = Path(__file__).parents[1] / "golden" / "stackgan_pytorch"
ALL = [PaperStage1Discriminator, PaperStage2Discriminator, PortStage1Discriminator, PortStage2Discriminator]
SMALL = {"text_width": 12, "channels": 4, "resolution": 64}


def golden(name: str) -> Tensor:
    return torch.from_numpy(np.load(GOLDEN / "expected.npz")[name])


def near(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_port_computes_the_published_functions() -> None:
    weights = load_file(GOLDEN / "netD_stage1.safetensors")
    assert PortStage1Discriminator.published_options(weights) == {"text_width": 16, "channels": 4}
    network = PortStage1Discriminator(**PortStage1Discriminator.published_options(weights)).eval()
    network.load_state_dict(PortStage1Discriminator.from_published(weights))
    [judgement] = network(golden("stage1_image"), [TextFeatures(golden("stage1_mu"))])
    near(judgement.matching.sigmoid(), golden("stage1_matching_probability"))
    assert judgement.realism is None

    weights = load_file(GOLDEN / "netD_stage2.safetensors")
    network = PortStage2Discriminator(**PortStage2Discriminator.published_options(weights)).eval()
    network.load_state_dict(PortStage2Discriminator.from_published(weights))
    [judgement] = network(golden("stage2_image"), [TextFeatures(golden("stage2_mu"))])
    near(judgement.matching.sigmoid(), golden("stage2_matching_probability"))
    near(judgement.realism.sigmoid(), golden("stage2_realism_probability"))


@pytest.mark.parametrize(("network", "millions"), [(PaperStage1Discriminator, 4.0), (PaperStage2Discriminator, 48.6)])
def test_the_paper_discriminators_have_the_published_size(network: type[nn.Module], millions: float) -> None:
    with torch.device("meta"):
        built = network(text_width=1024)
    assert sum(weight.numel() for weight in built.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def features_seen(network: nn.Module, resolution: int) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:3])))
    network(torch.rand(2, 3, resolution, resolution), [TextFeatures(torch.randn(2, 1024))])
    return seen


def test_paper_discriminators_have_the_published_layers() -> None:
    joined = [(128, 4), (128, 4), (512, 4), (512, 4), (1, 1)]
    stage1 = PaperStage1Discriminator(text_width=1024)
    assert features_seen(stage1, 64) == [(64, 32), (128, 16), (256, 8), (512, 4), *joined]
    stage2 = PaperStage2Discriminator(text_width=1024)
    halvings = [(64, 128), (128, 64), (256, 32), (512, 16), (1024, 8), (2048, 4)]
    assert features_seen(stage2, 256) == [*halvings, (1024, 4), (512, 4), *joined]
    for network in (stage1, stage2):
        assert network.matching[0].in_channels == 640
        assert network.matching[0].kernel_size == (1, 1)
        assert network.matching[-1].bias is None


def test_the_missing_activations_of_the_paper_are_missing() -> None:
    kinds = [type(layer).__name__ for layer in PaperStage1Discriminator(text_width=8).picture]
    first = ["Conv2d", "LeakyReLU", "Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert kinds == [*first, "Conv2d", "BatchNorm2d", "Conv2d", "BatchNorm2d", "Residual"]
    kinds = [type(layer).__name__ for layer in PaperStage2Discriminator(text_width=8).picture]
    assert kinds[-6:] == ["Conv2d", "BatchNorm2d", "LeakyReLU", "Conv2d", "BatchNorm2d", "Residual"]


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_every_text_is_judged_in_order_at_other_resolutions(network: type[nn.Module], resolution: int) -> None:
    torch.manual_seed(0)
    built = network(**{**SMALL, "resolution": resolution}).eval()
    images = torch.rand(3, 3, resolution, resolution)
    right, wrong = TextFeatures(torch.randn(3, 12)), TextFeatures(torch.randn(3, 12))
    both = built(images, [right, wrong])
    assert [judgement.matching.shape for judgement in both] == [(3,), (3,)]
    for text, judgement in zip([right, wrong], both, strict=True):
        torch.testing.assert_close(judgement.matching, built(images, [text])[0].matching)
        alone = built(images[1:2], [TextFeatures(text.sentence[1:2])])[0].matching
        torch.testing.assert_close(judgement.matching[1:2], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", ALL)
def test_the_text_sways_the_logits(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL)
    images = torch.rand(4, 3, 64, 64)
    one, other = built(images, [TextFeatures(torch.randn(4, 12)), TextFeatures(9 * torch.randn(4, 12))])
    assert not torch.allclose(one.matching, other.matching)
    if one.realism is not None:
        assert torch.equal(one.realism, other.realism)


@pytest.mark.parametrize("network", ALL)
def test_gradients_reach_every_parameter_of_a_discriminator(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL)
    judgements = built(torch.rand(4, 3, 64, 64), [TextFeatures(torch.randn(4, 12))])
    for judgement in judgements:
        (judgement.matching * torch.randn(4)).sum().backward(retain_graph=True)
        if judgement.realism is not None:
            judgement.realism.sum().backward(retain_graph=True)
    assert [name for name, weight in built.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("network", ALL)
def test_bfloat16_gives_float32_logits_that_are_nearly_the_same(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL).to(memory_format=torch.channels_last)
    images, text = torch.rand(8, 3, 64, 64), TextFeatures(torch.randn(8, 12))
    plain = built(images, [text])[0].matching
    with torch.autocast("cpu", torch.bfloat16):
        rounded = built(images, [text])[0].matching
    assert rounded.dtype == torch.float32
    assert (rounded - plain).abs().mean() < 0.1


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize("options", [{"resolution": 100}, {"resolution": 4}, {"channels": 0}, {"text_width": 0}])
def test_sizes_that_a_discriminator_cannot_have_are_refused(network: type[nn.Module], options: dict[str, int]) -> None:
    with pytest.raises(SettingsError) as caught:
        network(**{**SMALL, **options})
    assert caught.value.hint

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.generators.paper_stage1 import PaperStage1
from stackgan_cli.generators.paper_stage2 import PaperStage2
from stackgan_cli.generators.port_stage1 import PortStage1
from stackgan_cli.generators.port_stage2 import PortStage2
from stackgan_cli.generators.upsampling import UpsampleConvolution

GOLDEN = Path(__file__).parents[1] / "golden" / "stackgan_pytorch"
SMALL = {"text_width": 12, "channels": 16, "condition_width": 8}
STAGE1 = [PaperStage1, PortStage1]
STAGE2 = [PaperStage2, PortStage2]


def golden(name: str) -> Tensor:
    return torch.from_numpy(np.load(GOLDEN / "expected.npz")[name])


def rebuilt(network: type[PortStage1 | PortStage2], weights: dict[str, Tensor]) -> nn.Module:
    built = network(**network.published_options(weights)).eval()
    built.load_state_dict(network.from_published(weights))
    return built


def near(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_stage1_of_the_port_computes_the_published_function() -> None:
    network = rebuilt(PortStage1, load_file(GOLDEN / "netG_stage1.safetensors"))
    noise = torch.cat([golden("noise"), torch.zeros(3, 16)], dim=1)
    result = network(noise, TextFeatures(golden("text")))
    near(result.images, golden("stage1_image"))
    near(result.condition, golden("stage1_mu"))
    near(2 * network.augmentation.moments(golden("text"))[1], golden("stage1_logvar"))


@torch.no_grad()
def test_stage2_of_the_port_computes_the_published_function_and_holds_its_stage1() -> None:
    weights = {f"module.{name}": weight for name, weight in load_file(GOLDEN / "netG_stage2.safetensors").items()}
    text = TextFeatures(golden("text"))
    stage1 = rebuilt(PortStage1, weights)
    sketch = stage1(torch.cat([golden("noise"), torch.zeros(3, 16)], dim=1), text).images
    near(sketch, golden("stage2_stage1_image"))
    stage2 = rebuilt(PortStage2, weights)
    result = stage2(sketch, torch.zeros(3, stage2.noise_width), text)
    near(result.images, golden("stage2_image"))
    near(result.condition, golden("stage2_mu"))
    near(2 * stage2.augmentation.moments(text.sentence)[1], golden("stage2_logvar"))


def test_published_options_are_those_of_the_checkpoint() -> None:
    weights = load_file(GOLDEN / "netG_stage2.safetensors")
    expected = {"text_width": 1024, "channels": 4, "condition_width": 16}
    assert PortStage1.published_options(weights) == {**expected, "z_width": 100, "resolution": 64}
    sides = {"resolution": 256, "input_resolution": 64}
    assert PortStage2.published_options(weights) == {**expected, **sides, "residual_blocks": 2}


class Published(nn.Module):
    """STAGE1_G once more, from its published table and names alone, for weights whose pictures are not all 0."""

    def __init__(self, text: int, condition: int, noise: int, width: int) -> None:
        super().__init__()
        self.ca_net = nn.ModuleDict({"fc": nn.Linear(text, 2 * condition)})
        self.fc = nn.Sequential(
            nn.Linear(noise + condition, 16 * width, bias=False), nn.BatchNorm1d(16 * width), nn.ReLU()
        )
        for block in range(1, 5):
            inputs = width // 2 ** (block - 1)
            layers = [nn.Conv2d(inputs, inputs // 2, 3, 1, 1, bias=False), nn.BatchNorm2d(inputs // 2), nn.ReLU()]
            self.add_module(f"upsample{block}", nn.Sequential(nn.Upsample(scale_factor=2), *layers))
        self.img = nn.Sequential(nn.Conv2d(width // 16, 3, 3, 1, 1, bias=False), nn.Tanh())

    def forward(self, noise: Tensor, epsilon: Tensor, text: Tensor) -> Tensor:
        mean, log_variance = self.ca_net["fc"](text).relu().chunk(2, 1)
        code = self.fc(torch.cat([noise, mean + (0.5 * log_variance).exp() * epsilon], 1))
        code = code.view(len(code), -1, 4, 4)
        for block in range(1, 5):
            code = self.get_submodule(f"upsample{block}")(code)
        return self.img(code)


@pytest.mark.parametrize("training", [True, False])
def test_stage1_of_the_port_equals_a_second_construction(training: bool) -> None:
    torch.manual_seed(3)
    theirs = Published(text=20, condition=6, noise=9, width=48).train(training)
    for weight in theirs.parameters():
        nn.init.normal_(weight, std=0.3)
    for name, statistics in theirs.named_buffers():
        if name.endswith(("mean", "var")):
            nn.init.uniform_(statistics, 0.5, 1.5)
    old = {name: weight for name, weight in theirs.state_dict().items() if "num_batches" not in name}
    ours = rebuilt(PortStage1, old).train(training)
    noise, epsilon, text = torch.randn(5, 9), torch.randn(5, 6), torch.randn(5, 20)
    expected = theirs(noise, epsilon, text)
    assert expected.std() > 0.05
    near(ours(torch.cat([noise, epsilon], 1), TextFeatures(text)).images, expected)


@pytest.mark.parametrize(("network", "millions"), [(PaperStage1, 14.3), (PaperStage2, 26.3)], ids=["stage1", "stage2"])
def test_the_paper_generators_have_the_published_size(network: type[nn.Module], millions: float) -> None:
    with torch.device("meta"):
        built = network(text_width=1024)
    assert sum(weight.numel() for weight in built.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def features_seen(network: nn.Module, *inputs: object) -> list[tuple[int, int]]:
    """Channels and side of what every convolution gives, in the order of the forward pass."""
    seen: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | UpsampleConvolution):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:3])))
    network(*inputs)
    return seen


def test_paper_stage1_has_the_published_layers() -> None:
    text = TextFeatures(torch.randn(2, 1024))
    seen = features_seen(PaperStage1(text_width=1024), torch.randn(2, 228), text)
    assert seen == [
        *[(256, 4), (256, 4), (1024, 4)],
        (512, 8),
        *[(128, 8), (128, 8), (512, 8)],
        *[(256, 16), (128, 32), (3, 64)],
    ]


def test_paper_stage2_has_the_published_layers() -> None:
    text = TextFeatures(torch.randn(2, 1024))
    network = PaperStage2(text_width=1024)
    seen = features_seen(network, torch.randn(2, 3, 64, 64), torch.randn(2, 128), text)
    assert seen == [
        *[(128, 64), (256, 32), (512, 16)],
        (512, 16),
        *[(512, 16)] * 8,
        *[(256, 32), (128, 64), (64, 128), (32, 256), (3, 256)],
    ]
    assert network.joint[0].in_channels == 512 + 128


@pytest.mark.parametrize("network", STAGE1)
@pytest.mark.parametrize("resolution", [16, 32, 64, 128])
def test_stage1_sketches_at_other_resolutions(network: type[nn.Module], resolution: int) -> None:
    built = network(**SMALL, resolution=resolution, z_width=5)
    assert built.noise_width == 13
    result = built(torch.randn(3, 13), TextFeatures(torch.randn(3, 12)))
    assert result.images.shape == (3, 3, resolution, resolution)
    assert result.images.abs().max() <= 1
    assert result.kl.shape == (3,)
    assert result.condition.shape == (3, 8)


@pytest.mark.parametrize("network", STAGE2)
@pytest.mark.parametrize(("before", "after"), [(16, 16), (16, 64), (32, 64), (64, 256)])
def test_stage2_refines_at_other_resolutions(network: type[nn.Module], before: int, after: int) -> None:
    built = network(**SMALL, input_resolution=before, resolution=after)
    assert built.noise_width == 8
    result = built(torch.rand(2, 3, before, before), torch.randn(2, 8), TextFeatures(torch.randn(2, 12)))
    assert result.images.shape == (2, 3, after, after)


@pytest.mark.parametrize("network", STAGE1)
@pytest.mark.parametrize("options", [{"resolution": 60}, {"resolution": 4}, {"resolution": 0}, {"channels": 0}])
def test_stage1_refuses_sizes_that_it_cannot_have(network: type[nn.Module], options: dict[str, int]) -> None:
    with pytest.raises(SettingsError) as caught:
        network(**{**SMALL, **options})
    assert caught.value.hint


@pytest.mark.parametrize("network", STAGE2)
@pytest.mark.parametrize(
    "options", [{"resolution": 200}, {"input_resolution": 65}, {"input_resolution": 512}, {"residual_blocks": 0}]
)
def test_stage2_refuses_sizes_that_it_cannot_have(network: type[nn.Module], options: dict[str, int]) -> None:
    with pytest.raises(SettingsError) as caught:
        network(**{**SMALL, **options})
    assert caught.value.hint


def test_a_checkpoint_of_another_network_is_refused() -> None:
    with pytest.raises(ModelError, match="h_net1"):
        PortStage1.from_published({"h_net1.fc.0.weight": torch.zeros(1)})
    with pytest.raises(ModelError, match="missing"):
        PortStage1.published_options({"img.0.weight": torch.zeros(3, 2, 3, 3)})


@pytest.mark.parametrize("network", STAGE1 + STAGE2)
def test_gradients_reach_every_parameter(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL)
    text = TextFeatures(torch.randn(4, 12))
    noise = torch.randn(4, built.noise_width)
    result = built(noise, text) if network in STAGE1 else built(torch.rand(4, 3, 64, 64) - 0.5, noise, text)
    ((result.images * torch.randn_like(result.images)).mean() + result.kl.mean()).backward()
    silent = [name for name, weight in built.named_parameters() if weight.grad is None or not weight.grad.any()]
    # The bias of a linear layer that batch norm follows has no influence.
    assert [name for name in silent if name != "project.0.bias"] == []


@pytest.mark.parametrize("network", STAGE1 + STAGE2)
def test_pictures_depend_on_nothing_but_the_arguments(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL).eval()
    noise, text = torch.randn(3, built.noise_width), torch.randn(3, 12)
    sketch = [] if network in STAGE1 else [torch.rand(3, 3, 64, 64)]
    together = built(*sketch, noise, TextFeatures(text)).images
    torch.manual_seed(99)
    alone = built(*[picture[1:2] for picture in sketch], noise[1:2], TextFeatures(text[1:2])).images
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", STAGE1 + STAGE2)
def test_channels_last_and_bfloat16_give_nearly_the_same_picture(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    built = network(**SMALL)
    text = TextFeatures(torch.randn(4, 12))
    sketch = [] if network in STAGE1 else [torch.rand(4, 3, 64, 64)]
    noise = torch.randn(4, built.noise_width)
    plain = built(*sketch, noise, text)
    built = built.to(memory_format=torch.channels_last)
    torch.testing.assert_close(built(*sketch, noise, text).images, plain.images, atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = built(*sketch, noise, text)
    assert rounded.images.dtype == torch.float32
    torch.testing.assert_close(rounded.kl, plain.kl)
    assert (rounded.images - plain.images).abs().mean() < 0.02


def test_weights_begin_as_published() -> None:
    torch.manual_seed(0)
    paper, port = PaperStage2(text_width=64), PortStage2(text_width=64)
    assert paper.joint[0].weight.abs().max() <= 0.04
    assert port.joint[0].weight.abs().max() > 0.06
    assert port.joint[0].weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert paper.joint[1].weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert paper.joint[1].weight.mean().item() == pytest.approx(1.0, abs=0.005)
    assert paper.augmentation.linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not paper.augmentation.linear.bias.any()

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import Generated, TextFeatures, Update
from stackgan_cli.components.registry import find
from stackgan_cli.dataset.batches import Batch
from stackgan_cli.discriminators.residual import ResidualDiscriminator
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.generators.modulated_stage1 import ModulatedStage1
from stackgan_cli.generators.port_stage1 import PortStage1
from stackgan_cli.generators.port_stage2 import PortStage2
from stackgan_cli.machine import choose_machine
from stackgan_cli.recipes.loading import load_recipe, stage_settings
from stackgan_cli.training.loop import StageTask
from stackgan_cli.training.optimizing import Length
from stackgan_cli.training.parts import Goal, Judge, Part, StageParts

WIDTH = 12
SLIM = (
    "resolution=16",
    "discriminator.name=residual",
    'objectives=[{ name = "gradient-penalty", weight = 2.0, every = 4, options = { power = 6.0 } }]',
)


def batch(count: int = 4) -> Batch:
    torch.manual_seed(9)
    sentences = torch.randn(2, count, WIDTH)
    return Batch(torch.rand(count, 3, 16, 16) * 2 - 1, TextFeatures(sentences[0]), TextFeatures(sentences[1]))


def task(*options: str, generator: torch.nn.Module | None = None, text_width: int = WIDTH) -> StageTask:
    torch.manual_seed(1)
    settings = stage_settings(load_recipe("quick"), 1, {}, (*SLIM, *options))
    network = generator or ModulatedStage1(text_width=WIDTH, resolution=16, channels=4, max_channels=8)
    critic = ResidualDiscriminator(text_width=text_width, resolution=16, channels=4, max_channels=8)
    goals = {
        choice.name: Goal.of(
            choice, find(Kind.OBJECTIVE, choice.name).bind(options=choice.options).build(), choice.name
        )
        for choice in settings.objectives
    }
    parts = StageParts(Part(network), {"residual": Judge(critic)}, goals)
    return StageTask(settings, parts, choose_machine("cpu", "float32"), Length(100, 10))


def refining(*options: str) -> StageTask:
    """Stage-II over a Stage-I with batch-norms."""
    torch.manual_seed(2)
    sizes = {"text_width": WIDTH, "channels": 4, "condition_width": 6}
    networks = [PortStage1(resolution=8, **sizes), PortStage2(input_resolution=8, resolution=16, **sizes)]
    settings = stage_settings(load_recipe("quick"), 2, {}, (*SLIM, "objectives=[]", *options))
    critic = ResidualDiscriminator(text_width=WIDTH, resolution=16, channels=4, max_channels=8)
    parts = StageParts(Part(networks[1]), {"residual": Judge(critic)}, stage1=Part(networks[0]))
    return StageTask(settings, parts, choose_machine("cpu", "float32"), Length(100, 10))


def judge_of(stage: StageTask) -> torch.nn.Module:
    (judge,) = stage.discriminators.values()
    return judge


def test_the_first_losses_are_those_of_the_paper_over_three_kinds_of_pair() -> None:
    stage, given = task("loss=bce", "objectives=[]"), batch()
    with torch.no_grad():
        _, fake = stage.generate(stage.generator, given.text, "train", 0)
        right, wrong = judge_of(stage)(given.images, [given.text, given.wrong_text])
        (fooled,) = judge_of(stage)(fake.images, [given.text])
    real, unreal = torch.ones(4), torch.zeros(4)
    entropy = F.binary_cross_entropy_with_logits
    expected = entropy(right.matching, real) + (entropy(wrong.matching, unreal) + entropy(fooled.matching, unreal)) / 2
    losses = stage.step(0, given)
    assert float(losses["discriminator"]) == pytest.approx(float(expected), rel=1e-5)
    with torch.no_grad():
        # The generator answers to the discriminator that has just learnt.
        (after,) = judge_of(stage)(fake.images, [given.text])
    assert float(losses["generator"]) == pytest.approx(float(entropy(after.matching, real)), rel=1e-5)


def test_a_step_trains_both_networks_and_leaves_no_gradient_of_one_in_the_other() -> None:
    stage = task()
    before = [weight.detach().clone() for weight in stage.generator.parameters()]
    judged = [weight.detach().clone() for weight in judge_of(stage).parameters()]
    stage.step(0, batch())
    pairs = zip(before, stage.generator.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)
    pairs = zip(judged, judge_of(stage).parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)
    assert all(weight.requires_grad for weight in judge_of(stage).parameters())


def test_with_a_head_start_the_discriminators_learn_alone_first() -> None:
    stage, whole = task("head_start=2"), task()
    before = [weight.detach().clone() for weight in stage.generator.parameters()]
    judged = [weight.detach().clone() for weight in judge_of(stage).parameters()]
    for step in range(2):
        losses = stage.step(step, batch())
        assert "discriminator" in losses
        assert "generator" not in losses
    assert all(torch.equal(old, new) for old, new in zip(before, stage.generator.parameters(), strict=True))
    assert not all(torch.equal(old, new) for old, new in zip(judged, judge_of(stage).parameters(), strict=True))
    assert set(stage.step(2, batch())) == set(whole.step(2, batch()))
    assert not all(torch.equal(old, new) for old, new in zip(before, stage.generator.parameters(), strict=True))


def test_the_penalty_comes_every_so_many_steps() -> None:
    stage = task('objectives=[{name="gradient-penalty", weight=2.0, every=3}]')
    assert ["gradient-penalty" in stage.step(step, batch()) for step in range(6)] == [True, False, False] * 2
    assert "gradient-penalty" not in task("objectives=[]").step(0, batch())


class _Noisy(torch.nn.Module):
    """Draws its noise, whose first half draws the condition."""

    resolution = 16
    noise_width = 3 * 16 * 16
    condition_noise = slice(0, noise_width // 2)

    def __init__(self) -> None:
        super().__init__()
        self.bright = torch.nn.Parameter(torch.ones(()))

    def forward(self, noise: torch.Tensor, text: TextFeatures) -> Generated:
        return Generated(self.bright * noise.unflatten(1, (3, 16, 16)))


class _Looks:
    """Keeps what a step lets it draw."""

    def generator_terms(self, update: Update) -> dict[str, torch.Tensor]:
        self.drawn = [update.generated, update.vary("one"), update.vary("other"), update.draw(update.text, "one")]
        return {}


def test_pictures_of_one_condition_differ_in_all_other_noise() -> None:
    stage, looks = task("objectives=[]", generator=_Noisy()), _Looks()
    parts = replace(stage.parts, goals={"looks": Goal(looks, "looks")})
    StageTask(stage.settings, parts, choose_machine("cpu", "float32"), Length(100, 10)).step(0, batch())
    own, one, other, anew = (each.images.detach().flatten(1).tensor_split(2, dim=1) for each in looks.drawn)
    for varied in (one, other):
        assert torch.equal(own[0], varied[0])
        assert not torch.isclose(own[1], varied[1]).any()
    assert not torch.isclose(one[1], other[1]).any()
    assert not torch.isclose(own[0], anew[0]).any()


def test_a_step_is_a_function_of_its_number_and_its_batch() -> None:
    one, other = task(), task()
    torch.manual_seed(1)
    first = [{name: float(value) for name, value in one.step(step, batch()).items()} for step in range(3)]
    torch.manual_seed(2)
    second = [{name: float(value) for name, value in other.step(step, batch()).items()} for step in range(3)]
    assert first == second
    assert first[0] != first[1]


def test_losses_are_tensors_that_nobody_has_waited_for() -> None:
    losses = task().step(0, batch())
    assert set(losses) >= {"discriminator", "generator", "kl"}
    assert all(isinstance(value, torch.Tensor) and not value.requires_grad for value in losses.values())


def test_the_ports_discriminator_reads_the_condition_and_takes_the_next_for_the_wrong_one() -> None:
    generator = PortStage1(text_width=WIDTH, resolution=16, channels=8, condition_width=6, z_width=5)
    stage, given = task("judge_by=condition", generator=generator, text_width=6), batch()
    seen: list[list[torch.Tensor]] = []
    judge_of(stage).register_forward_pre_hook(lambda _, args: seen.append([each.sentence for each in args[1]]))
    stage.step(0, given)
    right, wrong = seen[0]
    assert right.shape == (4, 6)
    assert torch.equal(wrong, right[[1, 2, 3, 0]])
    # What it reads is the mean of the conditioning distribution, and no gradient flows back through it.
    assert all(each.is_leaf for each in seen[1])


def test_unknown_devices_and_precisions_are_refused() -> None:
    for device, precision in (("abacus", "auto"), ("cpu", "float8"), ("cuda:99", "auto")):
        with pytest.raises(UsageError):
            choose_machine(device, precision)
    assert choose_machine("cpu", "bfloat16").precision == "bfloat16"
    assert choose_machine("cpu", "float32").precision == "float32"


def test_single_pictures_are_refused_where_a_network_normalises_over_the_batch() -> None:
    network = PortStage1(text_width=WIDTH, resolution=16, channels=2)
    with pytest.raises(SettingsError, match="The generator normalises over the batch"):
        task("batch_size=1", generator=network)
    task("batch_size=2", generator=network)
    task("batch_size=1")


def test_a_frozen_stage_one_normalises_by_the_batch_and_keeps_what_a_model_draws_by() -> None:
    whole, running = refining("stage1_batch_norm=batch"), refining("stage1_batch_norm=running")
    norm = whole.stage1.project[1]
    before = norm.running_mean.clone(), norm.running_var.clone()
    sketch, other = (stage.generate(stage.generator, batch().text, "train", 0)[0] for stage in (whole, running))
    assert not torch.allclose(sketch, other, atol=1e-3)
    whole.step(0, batch())
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])

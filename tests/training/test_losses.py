from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from stackgan_cli.components.protocols import Generated, Judgement, TextFeatures
from stackgan_cli.generators.modulated_stage1 import ModulatedStage1
from stackgan_cli.objectives.gradient_penalty import matching_aware_penalty
from stackgan_cli.training.losses import discriminator_loss, generator_loss, kl_loss


def bce(logits: torch.Tensor, target: float) -> float:
    return float(F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target)))


def judgements(heads: int) -> list[Judgement]:
    torch.manual_seed(1)
    drawn = [[3 * torch.randn(9) for _ in range(heads)] for _ in range(3)]
    return [Judgement(*each) for each in drawn]


def test_matching_aware_cross_entropy_weighs_both_fakes_half() -> None:
    right, wrong, fake = judgements(1)
    expected = bce(right.matching, 1) + (bce(wrong.matching, 0) + bce(fake.matching, 0)) / 2
    assert float(discriminator_loss(right, wrong, fake, "bce")) == pytest.approx(expected, rel=1e-6)
    assert float(generator_loss(fake, "bce")) == pytest.approx(bce(fake.matching, 1), rel=1e-6)


def test_a_second_head_weighs_as_in_the_authors_pytorch_code() -> None:
    right, wrong, fake = judgements(2)
    assert right.realism is not None
    assert fake.realism is not None
    real = (bce(right.matching, 1) + bce(right.realism, 1)) / 2
    unreal = (bce(fake.matching, 0) + bce(wrong.matching, 0) + bce(fake.realism, 0)) / 3
    assert float(discriminator_loss(right, wrong, fake, "bce")) == pytest.approx(real + unreal, rel=1e-6)
    both = bce(fake.matching, 1) + bce(fake.realism, 1)
    assert float(generator_loss(fake, "bce")) == pytest.approx(both, rel=1e-6)


def test_hinge_by_hand() -> None:
    right, wrong, fake = (Judgement(torch.tensor(each)) for each in ([2.0, 0.5], [-3.0, 0.0], [1.0, -0.5]))
    # max(0, 1 - 2), max(0, 1 - 0.5); max(0, 1 - 3), max(0, 1 + 0); max(0, 1 + 1), max(0, 1 - 0.5)
    assert float(discriminator_loss(right, wrong, fake, "hinge")) == pytest.approx(0.25 + (0.5 + 1.25) / 2)
    assert float(generator_loss(fake, "hinge")) == pytest.approx(-0.25)


@pytest.mark.parametrize("kind", ["bce", "hinge"])
def test_losses_of_extreme_half_precision_logits_are_finite_float32(kind: str) -> None:
    extreme = Judgement(torch.tensor([3e4, -3e4], dtype=torch.bfloat16, requires_grad=True))
    loss = discriminator_loss(extreme, extreme, extreme, kind) + generator_loss(extreme, kind)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    loss.backward()
    assert extreme.matching.grad is not None
    assert torch.isfinite(extreme.matching.grad).all()


def test_the_kl_is_that_of_torchs_distributions() -> None:
    torch.manual_seed(2)
    generator = ModulatedStage1(text_width=12, resolution=8, channels=4, max_channels=4, condition_width=5, z_width=3)
    sentence = 2 * torch.randn(7, 12)
    with torch.no_grad():
        made = generator(torch.randn(7, generator.noise_width), TextFeatures(sentence))
        mean, log_deviation = generator.augmentation.moments(sentence)
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0))
    assert float(kl_loss(made, "sum")) == pytest.approx(float(expected.sum(1).mean()), rel=1e-5)
    assert float(kl_loss(made, "mean")) == pytest.approx(float(expected.mean()), rel=1e-5)
    assert float(kl_loss(Generated(made.images), "sum")) == 0.0


def test_the_penalty_of_a_linear_discriminator_is_the_norm_of_its_weights() -> None:
    torch.manual_seed(3)
    pixels = torch.randn(3, 4, 4, requires_grad=True)
    words = torch.randn(5, requires_grad=True)
    images, sentence = torch.randn(6, 3, 4, 4, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    judged = Judgement((images * pixels).sum((1, 2, 3)) + (sentence * words).sum(1))
    penalty = matching_aware_penalty(judged, images, sentence, 6.0)
    square = float((pixels.square().sum() + words.square().sum()).detach())
    assert float(penalty.detach()) == pytest.approx(square**3, rel=1e-5)
    penalty.backward()
    # d (|w|^2)^3 / dw = 6 (|w|^2)^2 w
    assert torch.allclose(pixels.grad, 6 * square**2 * pixels.detach(), rtol=1e-4)
    assert torch.allclose(words.grad, 6 * square**2 * words.detach(), rtol=1e-4)


def test_the_penalty_is_each_pictures_own() -> None:
    images, sentence = (
        torch.tensor([[1.0], [2.0]], requires_grad=True),
        torch.tensor([[3.0], [4.0]], requires_grad=True),
    )
    # Gradients of x^2 + 2 y are (2 x, 2): norms squared 8 and 20, so to the power 2 their mean is 14.
    judged = Judgement((images.square() + 2 * sentence).sum(1))
    assert float(matching_aware_penalty(judged, images, sentence, 2.0).detach()) == pytest.approx(14.0)

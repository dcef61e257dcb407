from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from stackgan_cli.generators.layers import ConditioningAugmentation, truncate_normal

PAPER = {"negative_slope": 0.2, "log_variance": False, "truncated": True}
PORT = {"negative_slope": 0.0, "log_variance": True, "truncated": False}


def test_epsilon_has_the_moments_of_the_normal_truncated_at_two() -> None:
    epsilon = truncate_normal(torch.randn(400_000, generator=torch.Generator().manual_seed(1)))
    assert epsilon.abs().max() <= 2
    assert epsilon.mean().item() == pytest.approx(0, abs=0.005)
    # Standard deviation from the closed form: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
    assert epsilon.std().item() == pytest.approx(0.8796, abs=0.003)


def test_epsilon_is_odd_monotonic_and_safe_for_any_noise() -> None:
    noise = torch.tensor([-float("inf"), -40.0, -3.0, -1.0, 0.0, 1.0, 3.0, 40.0, float("inf")])
    epsilon = truncate_normal(noise)
    assert epsilon.isfinite().all()
    assert epsilon[4] == 0
    assert (epsilon.diff() >= 0).all()
    torch.testing.assert_close(epsilon, -epsilon.flip(0))


@pytest.mark.parametrize("published", [PAPER, PORT], ids=["paper", "port"])
def test_divergence_is_that_of_the_drawn_distribution_from_the_standard_normal(published: dict) -> None:
    torch.manual_seed(0)
    layer = ConditioningAugmentation(10, 7, **published)
    sentence = 2 * torch.randn(5, 10)
    mean, log_deviation = layer.moments(sentence)
    truth = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(1)
    condition = layer(sentence, torch.ones(5, 7))
    torch.testing.assert_close(condition.kl, truth)
    shift = truncate_normal(torch.ones(1)) if published is PAPER else 1.0
    torch.testing.assert_close(condition.value, mean + shift * log_deviation.exp())
    torch.testing.assert_close(layer(sentence, torch.zeros(5, 7)).value, mean)


def test_the_original_has_log_deviations_of_both_signs_and_the_port_none_below_zero() -> None:
    torch.manual_seed(0)
    sentence = torch.randn(50, 10)
    mean, log_deviation = ConditioningAugmentation(10, 7, **PORT).moments(sentence)
    assert mean.min() >= 0
    assert log_deviation.min() >= 0
    mean, log_deviation = ConditioningAugmentation(10, 7, **PAPER).moments(sentence)
    assert mean.min() < 0 < mean.max()
    assert log_deviation.min() < 0 < log_deviation.max()


def test_autocast_changes_nothing() -> None:
    torch.manual_seed(0)
    layer = ConditioningAugmentation(10, 7, **PAPER)
    sentence, noise = torch.randn(5, 10), torch.randn(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(sentence, noise)
    for ours, plain in zip(rounded, layer(sentence, noise), strict=True):
        assert torch.equal(ours, plain)

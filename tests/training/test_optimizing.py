from __future__ import annotations

import pytest
import torch
from torch import nn

from stackgan_cli.recipes.loading import load_recipe
from stackgan_cli.recipes.schema import OptimizerSettings
from stackgan_cli.training.optimizing import Averaged, Length, learning_rate, make_adam


def test_the_paper_halves_its_learning_rate_every_fifty_epochs() -> None:
    settings, per_epoch = load_recipe("paper").stage1.generator_optimizer, 138
    steps = 600 * per_epoch
    for epoch, expected in [(0, 2e-4), (49, 2e-4), (50, 1e-4), (99, 1e-4), (100, 5e-5), (599, 2e-4 / 2048)]:
        for step in (epoch * per_epoch, (epoch + 1) * per_epoch - 1):
            assert learning_rate(settings, step, Length(steps, per_epoch)) == pytest.approx(expected)


def test_a_linear_decay_ends_at_a_tenth() -> None:
    settings = OptimizerSettings(learning_rate=1e-3, decay_from=0.5)
    for step, expected in [(0, 1e-3), (500, 1e-3), (750, 5.5e-4), (1000, 1e-4), (5000, 1e-4)]:
        assert learning_rate(settings, step, Length(1000, 10)) == pytest.approx(expected)
    assert learning_rate(OptimizerSettings(learning_rate=1e-3), 999, Length(1000, 10)) == 1e-3


def test_adam_is_torchs_plain_adam() -> None:
    torch.manual_seed(0)
    ours, plain = nn.Linear(5, 3), nn.Linear(5, 3)
    plain.load_state_dict(ours.state_dict())
    settings = OptimizerSettings(learning_rate=1e-2, beta1=0.5, beta2=0.9)
    one = make_adam(list(ours.parameters()), settings)
    other = torch.optim.Adam(plain.parameters(), lr=1e-2, betas=(0.5, 0.9), foreach=False, fused=False)
    for _ in range(5):
        inputs = torch.randn(4, 5)
        for network, optimizer in ((ours, one), (plain, other)):
            optimizer.zero_grad()
            network(inputs).square().sum().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, plain.weight, atol=1e-7)


def test_the_average_follows_by_its_formula_and_takes_buffers_over() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    averaged = Averaged(network, 0.6)
    expected = network[0].weight.detach().clone()
    for step in range(20):
        with torch.no_grad():
            network[0].weight += torch.randn(2, 3)
        network(torch.randn(8, 3))
        averaged.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    assert torch.allclose(averaged.network[0].weight, expected, atol=1e-5)
    assert torch.equal(averaged.network[1].running_mean, network[1].running_mean)
    assert not averaged.network.training
    assert network.training
    assert not any(weight.requires_grad for weight in averaged.network.parameters())


def test_no_decay_means_the_weights_themselves() -> None:
    network = nn.Linear(2, 2)
    averaged = Averaged(network, 0.0)
    with torch.no_grad():
        network.weight.fill_(7.0)
    averaged.update(0)
    assert torch.equal(averaged.network.weight, network.weight)

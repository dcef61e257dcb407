from __future__ import annotations

import torch

from stackgan_cli.components.protocols import Observation, Texts
from stackgan_cli.evaluation.comparing import PairedBootstrap
from stackgan_cli.evaluation.measuring import choose_metrics
from stackgan_cli.evaluation.rows import Measured


def test_the_interval_of_a_difference_lies_around_it_whatever_the_metric() -> None:
    draw = torch.Generator().manual_seed(0)
    real = Observation(torch.randn(200, 16, generator=draw))
    texts = Texts(captions=[str(at) for at in range(200)])
    faithful, narrow = (
        Measured([], Observation(torch.randn(200, 16, generator=draw) * spread), real, real, texts)
        for spread in (1.0, 0.5)
    )
    metrics = choose_metrics(["kernel-distance", "coverage", "frechet-distance"])[0]
    found = PairedBootstrap(metrics, faithful, 0).differences(narrow)
    assert found.keys() == {"kernel-distance", "coverage", "frechet-distance"}
    for name, difference in found.items():
        low, high = difference.interval
        assert low < difference.value < high, name
    # Pictures of half the spread are farther away, and no chance makes them nearer.
    assert found["frechet-distance"].interval[0] > 0
    assert found["kernel-distance"].interval[0] > 0

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.protocols import Observation
from stackgan_cli.evaluation.halves import deviation_by_halves
from stackgan_cli.evaluation.measuring import choose_metrics
from stackgan_cli.evaluation.reference_statistics import statistics_of

(DISTANCE,) = choose_metrics(["frechet-distance"])[0]


def sets(pictures: int, width: int) -> tuple[Observation, Observation]:
    """Drawn and real pictures that differ in their mean and their spread."""
    return Observation(0.8 * torch.randn(pictures, width) + 0.3), Observation(torch.randn(pictures, width))


def strayed(pairs: list[tuple[Observation, Observation]]) -> float:
    values = [value_of(drawn, real) for drawn, real in pairs]
    return float(torch.tensor(values).std())


def value_of(drawn: Observation, real: Observation) -> float:
    found: Any = DISTANCE.measure(drawn, real, None, 0)
    return float(found.value)


@pytest.mark.parametrize(("pictures", "width"), [(300, 16), (400, 64)])
def test_halves_tell_how_far_a_distance_strays_or_rather_more(pictures: int, width: int) -> None:
    torch.manual_seed(0)
    pairs = [sets(pictures, width) for _ in range(60)]
    told = torch.tensor([deviation_by_halves(DISTANCE, *pair, None, 0) for pair in pairs[:12]], dtype=torch.float64)
    assert 0.85 < float(told.square().mean().sqrt()) / strayed(pairs) < 1.5


def test_of_statistics_the_drawings_alone_stray() -> None:
    torch.manual_seed(1)
    drawn, real = sets(300, 16)
    beside = Observation(torch.empty(0, 16), statistics=statistics_of(real.features))
    alone, both = (deviation_by_halves(DISTANCE, drawn, each, None, 0) for each in (beside, real))
    assert alone is not None
    assert both is not None
    assert 0 < alone < both


def test_halves_that_are_too_few_tell_nothing() -> None:
    drawn, real = sets(2, 4)
    assert deviation_by_halves(DISTANCE, drawn, real, None, 0) is None


def test_the_distance_of_few_wide_features_is_the_same_from_statistics() -> None:
    torch.manual_seed(2)
    drawn, real = (Observation(torch.randn(pictures, 40)) for pictures in (30, 25))

    def told(features: Tensor) -> Observation:
        return Observation(torch.empty(0, 40), statistics=statistics_of(features))

    assert value_of(drawn, real) == pytest.approx(value_of(drawn, told(real.features)), rel=1e-6)

from __future__ import annotations

import math

import pytest
import torch

from stackgan_cli.evaluation.metrics import attribute_accuracy, frechet_distance, inception_score, wilson_interval


def gaussian(count: int, mean: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
    """Features whose sample mean and sample covariance are exactly these."""
    torch.manual_seed(0)
    raw = torch.randn(count, len(mean), dtype=torch.float64)
    raw = raw - raw.mean(0)
    white = raw @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(raw.T))).T
    return white * deviations + mean


def test_the_frechet_distance_of_gaussians_is_the_closed_form() -> None:
    means = torch.tensor([[0.0, 1.0, -2.0], [3.0, 1.0, 2.0]], dtype=torch.float64)
    deviations = torch.tensor([[1.0, 2.0, 0.5], [2.0, 2.0, 1.5]], dtype=torch.float64)
    first, second = (gaussian(500, m, s) for m, s in zip(means, deviations, strict=True))
    # |m1 - m2|^2 + sum (s1 - s2)^2, as the covariances commute
    expected = float((means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum())
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_a_set_to_itself_is_nothing() -> None:
    features = torch.randn(200, 8)
    assert frechet_distance(features, features.flip(0)) == pytest.approx(0.0, abs=1e-5)
    few = torch.randn(5, 8)
    assert math.isfinite(frechet_distance(few, features))
    assert frechet_distance(few, features + 10) > 500


def test_a_score_goes_from_one_to_the_number_of_values() -> None:
    assert inception_score(torch.zeros(100, 5), 0)[0] == pytest.approx(1.0)
    assert inception_score(50 * torch.eye(5).repeat(20, 1) * 0 + torch.tensor([50.0, 0, 0, 0, 0]), 0)[0] == (
        pytest.approx(1.0)
    )
    sure = 50 * torch.eye(5).repeat(2000, 1)
    mean, deviation = inception_score(sure, 0)
    assert mean == pytest.approx(5.0, rel=0.01)
    assert deviation < 0.05


def test_sorted_pictures_score_as_shuffled_ones() -> None:
    logits = 50 * torch.eye(5).repeat(400, 1)
    ordered = logits[logits.argmax(1).argsort()]
    assert inception_score(ordered, 0)[0] == pytest.approx(inception_score(logits, 1)[0], rel=0.02)


def test_the_same_seed_gives_the_same_score_and_leaves_randomness_alone() -> None:
    logits = torch.randn(100, 4)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = inception_score(logits, 3)
    assert torch.equal(torch.rand(3), expected)
    assert inception_score(logits, 3) == first
    assert inception_score(torch.randn(3, 4), 0)[0] >= 1.0 - 1e-9


def test_only_stated_attributes_count() -> None:
    seen = {"body": ["red", "blue", "red"], "size": ["small", "large", "small"]}
    truth = [{"body": "red", "size": "large"}, {"body": "red", "size": "large"}, {"body": "green", "size": "small"}]
    stated = [["body"], ["body", "size", "mood"], []]
    assert attribute_accuracy(seen, truth, stated) == {"body": (1, 2), "size": (1, 1), "all stated": (1, 2)}
    assert attribute_accuracy(seen, truth, [[], [], []]) == {}


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_newcombe(right: int, total: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=1e-4)
    assert wilson_interval(total - right, total) == pytest.approx((1 - high, 1 - low), abs=1e-4)

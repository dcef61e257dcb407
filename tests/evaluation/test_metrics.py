from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.image.kid import KernelInceptionDistance

from stackgan_cli.components.protocols import AttributeProbabilities, Observation, Texts
from stackgan_cli.evaluation.metrics.attribute_accuracy import AttributeAccuracy
from stackgan_cli.evaluation.metrics.coverage import Coverage
from stackgan_cli.evaluation.metrics.diversity import Diversity
from stackgan_cli.evaluation.metrics.frechet_distance import FrechetDistance
from stackgan_cli.evaluation.metrics.given_features import GivenFeatures
from stackgan_cli.evaluation.metrics.inception_score import InceptionScore
from stackgan_cli.evaluation.metrics.kernel_distance import KernelDistance
from stackgan_cli.evaluation.metrics.novelty import Novelty
from stackgan_cli.evaluation.metrics.r_precision import RPrecision
from stackgan_cli.evaluation.metrics.shares import wilson_interval
from stackgan_cli.evaluation.samples import Sample, reordered, texts_of
from stackgan_cli.extractors.domain_classifier import temperature_of

PRDC = {
    3: {"precision": 0.94, "recall": 0.305, "density": 1.8988888888888886, "coverage": 0.7525},
    5: {"precision": 0.97, "recall": 0.4275, "density": 1.9866666666666668, "coverage": 0.8825},
}


def distance(real: Tensor, drawn: Tensor) -> float:
    return float(FrechetDistance().measure(Observation(drawn), Observation(real), None, 0)["value"])


def score(logits: Tensor, seed: int = 0, splits: int = 10) -> tuple[float, float]:
    found = InceptionScore(splits=splits).measure(Observation(torch.zeros(len(logits), 1), logits), None, None, seed)
    return found["value"], found["deviation"]


def gaussian(count: int, mean: Tensor, deviations: Tensor) -> Tensor:
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
    assert distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_correlated_features_is_that_of_numpy() -> None:
    random = np.random.default_rng(3)
    one = random.normal(size=(300, 12)) @ random.normal(size=(12, 12))
    other = random.normal(size=(170, 12)) @ random.normal(size=(12, 12)) + random.normal(size=12)
    covariances = [np.cov(each, rowvar=False) for each in (one, other)]
    halves = [v * np.sqrt(w) @ v.T for w, v in map(np.linalg.eigh, covariances)]
    # tr (S1 S2)^(1/2) is the nuclear norm of S1^(1/2) S2^(1/2).
    cross = np.linalg.svd(halves[0] @ halves[1], compute_uv=False).sum()
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + sum(map(np.trace, covariances)) - 2 * cross
    assert distance(torch.from_numpy(one), torch.from_numpy(other)) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_a_set_to_itself_is_nothing() -> None:
    features = torch.randn(200, 8)
    assert distance(features, features.flip(0)) == pytest.approx(0.0, abs=1e-5)
    few = torch.randn(5, 8)
    assert math.isfinite(distance(few, features))
    assert distance(few, features + 10) > 500
    assert "reason" in FrechetDistance().measure(Observation(few[:1]), Observation(few[:1]), None, 0)


def kernel(real: Tensor, drawn: Tensor) -> dict[str, Any]:
    return KernelDistance().measure(Observation(drawn), Observation(real), None, 0)


@pytest.mark.filterwarnings("ignore:Metric:UserWarning")
def test_the_kernel_distance_is_that_of_torchmetrics() -> None:
    torch.manual_seed(2)
    real, drawn = torch.randn(1200, 24).abs(), (torch.randn(1200, 24) * 1.2 + 0.1).abs()
    theirs = KernelInceptionDistance(GivenFeatures(24), subsets=1, subset_size=1200).set_dtype(torch.float64)
    theirs.update(real.double(), real=True)
    theirs.update(drawn.double(), real=False)
    assert kernel(real, drawn)["value"] == pytest.approx(float(theirs.compute()[0]), abs=1e-12)
    assert kernel(drawn, real)["value"] == pytest.approx(kernel(real, drawn)["value"], abs=1e-12)


def test_the_deviation_of_the_kernel_distance_is_how_far_it_strays() -> None:
    torch.manual_seed(3)
    found = [kernel(torch.randn(200, 8), torch.randn(150, 8) + 0.7) for _ in range(200)]
    strays = torch.tensor([each["value"] for each in found]).std()
    told = torch.tensor([each["deviation"] for each in found]).square().mean().sqrt()
    assert float(told) == pytest.approx(float(strays), rel=0.2)
    alike = [kernel(torch.randn(60, 8), torch.randn(60, 8))["value"] for _ in range(100)]
    # It is unbiased: nothing on the average, and as often below as above.
    assert 20 < sum(value < 0 for value in alike) < 80
    assert "reason" in kernel(torch.randn(2, 8), torch.randn(50, 8))


def covered(real: Tensor, drawn: Tensor, neighbours: int = 5) -> dict[str, float]:
    found = Coverage(neighbours=neighbours).measure(Observation(drawn), Observation(real), None, 0)
    assert found["value"] == found["parts"]["coverage"]["value"]
    return {name: part["value"] for name, part in found["parts"].items()}


@pytest.mark.parametrize(("neighbours", "expected"), PRDC.items())
def test_coverage_and_its_parts_are_those_of_prdc(neighbours: int, expected: dict[str, float]) -> None:
    # compute_prdc of the package prdc 0.2 on the same numbers.
    random = np.random.default_rng(7)
    real, drawn = random.normal(size=(400, 16)), random.normal(size=(300, 16)) * 0.8 + 0.3
    drawn[:20] = drawn[20:40]
    found = covered(torch.from_numpy(real), torch.from_numpy(drawn), neighbours)
    assert found == pytest.approx(expected, abs=1e-12)


def test_coverage_tells_few_things_drawn_well_from_many() -> None:
    torch.manual_seed(4)
    real, again, wide = torch.randn(1500, 8), torch.randn(1500, 8), 5 * torch.randn(1500, 8)
    alike = covered(real, again)
    assert alike["coverage"] == pytest.approx(1 - 2**-5, abs=0.03)
    assert alike["density"] == pytest.approx(1.0, abs=0.05)
    one = covered(real, real[:1].repeat(1500, 1) + 1e-4 * torch.randn(1500, 8))
    assert one["precision"] == 1.0
    assert one["coverage"] < 0.02
    assert covered(real, wide)["precision"] < 0.1 < covered(real, wide)["recall"]
    assert set(covered(real, again + 100).values()) == {0.0}
    # Far from nothing, and so near each other that float32 could not tell them apart.
    assert covered(real + 1000, again + 1000) == pytest.approx(alike, abs=0.01)
    assert "reason" in Coverage().measure(Observation(real[:5]), Observation(again), None, 0)


def test_the_deviation_of_density_is_how_far_it_strays() -> None:
    torch.manual_seed(12)
    found = [
        Coverage().measure(Observation(torch.randn(150, 8) + 0.2), Observation(torch.randn(250, 8)), None, 0)
        for _ in range(100)
    ]
    parts = [each["parts"]["density"] for each in found]
    strays = torch.tensor([each["value"] for each in parts]).std()
    told = torch.tensor([each["deviation"] for each in parts]).square().mean().sqrt()
    assert float(told) == pytest.approx(float(strays), rel=0.25)


def novelty(drawn: Tensor, real: Tensor, training: Tensor) -> dict[str, Any]:
    return Novelty().measure(Observation(drawn), Observation(real, training=training), None, 0)


def test_what_is_learnt_by_heart_is_not_new() -> None:
    torch.manual_seed(6)
    training, test, fresh = torch.randn(800, 6), torch.randn(300, 6), torch.randn(500, 6)
    new = novelty(fresh, test, training)
    assert new["value"] == pytest.approx(1.0, abs=0.1)
    assert new["parts"]["close"]["value"] < 0.03
    copied = novelty(training[:500], test, training)
    assert copied["value"] < 1e-6
    assert copied["parts"]["close"]["value"] == 1.0
    half = novelty(torch.cat([training[:250], fresh[:250]]), test, training)
    assert half["parts"]["close"]["value"] == pytest.approx(0.5, abs=0.03)
    assert novelty(training[:500] + 0.01 * torch.randn(500, 6), test, training)["value"] < 0.1
    assert "reason" in novelty(fresh, training[:300], training)


def test_the_deviation_of_novelty_is_how_far_it_strays() -> None:
    torch.manual_seed(13)
    found = [novelty(torch.randn(150, 8), torch.randn(100, 8), torch.randn(400, 8)) for _ in range(100)]
    strays = torch.tensor([each["value"] for each in found]).std()
    told = torch.tensor([each["deviation"] for each in found]).square().mean().sqrt()
    assert float(told) == pytest.approx(float(strays), rel=0.25)


def diversity(repeats: Tensor) -> dict[str, Any]:
    return Diversity().measure(Observation(repeats[:, 0], repeats=repeats), None, None, 0)


def test_a_model_that_ignores_its_noise_has_no_diversity_and_one_that_ignores_its_caption_all() -> None:
    torch.manual_seed(8)
    captions, noise = torch.randn(200, 1, 6), torch.randn(200, 4, 6)
    assert diversity(captions.expand(-1, 4, -1))["value"] == 0.0
    assert diversity(noise)["value"] == pytest.approx(1.0, abs=0.05)
    # Distances of normal vectors grow with the root of their variance: 0.5^2 of 1 + 0.5^2.
    part = diversity(captions + 0.5 * noise)
    assert part["value"] == pytest.approx((0.25 / 1.25) ** 0.5, abs=0.03)
    assert 0 < part["deviation"] < 0.03
    assert part["captions"] == 200
    for nothing in (captions[:1].expand(1, 4, 6), captions, torch.ones(5, 3, 6)):
        assert diversity(nothing).keys() == {"reason"}


def test_a_score_goes_from_one_to_the_number_of_values() -> None:
    assert score(torch.zeros(100, 5))[0] == pytest.approx(1.0)
    assert score(torch.tensor([[50.0, 0, 0, 0, 0]]).repeat(100, 1))[0] == pytest.approx(1.0)
    mean, deviation = score(50 * torch.eye(5).repeat(2000, 1))
    assert mean == pytest.approx(5.0, rel=0.01)
    assert deviation < 0.05
    assert score(50 * torch.eye(7).repeat_interleave(10, 0), splits=1) == (pytest.approx(7.0, rel=1e-9), 0.0)


def test_sorted_pictures_score_as_shuffled_ones() -> None:
    logits = 50 * torch.eye(5).repeat(400, 1)
    ordered = logits[logits.argmax(1).argsort()]
    assert score(ordered, 0)[0] == pytest.approx(score(logits, 1)[0], rel=0.02)


def test_the_same_seed_gives_the_same_score_and_leaves_randomness_alone() -> None:
    logits = torch.randn(100, 4)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = score(logits, 3)
    assert torch.equal(torch.rand(3), expected)
    assert score(logits, 3) == first
    assert score(torch.randn(3, 4))[0] >= 1.0 - 1e-9


def test_only_stated_attributes_count() -> None:
    seen = Observation(torch.zeros(3, 1), None, {"body": ["red", "blue", "red"], "size": ["small", "large", "small"]})
    truth = [{"body": "red", "size": "large"}, {"body": "red", "size": "large"}, {"body": "green", "size": "small"}]

    def counted(stated: Sequence[Sequence[str]]) -> dict[str, Any]:
        return AttributeAccuracy().measure(seen, None, Texts([""] * 3, None, truth, stated), 0)

    found = counted([["body"], ["body", "size", "mood"], []])
    assert (found["right"], found["of"], found["value"]) == (1, 2, 0.5)
    assert {name: (part["right"], part["of"]) for name, part in found["parts"].items()} == {
        "body": (1, 2), "size": (1, 1),
    }  # fmt: skip
    assert counted([[], ["mood"], []]).keys() == {"reason"}
    # What an extractor reads and a caption states may not be known of the picture.
    del truth[1]["size"]
    assert counted([["body"], ["body", "size"], []])["parts"].keys() == {"body"}


def test_what_training_pictures_never_show_together_is_told_apart() -> None:
    rows = [{"body": "red", "wing": "red"}, {"body": "red", "wing": "blue"}, {"body": "green", "wing": "green"}]
    split: Any = SimpleNamespace(
        captions=[["red, blue wings"], ["green, blue wings", "blue wings"], ["violet"]],
        attributes=[{"body": "red", "wing": "blue"}, {"body": "green", "wing": "blue"}, {"body": "violet"}],
        stated=[[["body", "wing"]], [["body", "wing"], ["wing"]], [["body"]]],
        classes=[0, 1, 2],
    )
    samples = [Sample(0, 0, 0), Sample(1, 0, 0), Sample(1, 1, 0), Sample(2, 0, 0)]
    texts = texts_of(split, samples, rows)
    assert texts.novel == [False, True, False, True]
    assert reordered(texts, [1, 0, 3, 2]).novel == [True, False, True, False]
    assert texts_of(split, samples, None).novel is None
    drawn = {"body": ["red", "green", "red", "red"], "wing": ["blue", "green", "blue", "red"]}
    parts = AttributeAccuracy().measure(Observation(torch.zeros(4, 1), None, drawn), None, texts, 0)["parts"]
    assert (parts["values_seen_together"]["right"], parts["values_seen_together"]["of"]) == (2, 2)
    assert (parts["values_never_together"]["right"], parts["values_never_together"]["of"]) == (0, 2)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_newcombe(right: int, total: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=1e-4)
    assert wilson_interval(total - right, total) == pytest.approx((1 - high, 1 - low), abs=1e-4)


def ranked(pictures: Tensor, features: Tensor, *, candidates: int = 100, seed: int = 0, **known: Any) -> dict[str, Any]:
    texts = Texts(**{"captions": [f"caption {at}" for at in range(len(features))], "features": features, **known})
    return RPrecision(candidates=candidates).measure(Observation(pictures), None, texts, seed)


def test_r_precision_goes_from_chance_to_one() -> None:
    apart = torch.eye(120)
    perfect = ranked(3 * apart, apart)
    assert (perfect["value"], perfect["right"], perfect["of"], perfect["candidates"]) == (1.0, 120, 120, 100)
    assert perfect["interval"] == pytest.approx(wilson_interval(120, 120))
    assert ranked(apart.roll(1, 0), apart)["value"] < 0.3
    # An extractor that tells nothing apart is right one time in a hundred, not always.
    assert ranked(torch.ones(120, 4), torch.ones(120, 4))["value"] == pytest.approx(0.01)
    assert ranked(apart, torch.zeros(120, 120))["value"] == pytest.approx(0.01)
    draw = torch.Generator().manual_seed(1)
    chance = ranked(torch.randn(600, 32, generator=draw), torch.randn(600, 32, generator=draw))
    assert chance["interval"][0] < 0.01 < chance["interval"][1] < 0.04


def test_captions_that_are_true_of_the_picture_are_no_distractors_and_similar_ones_are_harder() -> None:
    # 120 captions of 12 colours: those of one colour are all true of each other's pictures, and look alike.
    colours = torch.arange(120) % 12
    truth = [{"colour": str(int(colour))} for colour in colours]
    features = torch.eye(12)[colours]
    known: dict[str, Any] = {"truth": truth, "stated": [["colour"]] * 120}
    assert ranked(features, features, candidates=50, **known)["value"] == 1.0
    assert ranked(features, features, candidates=50)["value"] < 0.6
    # A picture of colour 1 that looks like colour 0 most: only the captions closest to its own tell.
    near = torch.eye(12) + 0.5 * torch.eye(12).roll(1, 1)
    confused = ranked(near[colours], near[(colours + 1) % 12], candidates=11, **known)
    assert confused["parts"]["similar"]["value"] <= confused["value"]
    assert ranked(near[colours] + 0.2, near[colours], candidates=11, **known)["parts"]["similar"]["value"] == 1.0


def test_r_precision_by_hand() -> None:
    # The first picture is nearest to its own caption, the second to another one, and the last two cannot be told apart.
    captions = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 2]])
    pictures = torch.tensor([[5.0, 1, 1], [2, 1, 0], [0, 1, 3], [0, 1, 3]])
    found = ranked(pictures, captions, candidates=4)
    assert (found["right"], found["of"], found["value"]) == (2.0, 4, 0.5)
    # Only their direction counts.
    assert ranked(9 * pictures, 0.1 * captions, candidates=4)["value"] == 0.5


def test_captions_of_the_same_class_or_wording_are_no_mismatch() -> None:
    # Every picture is nearest to the caption of its neighbour.
    captions = torch.eye(12)
    pictures = captions + 2 * captions[[at ^ 1 for at in range(12)]]
    assert ranked(pictures, captions, candidates=10)["value"] < 0.5
    assert ranked(pictures, captions, candidates=10, classes=[at // 2 for at in range(12)])["value"] == 1.0
    assert ranked(pictures, captions, candidates=10, captions=[str(at // 2) for at in range(12)])["value"] == 1.0


def test_the_mismatched_captions_belong_to_the_seed() -> None:
    draw = torch.Generator().manual_seed(2)
    captions = torch.randn(300, 8, generator=draw)
    pictures = captions + 1.5 * torch.randn(300, 8, generator=draw)
    first = ranked(pictures, captions, seed=1)
    assert 0.05 < first["value"] < 0.95
    assert ranked(pictures, captions, seed=1) == first
    assert ranked(pictures, captions, seed=2)["value"] == pytest.approx(first["value"], abs=0.1)
    assert ranked(pictures, captions, seed=2) != first


def test_among_few_captions_all_there_are_are_ranked_and_their_number_is_said() -> None:
    few = ranked(torch.ones(40, 4), torch.ones(40, 4))
    assert (few["value"], few["candidates"]) == (pytest.approx(1 / 40), 40)
    assert "ranked among 40 and not 100" in few["doubt"]
    assert "chance comes to 2.5%" in few["doubt"]
    # The picture with the fewest decides, so that chance is the same for all: 30 of one class, and 10 of another.
    assert ranked(torch.eye(40), torch.eye(40), classes=[0] * 30 + [1] * 10)["candidates"] == 11
    assert "doubt" not in ranked(torch.eye(100), torch.eye(100))
    assert ranked(torch.eye(40), torch.eye(40), classes=[0] * 40).keys() == {"reason"}


def weighed(right: Sequence[Sequence[float]], stated: Sequence[Sequence[str]], **options: Any) -> dict[str, Any]:
    """R-precision of three captions, whose own pictures are small and red, large and red, small and blue.

    Args:
        right: for each picture the probabilities that it is red, and that it is small.
        stated: by each caption.
        options: of the metric.
    """
    columns = [("colour", "red"), ("colour", "blue"), ("size", "small"), ("size", "large")]
    logarithms = torch.tensor([[red, 1 - red, small, 1 - small] for red, small in right]).log()
    truth = [
        {"colour": "red", "size": "small"},
        {"colour": "red", "size": "large"},
        {"colour": "blue", "size": "small"},
    ]
    seen = Observation(torch.zeros(3, 1), probabilities=AttributeProbabilities(columns, logarithms))
    texts = Texts([str(at) for at in range(3)], None, truth, stated)
    return RPrecision(**options).measure(seen, None, texts, 0)


BOTH = [["colour", "size"]] * 3


def test_an_extractor_that_reads_no_captions_ranks_them_by_how_probable_is_what_they_state() -> None:
    sure = [(0.99, 0.99), (0.99, 0.01), (0.01, 0.99)]
    assert (weighed(sure, BOTH)["value"], weighed(sure, BOTH)["candidates"]) == (1.0, 3)
    # The first is rather large and the last rather red; that the second is large outweighs that it is rather blue.
    assert weighed([(0.9, 0.4), (0.4, 0.1), (0.6, 0.9)], BOTH)["right"] == 1
    # What tells nothing is right by chance.
    assert weighed([(0.5, 0.5)] * 3, BOTH)["value"] == pytest.approx(1 / 3)
    # Of a caption that states nothing, nothing can be right or wrong.
    silent = weighed(sure, [["colour", "size"], [], ["colour"]], candidates=2)
    assert (silent["right"], silent["of"]) == (2, 2)
    assert weighed(sure, [[], [], []]).keys() == {"reason"}


def test_a_value_that_the_extractor_has_never_met_is_on_no_picture() -> None:
    seen = AttributeProbabilities([("colour", "red")], torch.zeros(2, 1))
    truth = [{"colour": "red"}, {"colour": "mauve"}]
    texts = Texts(["red", "mauve"], None, truth, [["colour"]] * 2)
    assert RPrecision().measure(Observation(torch.zeros(2, 1), probabilities=seen), None, texts, 0)["right"] == 1


def test_the_calibrated_score_does_not_depend_on_how_sure_a_classifier_happens_to_be() -> None:
    draw = torch.Generator().manual_seed(3)
    right = torch.randint(5, (4000,), generator=draw)
    # Drawn by the very probabilities that these logits tell, so that they are as sure as they are right.
    logits = 2 * torch.randn(4000, 5, generator=draw)
    right = torch.multinomial(logits.softmax(1), 1, generator=draw)[:, 0]
    assert temperature_of(logits, right) == pytest.approx(1.0, abs=0.05)
    assert temperature_of(3 * logits, right) == pytest.approx(3.0, rel=0.05)
    assert temperature_of(50 * torch.eye(5), torch.arange(5)) == pytest.approx(0.05, rel=1e-3)
    scores = []
    for sure in (0.5, 1, 4):
        seen = Observation(torch.zeros(4000, 1), sure * logits, temperature=temperature_of(sure * logits, right))
        found = InceptionScore().measure(seen, None, None, 0)
        scores.append((found["value"], found["parts"]["calibrated"]["value"]))
    assert scores[0][0] < scores[1][0] < scores[2][0]
    assert [calibrated for _, calibrated in scores] == pytest.approx([score(logits)[0]] * 3, rel=0.03)


def test_as_many_splits_are_told_as_were_made() -> None:
    def told(count: int) -> int:
        found = InceptionScore().measure(Observation(torch.zeros(count, 1), torch.zeros(count, 5)), None, None, 0)
        return int(found["splits"])

    assert [told(count) for count in (3, 10, 12, 91, 2933)] == [3, 10, 10, 10, 10]


def test_splits_are_of_one_size_and_their_deviation_is_that_of_all_of_them() -> None:
    # Of two pictures that are told without a doubt as two classes the score is 2, of one alone 1.
    sure = torch.eye(2).mul(100.0)
    told = [
        InceptionScore(splits=2).measure(Observation(torch.zeros(3, 1), sure[[0, 1, 0]]), None, None, seed)
        for seed in range(20)
    ]
    assert {(round(each["value"], 6), round(each["deviation"], 6)) for each in told} == {(1.0, 0.0), (1.5, 0.5)}


def test_logits_beyond_what_a_probability_tells_have_a_score() -> None:
    logits = torch.full((50, 5), -400.0)
    logits[torch.arange(50), torch.arange(50) % 5] = 400.0
    found = InceptionScore(splits=1).measure(Observation(torch.zeros(50, 1), logits, temperature=0.05), None, None, 0)
    assert found["value"] == pytest.approx(5.0)
    assert found["parts"]["calibrated"]["value"] == pytest.approx(5.0)


def test_too_few_pictures_for_a_score_are_said() -> None:
    def doubt(count: int) -> Any:
        return (
            InceptionScore()
            .measure(Observation(torch.zeros(count, 1), torch.randn(count, 5)), None, None, 0)
            .get("doubt")
        )

    assert doubt(500) is None
    assert doubt(499) == "499 pictures in 10 splits are few for 5 classes, so that it comes out too low"

"""What a run measures of its generator: pictures of one colour each, whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.evaluation import run_evaluation
from stackgan_cli.evaluation.fitted_extractors import FittedExtractor
from stackgan_cli.evaluation.run_evaluation import RunEvaluation
from stackgan_cli.evaluation.run_numbers import RunNumbers
from stackgan_cli.evaluation.samples import Sample

LEVELS = (20, 60, 100, 140, 180, 220)


class Listener:
    """Takes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.warn = self.say = self.told.append

    def phase(self, *_: Any, **__: Any) -> Any:
        from stackgan_cli.progress import SILENT

        return SILENT.phase("")


@pytest.fixture
def world(colours: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Test pictures of 216 colours, and an extractor that was fitted to them."""
    type(colours.split).__init__(colours.split, "test", list(product(LEVELS, repeat=3)))
    colours.data.manifest.extractor = "colour"
    fitted = FittedExtractor(colours.extractor, "The extractor 'colour'", {}, None)
    monkeypatch.setattr(run_evaluation, "fitted_extractor", lambda *_, **__: fitted)
    return colours


@pytest.fixture
def opened(world: SimpleNamespace) -> Callable[..., tuple[RunEvaluation, list[str]]]:
    def make(pictures: int = 2000) -> tuple[RunEvaluation, list[str]]:
        listener = Listener()
        return RunEvaluation(world.data, resolution=8, pictures=pictures, progress=listener), listener.told

    return make


def painter(world: SimpleNamespace, change: Callable[[Tensor], Tensor]) -> Callable[[Sequence[Sample]], Tensor]:
    """A generator that paints what captions say, changed."""

    def draw(samples: Sequence[Sample]) -> Tensor:
        levels = change(world.split.colours[[each.picture for each in samples]])
        return levels.to(torch.uint8)[..., None, None].expand(-1, -1, 8, 8)

    return draw


def too_red(levels: Tensor) -> Tensor:
    return levels + torch.tensor([10, 0, 0])


def of_other_captions(levels: Tensor) -> Tensor:
    """Every colour as often as there is a caption for it, but not beside its caption."""
    return 240 - levels


def always_grey(levels: Tensor) -> Tensor:
    return torch.full_like(levels, 120)


def test_the_numbers_are_those_by_hand(world: SimpleNamespace, opened: Callable[..., Any]) -> None:
    evaluation, told = opened()
    numbers = evaluation.measure(painter(world, too_red))
    assert set(numbers.values) == {"frechet-distance", "kernel-distance", "r-precision", "attribute-accuracy"}
    # Ten levels too red, and nothing else; no colour changes sides by that.
    assert numbers.values["frechet-distance"] == pytest.approx(100.0, rel=1e-6)
    assert numbers.values["attribute-accuracy"] == 1.0
    assert numbers.score == pytest.approx(100.0, rel=1e-6)
    assert told == []
    # Half of the colours are on the other side, each of which counts as two real pictures of different captions.
    mirrored = evaluation.measure(painter(world, of_other_captions))
    assert mirrored.values["attribute-accuracy"] == 0.0
    assert mirrored.score == pytest.approx(2 * float(world.split.colours.double().var(0).sum()), rel=1e-6)


def test_who_ignores_the_captions_is_behind_who_reads_them_however_real_the_pictures(
    world: SimpleNamespace, opened: Callable[..., Any]
) -> None:
    evaluation, _ = opened()
    reads, ignores, collapsed = (
        evaluation.measure(painter(world, change)) for change in (too_red, of_other_captions, always_grey)
    )
    assert ignores.values["frechet-distance"] < 1e-6 < reads.values["frechet-distance"]
    assert reads.beat(ignores)
    assert not ignores.beat(reads)
    assert reads.beat(collapsed)
    assert ignores.beat(None)
    assert not reads.beat(reads)


def test_the_same_captions_are_drawn_with_the_same_noise_every_time(
    world: SimpleNamespace, opened: Callable[..., Any]
) -> None:
    evaluation, _ = opened(50)
    asked: list[list[Sample]] = [[], []]
    found = []
    for times in asked:
        draw = painter(world, too_red)
        found.append(evaluation.measure(lambda part, times=times, draw=draw: times.extend(part) or draw(part)))
    assert found[0] == found[1]
    assert asked[0] == asked[1] == evaluation.samples
    # From all over the split, each with noise of its own.
    assert sorted(each.picture for each in asked[0]) == [at * 216 // 50 for at in range(50)]
    assert len({each.seed for each in asked[0]}) == 50
    assert opened(50)[0].measure(painter(world, too_red)) == found[0]


def test_numbers_of_another_basis_are_not_compared(world: SimpleNamespace, opened: Callable[..., Any]) -> None:
    good = opened(60)[0].measure(painter(world, too_red))
    bad = opened(50)[0].measure(painter(world, always_grey))
    assert good.score is not None
    assert bad.score is not None
    assert good.score < bad.score
    assert bad.beat(good)
    assert good.basis != bad.basis
    assert not RunNumbers(values={}).beat(None)


def test_what_cannot_be_measured_is_said_once_in_words(world: SimpleNamespace, opened: Callable[..., Any]) -> None:
    world.split.stated = None
    evaluation, told = opened(40)
    (before,) = told
    assert before.startswith("While this trains, 'attribute-accuracy' is not measured: it needs data that says")
    numbers = evaluation.measure(painter(world, too_red))
    assert set(numbers.values) == {"frechet-distance", "kernel-distance", "r-precision"}
    # What tells whether they fit says too little to decide by.
    assert numbers.score == pytest.approx(numbers.values["frechet-distance"], abs=1e-5)
    (_, reason) = told
    assert reason.startswith("While this trains, 'r-precision' says little: each caption is ranked among")
    evaluation.measure(painter(world, always_grey))
    assert len(told) == 2


def test_one_picture_and_no_captions_leave_nothing_to_measure(
    world: SimpleNamespace, opened: Callable[..., Any]
) -> None:
    world.data.manifest.captioned = False
    evaluation, told = opened(1)
    assert any("'r-precision' is not measured: it needs an extractor that reads captions" in each for each in told)
    assert any(each.startswith("1 pictures are few") for each in told)
    numbers = evaluation.measure(painter(world, too_red))
    assert set(numbers.values) == {"attribute-accuracy"}
    assert numbers.score is None
    assert any("'frechet-distance' says nothing: one picture has no covariance" in each for each in told)

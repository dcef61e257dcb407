from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.binding import Component
from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import Observation, Texts
from stackgan_cli.evaluation.measuring import ChosenMetric, choose_metrics
from stackgan_cli.evaluation.observing import Observer
from stackgan_cli.evaluation.results import Row
from stackgan_cli.evaluation.rows import measured_rows
from stackgan_cli.evaluation.samples import choose_samples


def rows_of(
    world: SimpleNamespace, metrics: list[ChosenMetric], *, count: int = 64, at_once: int = 16, told: Any = None
) -> list[Row]:
    return measured_rows(
        world.pipeline,
        world.data,
        world.split,
        choose_samples(world.split, count, 0),
        observer=Observer(world.extractor, "The extractor 'colour'"),
        metrics=metrics,
        seed=0,
        report=(lambda done, total: told.append((done, total))) if told is not None else lambda done, total: None,
        at_once=at_once,
    ).rows


def values(rows: list[Row], metric: str) -> dict[str, float | None]:
    return {row.pictures: row.metrics[metric].value for row in rows if metric in row.metrics}


def test_the_frechet_distance_of_each_row_is_the_one_by_hand(colours: SimpleNamespace) -> None:
    rows = rows_of(colours, choose_metrics(["frechet-distance"])[0])
    real = colours.split.colours.double()
    # A single colour has no spread: the distance is between the means, and all of the real pictures' variance.
    floor = (real.mean(0) - torch.tensor([90, 100, 110])).square().sum() + real.var(0).sum()
    assert values(rows, "frechet-distance") == {
        "real training pictures": pytest.approx(float(floor), rel=1e-6),
        "Stage-I": pytest.approx(10.0**2, rel=1e-6),
        "Stage-II": pytest.approx(0.0, abs=1e-3),
    }
    assert [row.pictures for row in rows] == [
        "real test pictures", "real training pictures", "Stage-I", "Stage-II",
    ]  # fmt: skip
    # There are five training pictures.
    assert [row.count for row in rows] == [64, 5, 64, 64]


def test_attributes_are_right_where_the_picture_is_and_by_chance_under_shuffled_captions(
    colours: SimpleNamespace,
) -> None:
    # Between 118 and 128 lies nothing, so that the redder Stage-I is right, too.
    rows = rows_of(colours, choose_metrics(["attribute-accuracy"])[0], count=640)
    shares = values(rows, "attribute-accuracy")
    assert shares.pop("Stage-II, captions shuffled") == pytest.approx(0.5, abs=0.06)
    assert shares == {"real test pictures": 1.0, "Stage-I": 1.0, "Stage-II": 1.0}
    # Training pictures are all of one colour.
    together = {"values_seen_together", "values_never_together"}
    assert rows[0].metrics["attribute-accuracy"].parts.keys() == {"red", *together}


def test_captions_are_told_apart_beside_their_own_pictures_alone(colours: SimpleNamespace) -> None:
    colours.split.stated = None
    # Around the middle, colours have directions of their own (but for greys), and the cosine tells them apart.
    for ability in ("features", "caption_features"):
        setattr(colours.extractor, ability, partial(_centred, getattr(colours.extractor, ability)))
    shares = values(rows_of(colours, choose_metrics(["r-precision"])[0], count=200), "r-precision")
    assert shares.pop("Stage-II, captions shuffled") == pytest.approx(0.01, abs=0.03)
    assert shares.pop("Stage-I") < shares["Stage-II"] == shares["real test pictures"]
    assert shares["Stage-II"] > 0.95


def _centred(describe: Callable[[Any], Tensor], things: Any) -> Tensor:
    return describe(things) - 128


def test_wrong_attributes_are_counted(colours: SimpleNamespace) -> None:
    colours.pipeline.pixels = lambda text, seeds, stage: torch.full((len(seeds), 3, 8, 8), 255, dtype=torch.uint8)
    rows = rows_of(colours, choose_metrics(["attribute-accuracy"])[0])
    found = {row.pictures: row.metrics["attribute-accuracy"] for row in rows if row.metrics}
    # Half of the captions say red, and everything is white.
    assert (found["Stage-II"].value, found["Stage-II"].of) == (0.5, 64)
    assert found["Stage-II, captions shuffled"].value == 0.5


class Spy:
    """A metric that keeps what it is shown."""

    title, better = "shown", "lower"

    def __init__(self, *needs: str) -> None:
        self.needs = frozenset(needs)
        self.shown: list[tuple[Observation, Observation | None, Texts | None]] = []

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        self.shown.append((drawn, real, texts))
        return {"value": len(self.shown)}


def chosen(metric: Any) -> ChosenMetric:
    return ChosenMetric("spy", Component(Kind.METRIC, "spy", "spies", "1.0", "spies:Spy"), metric, True)


def test_each_row_is_shown_what_belongs_to_it(colours: SimpleNamespace) -> None:
    spy = Spy("texts")
    rows = rows_of(colours, [chosen(spy)])
    assert values(rows, "spy") == {
        "real test pictures": 1, "Stage-I": 2, "Stage-II": 3, "Stage-II, captions shuffled": 4,
    }  # fmt: skip
    (ceiling, nothing, own), *_, (last, real, right), (again, beside, shuffled) = spy.shown
    assert nothing is None
    assert real is beside is ceiling
    assert again is last
    assert own is right
    assert shuffled.captions != own.captions
    assert sorted(shuffled.captions) == sorted(own.captions)
    for texts in (own, shuffled):
        assert torch.equal(texts.features, colours.extractor.caption_features(texts.captions))
        assert [row["red"] == "yes" for row in texts.truth] == [int(each.split()[1]) > 128 for each in texts.captions]


@pytest.mark.parametrize(
    ("needs", "concerned"),
    [
        ((), ["real test pictures", "real training pictures", "Stage-I", "Stage-II"]),
        (("real",), ["real training pictures", "Stage-I", "Stage-II"]),
        (("real", "texts"), ["Stage-I", "Stage-II", "Stage-II, captions shuffled"]),
        (("stated",), ["real test pictures", "Stage-I", "Stage-II", "Stage-II, captions shuffled"]),
        (("caption_features", "logits"), ["real test pictures", "Stage-I", "Stage-II", "Stage-II, captions shuffled"]),
    ],
)
def test_a_metric_is_asked_of_the_rows_that_have_what_it_needs(
    colours: SimpleNamespace, needs: tuple[str, ...], concerned: list[str]
) -> None:
    assert list(values(rows_of(colours, [chosen(Spy(*needs))]), "spy")) == concerned


def test_no_real_picture_is_compared_with_twice(colours: SimpleNamespace) -> None:
    colours.data.train = type(colours.split)("train", [(level, 0, 0) for level in range(50)])
    for count, training, tested in ((40, 40, 40), (64, 50, 64), (200, 50, 64)):
        spy = Spy("real")
        rows_of(colours, [chosen(spy)], count=count)
        (floor, reference, _), *_, (drawn, same, _) = spy.shown
        assert len(floor.features) == len(floor.features.unique(dim=0)) == training
        assert reference is not None
        assert same is not None
        assert len(reference.features) == len(same.features) == tested
        assert len(drawn.features) == count


def test_of_many_training_pictures_those_that_are_compared_with_come_from_all_over(
    colours: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours.data.train = type(colours.split)("train", [(level, 0, 0) for level in range(200)])

    def compared(seed: int) -> tuple[list[int], list[float]]:
        samples = choose_samples(colours.split, 20, seed)
        observer, metrics = Observer(colours.extractor, "The extractor"), [chosen(Spy("real", "training"))]
        found = measured_rows(
            colours.pipeline, colours.data, colours.split, samples, observer=observer, metrics=metrics, seed=seed,
            report=lambda done, total: None,
        )  # fmt: skip
        assert found.real.training is not None
        return list(found.learnt), found.real.training[:, 0].tolist()

    numbers, levels = compared(0)
    assert numbers == levels == list(range(200))
    monkeypatch.setattr("stackgan_cli.evaluation.rows._MOST_TRAINING", 40)
    numbers, levels = compared(0)
    # A training picture is as red as its number says.
    assert numbers == levels
    assert len(set(numbers)) == 40
    assert min(numbers) < 50 < 150 < max(numbers)
    # Always the same: looking at others would take long, and novelty would be another.
    assert compared(1) == (numbers, levels)


def test_a_model_of_one_stage_ends_with_it(colours: SimpleNamespace) -> None:
    colours.pipeline.stages = (1,)
    rows = rows_of(colours, [chosen(Spy("texts"))])
    assert [row.pictures for row in rows][2:] == ["Stage-I", "Stage-I, captions shuffled"]


def test_numbers_do_not_depend_on_the_batch(colours: SimpleNamespace) -> None:
    metrics = choose_metrics()[0]
    first = rows_of(colours, metrics, count=200, at_once=16)
    assert {name for row in first for name in row.metrics} >= {
        "attribute-accuracy", "frechet-distance", "inception-score", "r-precision",
    }  # fmt: skip
    for at_once in (1, 200):
        assert rows_of(colours, metrics, count=200, at_once=at_once) == first


def test_pictures_are_counted_as_they_are_done(colours: SimpleNamespace) -> None:
    told: list[tuple[int, int]] = []
    rows_of(colours, [], count=20, at_once=16, told=told)
    # There are five training pictures.
    assert told == [(done, 65) for done in (16, 20, 25, 41, 45, 61, 65)]


def test_captions_without_known_attributes_are_left_alone(colours: SimpleNamespace) -> None:
    colours.split.stated = None
    spy = Spy("texts")
    rows_of(colours, [chosen(spy), replace(chosen(Spy("stated")), name="unasked")])
    texts = spy.shown[0][2]
    assert texts is not None
    assert texts.stated is None
    assert texts.truth is not None


def test_training_pictures_and_more_drawings_are_looked_at_where_a_metric_asks_for_them(
    colours: SimpleNamespace,
) -> None:
    spy, told = Spy("real", "training", "repeats"), []
    rows = rows_of(colours, [chosen(spy)], count=20, told=told)
    assert [row.pictures for row in rows if row.metrics] == ["Stage-I", "Stage-II"]
    learnt = len(colours.data.train)
    # Twenty captions are drawn three times more in both stages.
    assert told[-1] == (65 + 2 * 60 + learnt, 65 + 2 * 60 + learnt)
    drawn, real, _ = spy.shown[-1]
    assert real is not None
    assert real.training is not None
    assert len(real.training) == learnt
    assert drawn.repeats is not None
    assert drawn.repeats.shape == (20, 4, 3)
    assert torch.equal(drawn.repeats[:, 0], drawn.features)
    assert torch.equal(drawn.repeats[:, 3], drawn.features)

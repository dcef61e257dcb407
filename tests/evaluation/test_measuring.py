from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.components.protocols import METRIC_NEEDS, Observation
from stackgan_cli.errors import ComponentError, UsageError
from stackgan_cli.evaluation.measuring import ChosenMetric, applicable, choose_metrics

METRIC = """
class {name}:
    title = "brightness"
    better = "higher"
    needs = frozenset({needs})

    def measure(self, drawn, real, texts, seed):
        print("I am measuring")
        return {given}
"""
PICTURES = Observation(torch.zeros(2, 1))


@pytest.fixture
def brightness(install: Callable[..., Path]) -> Callable[..., None]:
    """``brightness(given, needs=...)`` installs the metric ``brightness`` of the package ``light-meter`` 3.1."""

    def write(given: str = '{"value": 2.5}', needs: str = "()", **changes: str) -> None:
        code = METRIC.format(name="Brightness", given=given, needs=needs)
        for old, new in changes.items():
            code = code.replace(old, new)
        install("light-meter", "[stackgan.metrics]\nbrightness = light_meter:Brightness\n", code, version="3.1")

    return write


def measured(named: bool = True) -> Any:
    metric = choose_metrics(["brightness"])[0][0]
    return ChosenMetric(metric.name, metric.component, metric.metric, named).measure(PICTURES, None, None, 0)


def test_all_that_are_installed_are_asked_unless_some_are_named(brightness: Callable[..., None]) -> None:
    brightness()
    built_in = [
        "attribute-accuracy",
        "coverage",
        "diversity",
        "frechet-distance",
        "inception-score",
        "kernel-distance",
        "novelty",
        "r-precision",
    ]
    assert [each.name for each in choose_metrics()[0]] == [*built_in, "brightness"]
    named = choose_metrics(["brightness", "frechet-distance", "light-meter:brightness"])[0]
    assert [each.name for each in named] == ["brightness", "frechet-distance"]
    facts, of_distance = (each.facts("effnet-lite0") for each in named)
    assert (facts.component, facts.version) == ("light-meter:brightness", "3.1")
    assert (facts.title, facts.better, facts.short_name) == ("brightness", "higher", "")
    # It is called after what it is by, and never FID.
    assert of_distance.short_name == "fd-effnet-lite0"


def test_two_metrics_of_one_name_have_their_full_names(install: Callable[..., Path]) -> None:
    code = METRIC.format(name="Mine", given="{}", needs="()")
    install("other", "[stackgan.metrics]\nfrechet-distance = other:Mine\n", code)
    names = [each.name for each in choose_metrics()[0]]
    assert {"stackgan-cli:frechet-distance", "other:frechet-distance", "inception-score"} <= set(names)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title =": "name ="}, "has no title"),
        ({"higher": "more"}, "does not say whether lower or higher is better, but 'more'"),
        ({"frozenset": "list"}, "does not say what it needs in a frozenset"),
        ({"frozenset(())": "frozenset({'logit'})"}, "needs 'logit', which nothing gives .did they mean 'logits'"),
        ({"class Brightness": "raise OSError('no light')\nclass Brightness"}, "cannot be imported: OSError: no light"),
    ],
)
def test_a_broken_metric_is_an_error_only_where_it_is_named(
    brightness: Callable[..., None], changes: dict[str, str], words: str
) -> None:
    brightness(**changes)
    with pytest.raises(ComponentError, match=rf"'brightness' of light-meter 3\.1 .*{words}"):
        choose_metrics(["brightness"])
    chosen, left_out = choose_metrics()
    assert "brightness" not in {each.name for each in chosen}
    assert "light-meter 3.1" in left_out["brightness"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("1 / 0", "failed while measuring pictures: ZeroDivisionError"),
        ("3.0", "failed while measuring pictures: TypeError"),
        ('{"value": float("nan")}', "failed while measuring pictures: ValueError"),
        ('{"value": "high"}', "measured is malformed: value"),
        ('{"value": 1, "interval": [1]}', "measured is malformed: interval"),
        ('{"value": 1, "parts": {"left": 3}}', "measured is malformed: parts.left"),
    ],
)
def test_a_failing_metric_is_an_error_where_it_is_named_and_a_word_elsewhere(
    brightness: Callable[..., None], given: str, words: str
) -> None:
    brightness(given)
    with pytest.raises(ComponentError, match=rf"'brightness' of light-meter 3\.1 .*{words}"):
        measured()
    found = measured(named=False)
    assert found.value is None
    assert "light-meter 3.1" in found.reason


def test_what_a_metric_says_is_kept_as_it_is(
    brightness: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    brightness('{"value": 1, "of": 4, "lamp": "sun", "parts": {"left": {"value": 0.5, "interval": (0, 1)}}}')
    assert measured().model_dump(mode="json", exclude_defaults=True) == {
        "value": 1.0, "of": 4, "lamp": "sun", "parts": {"left": {"value": 0.5, "interval": [0.0, 1.0]}},
    }  # fmt: skip
    assert capsys.readouterr().out == ""


def test_a_metric_may_have_nothing_to_say(brightness: Callable[..., None]) -> None:
    brightness("{}")
    assert measured() is None


def test_what_cannot_be_measured_is_left_out_with_a_word_or_refused_where_it_is_named() -> None:
    chosen, left_out = applicable(choose_metrics()[0], frozenset({"real", "statistics", "texts", "attributes"}))
    assert [each.name for each in chosen] == ["coverage", "frechet-distance", "kernel-distance"]
    assert left_out == {
        "attribute-accuracy": "it needs data that says which attributes each caption states",
        "diversity": "it needs several drawings of one caption",
        "inception-score": "it needs an extractor that classifies pictures",
        "novelty": "it needs the training pictures",
        "r-precision": f"it needs {METRIC_NEEDS['likeness']}",
    }
    assert applicable(choose_metrics()[0], frozenset(METRIC_NEEDS))[1] == {}
    with pytest.raises(UsageError, match=r"'r-precision' cannot be measured: it needs an extractor that reads"):
        applicable(choose_metrics(["r-precision"])[0], frozenset({"real"}))

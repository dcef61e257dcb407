from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stackgan_cli.errors import ComponentError
from stackgan_cli.evaluation.observing import Observer

DESCRIBED = "The feature extractor 'colour' of paint-shop 2.1"
PICTURES = torch.arange(4 * 3 * 2 * 2).reshape(4, 3, 2, 2).to(torch.uint8)


def observed(extractor: Any, told: Callable[[int], None] = lambda count: None) -> Any:
    return Observer(extractor, DESCRIBED).observe(iter([PICTURES[:3], PICTURES[3:]]), told)


def test_batches_are_joined_in_their_order(colours: SimpleNamespace) -> None:
    told: list[int] = []
    found = observed(colours.extractor, told.append)
    assert torch.equal(found.features, PICTURES[:, :, 0, 0].float())
    assert torch.equal(found.logits, PICTURES[:, :2, 0, 0].float() - 128)
    assert found.attributes == {"red": ["no", "no", "no", "no"]}
    assert told == [3, 1]


def test_what_an_extractor_cannot_do_is_left_out() -> None:
    class Plain:
        width = 1

        def features(self, pictures: torch.Tensor) -> torch.Tensor:
            weight = torch.ones(1, requires_grad=True)
            return (pictures.double().mean((1, 2, 3)) * weight)[:, None]

    observer = Observer(Plain(), DESCRIBED)  # type: ignore[arg-type]
    found = observed(Plain())
    assert (found.logits, found.attributes) == (None, None)
    assert found.features.dtype is torch.float32
    assert not found.features.requires_grad
    assert observer.read([["a caption"]]) is None
    assert observer.fills == frozenset()


def test_abilities_are_those_that_metrics_need(colours: SimpleNamespace) -> None:
    observer = Observer(colours.extractor, DESCRIBED)
    assert observer.fills == {"logits", "attributes", "caption_features"}
    features = observer.read([["red 1 2 3"], ["4 5 6", "7 8 9"]])
    assert features is not None
    assert features.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def fail(pictures: torch.Tensor) -> torch.Tensor:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("ability", "gives", "words"),
    [
        ("features", lambda pictures: [[0.0]] * len(pictures), "gives list for features, not a tensor"),
        ("features", lambda pictures: torch.zeros(2, 3), r"features of the shape \(2, 3\), not \(3, 3\)"),
        ("features", lambda pictures: torch.zeros(len(pictures), 4), r"\(3, 4\), not \(3, 3\)"),
        ("features", lambda pictures: pictures[:, :, 0, 0], "hold NaN or infinity, or are no floating point numbers"),
        (
            "features",
            lambda pictures: torch.full((len(pictures), 3), torch.nan),
            "hold NaN or infinity, or are no floating point numbers",
        ),
        ("features", fail, "failed while describing pictures: ZeroDivisionError: by zero"),
        ("logits", lambda pictures: torch.zeros(len(pictures)), r"logits of the shape \(3,\), not \(3, values\)"),
        ("attributes", lambda pictures: {"red": ["yes"]}, "1 values of the attribute 'red' for 3 pictures"),
        ("attributes", lambda pictures: ["yes"] * len(pictures), "gives list for attributes, not lists by name"),
        ("attributes", lambda pictures: {str(len(pictures)): "abc"[: len(pictures)]}, "describing pictures: KeyError"),
    ],
)
def test_wrong_answers_are_laid_at_the_extractors_door(
    colours: SimpleNamespace, ability: str, gives: Callable[..., Any], words: str
) -> None:
    setattr(colours.extractor, ability, gives)
    with pytest.raises(ComponentError, match=rf"{DESCRIBED} .*{words}"):
        observed(colours.extractor)


def test_wrong_descriptions_of_captions_and_of_itself_are_told(colours: SimpleNamespace) -> None:
    colours.extractor.caption_features = lambda captions: torch.zeros(len(captions), 2)
    colours.extractor.spec = lambda: {"weights": torch.zeros(2)}
    observer = Observer(colours.extractor, DESCRIBED)
    with pytest.raises(ComponentError, match=r"features of captions of the shape \(1, 2\), not \(1, 3\)"):
        observer.read([["a"]])
    with pytest.raises(ComponentError, match=r"paint-shop 2\.1 failed while saying what it is"):
        observer.spec()


def test_a_talking_extractor_leaves_stdout_alone(colours: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    silent = colours.extractor.features
    colours.extractor.features = lambda pictures: print("hello") or silent(pictures)  # noqa: T201
    observed(colours.extractor)
    assert capsys.readouterr().out == ""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stackgan_cli.errors import ComponentError
from stackgan_cli.evaluation.observing import Observer
from stackgan_cli.extractors.domain_classifier import DomainClassifier

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
    assert told == [4]


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
    assert observer.read(["a caption"]) is None
    assert observer.fills == frozenset()


def test_abilities_are_those_that_metrics_need(colours: SimpleNamespace) -> None:
    observer = Observer(colours.extractor, DESCRIBED)
    assert observer.fills == {"logits", "attributes", "caption_features"}
    features = observer.read(["red 1 2 3", "4 5 6", "7 8 9"])
    assert features is not None
    assert features.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def fail(pictures: torch.Tensor) -> torch.Tensor:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("ability", "gives", "words"),
    [
        ("features", lambda pictures: [[0.0]] * len(pictures), "gives list for features, not a tensor"),
        ("features", lambda pictures: torch.zeros(2, 3), r"features of the shape \(2, 3\), not \(16, 3\)"),
        ("features", lambda pictures: torch.zeros(len(pictures), 4), r"\(16, 4\), not \(16, 3\)"),
        ("features", lambda pictures: pictures[:, :, 0, 0], "hold NaN or infinity, or are no floating point numbers"),
        (
            "features",
            lambda pictures: torch.full((len(pictures), 3), torch.nan),
            "hold NaN or infinity, or are no floating point numbers",
        ),
        ("features", fail, "failed while describing pictures: ZeroDivisionError: by zero"),
        ("logits", lambda pictures: torch.zeros(len(pictures)), r"logits of the shape \(16,\), not \(16, values\)"),
        ("attributes", lambda pictures: {"red": ["yes"]}, "1 values of the attribute 'red' for 16 pictures"),
        ("attributes", lambda pictures: ["yes"] * len(pictures), "gives list for attributes, not lists by name"),
    ],
)
def test_wrong_answers_are_laid_at_the_extractors_door(
    colours: SimpleNamespace, ability: str, gives: Callable[..., Any], words: str
) -> None:
    setattr(colours.extractor, ability, gives)
    with pytest.raises(ComponentError, match=rf"{DESCRIBED} .*{words}"):
        observed(colours.extractor)


def test_other_attributes_in_every_batch_are_no_answer(colours: SimpleNamespace) -> None:
    colours.extractor.attributes = lambda pictures: {str(int(pictures[0, 0, 0, 0])): ["yes"] * len(pictures)}
    with pytest.raises(ComponentError, match="failed while describing pictures: KeyError"):
        Observer(colours.extractor, DESCRIBED).observe([*[PICTURES] * 4, PICTURES[1:]], lambda count: None)


def test_wrong_descriptions_of_captions_and_of_itself_are_told(colours: SimpleNamespace) -> None:
    colours.extractor.caption_features = lambda captions: torch.zeros(len(captions), 2)
    colours.extractor.spec = lambda: {"weights": torch.zeros(2)}
    observer = Observer(colours.extractor, DESCRIBED)
    with pytest.raises(ComponentError, match=r"features of captions of the shape \(16, 2\), not \(16, 3\)"):
        observer.read(["a"])
    with pytest.raises(ComponentError, match=r"paint-shop 2\.1 failed while saying what it is"):
        observer.spec()


def test_a_talking_extractor_leaves_stdout_alone(colours: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    silent = colours.extractor.features
    colours.extractor.features = lambda pictures: print("hello") or silent(pictures)  # noqa: T201
    observed(colours.extractor)
    assert capsys.readouterr().out == ""


def test_numbers_are_bit_for_bit_those_of_any_batch_size() -> None:
    extractor = DomainClassifier(labels=[["colour", "red", "blue"]], channels=8, input_side=32).eval()
    pictures = torch.randint(0, 256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    observer = Observer(extractor, DESCRIBED)
    whole, cut, alone = (observer.observe(iter(pictures.split(size)), lambda count: None) for size in (40, 7, 1))
    for other in (cut, alone, observer.observe([pictures[5:]], lambda count: None)):
        assert torch.equal(other.features, whole.features[-len(other.features) :])
        assert other.logits is not None
        assert whole.logits is not None
        assert torch.equal(other.logits, whole.logits[-len(other.logits) :])


def test_a_network_runs_once_for_everything_that_it_tells() -> None:
    extractor = DomainClassifier(labels=[["colour", "red", "blue"]], channels=8, input_side=32).eval()
    passes: list[int] = []
    extractor.body.register_forward_hook(lambda *seen: passes.append(len(seen[2])))
    Observer(extractor, DESCRIBED).observe([torch.zeros(32, 3, 32, 32, dtype=torch.uint8)], lambda count: None)
    assert passes == [16, 16]

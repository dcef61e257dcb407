from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.fitting import learnt_options
from stackgan_cli.errors import DataError
from stackgan_cli.extractors.domain_classifier import DomainClassifier

SMALL = {"width": 8, "channels": 8, "input_side": 32}
HUES = ("red", "green", "blue")
PICTURES = 576


pytestmark = pytest.mark.usefixtures("on_one_thread")


class PlainColours:
    """Pictures of one hue, light or dark, under noise: what a small network learns in a second."""

    captions: Sequence[Sequence[str]] = [["a colour"]] * PICTURES
    classes: Sequence[int] = [at % 3 for at in range(PICTURES)]
    attributes: Sequence[Mapping[str, str]] | None = [
        {"hue": HUES[at % 3], "tone": "light" if at % 2 else "dark"} for at in range(PICTURES)
    ]
    stated: Sequence[Sequence[Sequence[str]]] | None = None

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        levels = torch.randint(0, 40, (len(indices), 3, resolution, resolution), generator=generator)
        for row, at in enumerate(indices):
            levels[row] += 120 if at % 2 else 20
            levels[row, at % 3] += 80
        return levels.to(torch.uint8)


def fitted(data: PlainColours, epochs: int, seed: int = 0) -> tuple[DomainClassifier, float]:
    torch.manual_seed(0)
    classifier = DomainClassifier(**SMALL, epochs=epochs)  # type: ignore[arg-type]
    told: list[tuple[int, int]] = []
    measured = classifier.fit(data, seed=seed, report=lambda done, total, words: told.append((done, total)))
    assert told[-1] == (epochs * 8, epochs * 8)
    return classifier, measured["held_out_accuracy"]


def test_what_is_plain_to_see_is_learnt_and_named() -> None:
    data = PlainColours()
    classifier, accuracy = fitted(data, 8)
    assert accuracy > 0.95
    pictures = data.pictures(range(12), 32)
    assert classifier.attributes(pictures) == {
        "hue": [*HUES] * 4, "tone": ["dark", "light"] * 6,
    }  # fmt: skip
    # The score is over the head with the most values, which are sorted.
    assert classifier.spec()["score_over"] == "hue"
    assert [sorted(HUES)[at] for at in classifier.logits(pictures).argmax(1)] == [*HUES] * 4
    assert classifier.features(pictures).shape == (12, 8)
    assert torch.allclose(classifier.features(pictures)[3:4], classifier.features(pictures[3:4]), atol=1e-4)


def test_classes_are_learnt_where_there_are_no_attributes() -> None:
    data = PlainColours()
    data.attributes = None
    classifier, _ = fitted(data, 1)
    assert classifier.spec()["heads"] == {"class": 3}
    again = DomainClassifier(**SMALL, **learnt_options(classifier))  # type: ignore[arg-type]
    again.load_state_dict(classifier.state_dict())
    assert again.eval().spec() == classifier.spec()


def test_data_without_attributes_and_classes_is_refused() -> None:
    data = PlainColours()
    data.attributes, data.classes = None, range(PICTURES)
    with pytest.raises(DataError, match="learns attributes or classes, and this data has neither") as caught:
        fitted(data, 1)
    assert "class column" in str(caught.value.hint)


def test_a_seed_decides_everything_and_nothing_else_is_touched() -> None:
    first, accuracy = fitted(PlainColours(), 1)
    expected = torch.rand(3)
    second, again = fitted(PlainColours(), 1)
    assert (second.spec()["sha256"], again) == (first.spec()["sha256"], accuracy)
    # ``fitted`` seeds the default generator and builds; fitting draws nothing from it.
    assert torch.equal(torch.rand(3), expected)
    other, _ = fitted(PlainColours(), 1, seed=1)
    assert other.spec()["sha256"] != first.spec()["sha256"]
    state = torch.get_rng_state()
    DomainClassifier.fit(first, PlainColours(), seed=2, report=lambda *told: None)
    assert torch.equal(torch.get_rng_state(), state)

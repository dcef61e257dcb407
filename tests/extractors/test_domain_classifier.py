from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackgan_cli.components.fitting import learnt_options
from stackgan_cli.components.protocols import Classifies, ReadsAttributes, ReadsCaptions
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


def test_captions_alone_are_enough() -> None:
    data = PlainColours()
    data.attributes, data.classes = None, range(PICTURES)
    # Words in another order, and words that say nothing; some pictures have no caption at all.
    data.captions = [
        [] if at % 50 == 49 else [f"a {HUES[at % 3]} thing, number {at}", f"this one is {tone(at)}, and {HUES[at % 3]}"]
        for at in range(PICTURES)
    ]
    torch.manual_seed(0)
    matcher = DomainClassifier(**SMALL, epochs=8)  # type: ignore[arg-type]
    measured = matcher.fit(data, seed=0, report=lambda *told: None)
    # Among 58 pictures of 6 looks a caption's own can be found one time in ten; by chance it were one in fifty-eight.
    assert measured.keys() == {"caption_to_picture", "of_pictures"}
    assert measured["caption_to_picture"] > 0.04
    pictures = F.normalize(matcher.features(data.pictures(range(6), 32)), dim=1)
    told = [f"this one is {tone(at)}, and {HUES[at % 3]}" for at in range(6)]
    likeness = F.normalize(matcher.caption_features(told), dim=1) @ pictures.T
    assert likeness.argmax(1).tolist() == [0, 1, 2, 3, 4, 5]
    assert isinstance(matcher, ReadsCaptions)
    assert not isinstance(matcher, Classifies | ReadsAttributes)
    again = DomainClassifier(**SMALL, **learnt_options(matcher))  # type: ignore[arg-type]
    again.load_state_dict(matcher.state_dict())
    assert torch.equal(again.eval().caption_features(told), matcher.caption_features(told))


def tone(at: int) -> str:
    return "light" if at % 2 else "dark"


def test_data_that_knows_nothing_of_its_pictures_is_refused() -> None:
    data = PlainColours()
    data.attributes, data.classes, data.captions = None, range(PICTURES), [[]] * PICTURES
    with pytest.raises(DataError, match="learns attributes, classes or captions, and this data has none") as caught:
        fitted(data, 1)
    assert "class column" in str(caught.value.hint)

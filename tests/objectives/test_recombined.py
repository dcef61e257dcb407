from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.fitting import fit, learnt_options
from stackgan_cli.components.protocols import Generated, TextFeatures
from stackgan_cli.objectives.matching import PictureTextMatching

HUES = ("red", "green", "blue")
PAIRS = ((0, 1), (1, 2), (2, 0))
"""The hues of sky and sand that pictures have: three of the nine."""
PICTURES = 120

pytestmark = pytest.mark.usefixtures("on_one_thread")


class Shores:
    """Pictures of a sky above sand, each of a hue; a caption tells both."""

    captions: Sequence[Sequence[str]] = [
        [f"a {HUES[sky]} sky over {HUES[sand]} sand"] for at in range(PICTURES) for sky, sand in (PAIRS[at % 3],)
    ]
    classes: Sequence[int] = list(range(PICTURES))
    attributes: Sequence[Mapping[str, str]] | None = [
        {"sky": HUES[sky], "sand": HUES[sand]} for at in range(PICTURES) for sky, sand in (PAIRS[at % 3],)
    ]
    stated: Sequence[Sequence[Sequence[str]]] | None = [[["sky", "sand"]]] * PICTURES

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        return painted([PAIRS[at % 3] for at in indices], resolution).add(1).mul(127.5).to(torch.uint8)

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        return self.encode([self.captions[row][at] for row, at in zip(pictures, captions, strict=True)])

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(torch.stack([torch.eye(6)[list(places(caption))].sum(0) for caption in captions]))


def places(caption: str) -> tuple[int, int]:
    sky, sand = (HUES.index(word) for word in caption.split() if word in HUES)
    return sky, 3 + sand


def painted(hues: Sequence[tuple[int, int]], side: int) -> Tensor:
    """Pictures (batch, 3, side, side) in [-1, 1] of skies and sands."""
    images = torch.rand(len(hues), 3, side, side) * 0.4 - 1
    for row, (sky, sand) in enumerate(hues):
        images[row, sky, : side // 2] += 1.2
        images[row, sand, side // 2 :] += 1.2
    return images


def fitted(data: Any, steps: int, recombined: int = 40) -> tuple[PictureTextMatching, dict[str, float]]:
    torch.manual_seed(0)
    options: dict[str, Any] = {"side": 32, "channels": 6, "width": 16, "fit_steps": steps, "fit_batch": 32}
    matching = PictureTextMatching(text_width=6, recombined=recombined, **options)
    return matching, fit(matching, "matching", data, seed=1, report=lambda *told: None)


def hues_of(sentence: Tensor) -> tuple[int, int]:
    sky, sand = sentence.nonzero()[:, 0].tolist()
    return sky, sand - 3


def test_they_state_in_words_what_no_picture_has_and_it_is_known_what_that_is() -> None:
    matching, _ = fitted(Shores(), 1)
    assert matching.recombined is not None
    pairs = [hues_of(sentence) for sentence in matching.recombined.sentences]
    assert len(pairs) == 40
    assert set(pairs) - set(PAIRS)
    # Attributes stand in the order of their names.
    assert matching.recombined.values.tolist() == [
        [sorted(HUES).index(HUES[sand]), sorted(HUES).index(HUES[sky])] for sky, sand in pairs
    ]


def test_what_few_captions_state_is_asked_for_oftener_than_they_state_it() -> None:
    data = Shores()
    rainy = range(0, PICTURES, 10)
    data.captions = [[f"{text} in the rain" * (at in rainy) or text] for at, (text,) in enumerate(Shores.captions)]
    data.attributes = [{**row, "weather": "rain"} for row in Shores.attributes or ()]
    data.stated = [[["sky", "sand"] + ["weather"] * (at in rainy)] for at in range(PICTURES)]
    matching, _ = fitted(data, 1)
    assert matching.recombined is not None
    assert 12 < int((matching.recombined.values[:, 2] >= 0).sum()) < 30


def test_the_generator_is_asked_for_them_in_half_of_the_steps_whichever_these_are() -> None:
    matching, _ = fitted(Shores(), 60)

    def loss(step: int, *, heeded: bool) -> dict[str, float]:
        def draw(text: TextFeatures, purpose: str) -> Generated:
            hues = [hues_of(sentence) for sentence in text.sentence]
            return Generated(painted(hues if heeded else [(sand, sky) for sky, sand in hues], 64))

        update: Any = SimpleNamespace(
            step=step,
            generated=Generated(painted([(0, 1)] * 8, 32)),
            text=TextFeatures(torch.eye(6)[[0]].expand(8, 6)),
            draw=draw,
            random=lambda purpose: torch.Generator().manual_seed(3),
        )
        return {name: float(term) for name, term in matching.generator_terms(update).items()}

    asked = [step for step in range(60) if "recombined" in loss(step, heeded=True)]
    assert 20 < len(asked) < 40
    # A recipe that has the objective rest in odd or in even steps leaves it some of its turns.
    assert {step % 2 for step in asked} == {0, 1}
    assert loss(asked[0], heeded=True)["recombined"] + 0.5 < loss(asked[0], heeded=False)["recombined"]


def test_they_are_kept_with_what_was_learnt() -> None:
    matching, _ = fitted(Shores(), 1)
    options: dict[str, Any] = {"side": 32, "channels": 6, "width": 16, **learnt_options(matching)}
    again = PictureTextMatching(text_width=6, **options)
    again.load_state_dict(matching.state_dict())
    assert again.recombined is not None
    assert matching.recombined is not None
    assert torch.equal(again.recombined.sentences, matching.recombined.sentences)
    assert torch.equal(again.recombined.values, matching.recombined.values)
    # What was learnt without them, before there were any, still loads.
    assert not any("recombined" in key for key in PictureTextMatching(text_width=6).state_dict())


@pytest.mark.parametrize("known", ["one attribute", "no attribute", "other words"])
def test_where_nothing_can_be_exchanged_there_are_none_and_that_is_told(known: str) -> None:
    data = Shores()
    if known == "one attribute":
        data.attributes = [{"sky": row["sky"]} for row in data.attributes or ()]
        data.stated = [[["sky"]]] * PICTURES
    elif known == "no attribute":
        data.attributes = data.stated = None
    else:
        data.captions = [["evening"]] * PICTURES
        data.text = lambda pictures, captions: TextFeatures(torch.zeros(len(pictures), 6))  # type: ignore[method-assign]
    matching, measured = fitted(data, 1)
    assert matching.recombined is None
    assert measured["recombined"] == 0
    assert learnt_options(matching)["recombined"] == 0
    update: Any = SimpleNamespace(
        generated=Generated(painted([(0, 1)] * 8, 32)),
        text=TextFeatures(torch.zeros(8, 6)),
        random=lambda purpose: torch.Generator().manual_seed(3),
    )
    for update.step in range(10):
        assert "recombined" not in matching.generator_terms(update)


def test_few_are_made_of_few_captions() -> None:
    data = Shores()
    matching, measured = fitted(data, 1, recombined=2000)
    # A tenth of the pictures is held out of fitting.
    assert measured["recombined"] == PICTURES * 0.9
    assert learnt_options(matching)["recombined"] == PICTURES * 0.9
    data.captions = [*Shores.captions[:2], *[["evening"]] * (PICTURES - 2)]
    data.stated = [*[[["sky", "sand"]]] * 2, *[[[]]] * (PICTURES - 2)]
    data.text = lambda pictures, captions: TextFeatures(torch.zeros(len(pictures), 6))  # type: ignore[method-assign]
    assert 0 < fitted(data, 1)[1]["recombined"] < 40

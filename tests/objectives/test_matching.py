from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.fitting import fit, learnt_options
from stackgan_cli.components.protocols import Generated, TextFeatures
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.objectives.matching import PictureTextMatching
from stackgan_cli.objectives.matching_networks import disturbed

HUES, SIDES = ("red", "green", "blue"), ("left", "right")
PICTURES = 300


pytestmark = pytest.mark.usefixtures("on_one_thread")


class Lights:
    """Pictures lit in one hue, brightly above or below; captions that state both, or the hue alone."""

    captions: Sequence[Sequence[str]] = [["both", "the hue"]] * PICTURES
    classes: Sequence[int] = list(range(PICTURES))
    attributes: Sequence[Mapping[str, str]] | None = [
        {"hue": HUES[at % 3], "place": ("above", "below")[at % 2]} for at in range(PICTURES)
    ]
    stated: Sequence[Sequence[Sequence[str]]] | None = [[["hue", "place"], ["hue"]]] * PICTURES

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        levels = torch.randint(0, 60, (len(indices), 3, resolution, resolution), dtype=torch.uint8)
        for row, at in enumerate(indices):
            half = slice(None, resolution // 2) if at % 2 == 0 else slice(resolution // 2, None)
            levels[row, at % 3, half] += 150
        return levels

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        sentence = torch.zeros(len(pictures), 6)
        for row, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            sentence[row, picture % 3] = 1
            if caption == 0:
                sentence[row, 3 + picture % 2] = 1
        return TextFeatures(sentence)


def fitted(data: Any, steps: int = 120) -> tuple[PictureTextMatching, dict[str, float]]:
    torch.manual_seed(0)
    matching = PictureTextMatching(text_width=6, side=32, channels=6, width=16, fit_steps=steps, fit_batch=32)
    return matching, fit(matching, "matching", data, seed=1, report=lambda *told: None)


def test_captions_of_another_width_are_refused_with_what_to_do_about_it() -> None:
    matching = PictureTextMatching(text_width=5, side=32, channels=6, width=16)
    with pytest.raises(SettingsError, match="sentences of 5 numbers, and the captions have 6") as told:
        matching.fit(Lights(), seed=1, report=lambda *_: None)
    assert "judge_by" in str(told.value.hint)


def update(images: Tensor, text: TextFeatures) -> Any:
    return SimpleNamespace(
        generated=Generated(images), text=text, random=lambda purpose: torch.Generator().manual_seed(5)
    )


def losses(matching: PictureTextMatching, images: Tensor, text: TextFeatures) -> dict[str, float]:
    return {name: float(term) for name, term in matching.generator_terms(update(images, text)).items()}


def test_it_learns_what_belongs_together_and_pulls_pictures_towards_their_captions() -> None:
    data = Lights()
    matching, measured = fitted(data)
    assert measured["attributes"] > 0.95
    right = data.text(range(6), [0] * 6)
    # Larger pictures than it looks at are reduced.
    images = data.pictures(range(6), 64).float().div(127.5).sub(1)
    told, swapped = losses(matching, images, right), losses(matching, images[[1, 0, 3, 2, 5, 4]], right)
    assert told[""] + 1 < swapped[""]
    assert told["attributes"] + 1 < swapped["attributes"]
    images.requires_grad_()
    torch.stack([*matching.generator_terms(update(images, right)).values()]).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert not any(weight.requires_grad for weight in matching.parameters())


def test_what_a_caption_leaves_open_is_not_asked_for() -> None:
    data = Lights()
    matching, _ = fitted(data)
    above, below = (data.pictures([at] * 4, 32).float().div(127.5).sub(1) for at in (0, 3))
    only_hue, both = data.text([0] * 4, [1] * 4), data.text([0] * 4, [0] * 4)
    assert abs(losses(matching, above, only_hue)["attributes"] - losses(matching, below, only_hue)["attributes"]) < 0.3
    assert losses(matching, below, both)["attributes"] > losses(matching, above, both)["attributes"] + 1


@pytest.mark.parametrize("known", ["classes", "captions"])
def test_classes_or_captions_alone_suffice(known: str) -> None:
    data = Lights()
    data.attributes = data.stated = None
    if known == "classes":
        data.classes = [at % 6 for at in range(PICTURES)]
    matching, measured = fitted(data, 60)
    # Six kinds of pictures: a caption that states both leaves some ten of 64 to choose from.
    assert measured["caption_to_picture"] > 0.04
    assert ("attributes" in measured) == (known == "classes")
    again = PictureTextMatching(text_width=6, side=32, channels=6, width=16, **learnt_options(matching))
    again.load_state_dict(matching.state_dict())
    images, text = data.pictures(range(6), 32).float().div(127.5).sub(1), data.text(range(6), [0] * 6)
    assert losses(again.eval(), images, text) == losses(matching, images, text)


def test_through_pretrained_features_only_the_head_learns_and_is_saved() -> None:
    torch.manual_seed(0)
    matching = PictureTextMatching(text_width=6, features="imagenet-lite0", side=64, fit_steps=4, fit_batch=8)
    fit(matching, "matching", Lights(), seed=0, report=lambda *told: None)
    assert not any("features" in key for key in matching.state_dict())
    assert sum(weight.numel() for weight in matching.parameters()) < 400_000


def test_a_disturbed_picture_is_the_same_picture_elsewhere() -> None:
    images = torch.zeros(40, 3, 32, 32)
    images[:, :, 10:20, 4:10] = 1.0
    moved = disturbed(images, torch.Generator().manual_seed(0))
    assert ((moved > 0.5).flatten(1).sum(1) - 3 * 60).abs().max() <= 6
    left = (moved[..., :16] > 0.5).flatten(1).sum(1) > 90
    assert 8 < left.sum() < 32


def test_what_cannot_be_fitted_is_refused() -> None:
    data = Lights()
    data.captions = [[]] * (PICTURES - 1) + [["one"]]
    with pytest.raises(DataError):
        PictureTextMatching(text_width=6).fit(data, seed=0, report=lambda *told: None)
    wrong: list[dict[str, Any]] = [{"fit_batch": 1}, {"side": 15}, {"side": 31, "features": "imagenet-lite0"}]
    for options in wrong:
        with pytest.raises(SettingsError, match="such numbers"):
            PictureTextMatching(text_width=6, **options)


class Pieces(Lights):
    """Pictures of a block and a row of stripes, anywhere; training shows 15 of the 25 pairs of their hues."""

    hues = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=torch.uint8)
    shown: Sequence[tuple[int, int]] = [
        (block, stripes) for block in range(5) for stripes in range(5) if (stripes - block) % 5 not in (1, 2)
    ]
    never: Sequence[tuple[int, int]] = [(block, (block + apart) % 5) for block in range(5) for apart in (1, 2)]
    pairs = (*shown,) * 40
    captions: Sequence[Sequence[str]] = [["both"]] * len(pairs)
    classes: Sequence[int] = list(range(len(pairs)))
    attributes: Sequence[Mapping[str, str]] | None = [
        {"block": "abcde"[block], "stripes": "abcde"[stripes]} for block, stripes in pairs
    ]
    stated: Sequence[Sequence[Sequence[str]]] | None = [[["block", "stripes"]]] * len(pairs)

    def painted(self, pair: tuple[int, int], side: int, seed: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        levels = torch.randint(0, 60, (3, side, side), dtype=torch.uint8, generator=draw)
        rows = torch.randint(0, side - 20, (2,), generator=draw).tolist()
        columns = (torch.randint(0, side // 2 - 20, (2,), generator=draw) + torch.tensor([0, side // 2])).tolist()
        striped = torch.zeros(16, 16, dtype=torch.uint8)
        striped[::4] = 1
        if torch.rand((), generator=draw) < 0.5:
            columns.reverse()
        for hue, form, row, column in zip(pair, (torch.ones_like(striped), striped), rows, columns, strict=True):
            levels[:, row : row + 16, column : column + 16] += 150 * self.hues[hue][:, None, None] * form
        return levels

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        return torch.stack([self.painted(self.pairs[at], resolution, at) for at in indices])

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        sentence = torch.zeros(len(pictures), 10)
        for row, (block, stripes) in enumerate(self.pairs[at] for at in pictures):
            sentence[row, block] = sentence[row, 5 + stripes] = 1
        return TextFeatures(sentence)


def test_values_that_no_training_picture_shows_together_are_read_all_the_same() -> None:
    torch.manual_seed(0)
    data = Pieces()
    matching = PictureTextMatching(text_width=10, side=64, channels=12, width=16, fit_steps=300, fit_batch=32)
    fit(matching, "matching", data, seed=1, report=lambda *told: None)
    pairs = data.never * 8
    pictures = torch.stack([data.painted(pair, 64, 10_000 + at) for at, pair in enumerate(pairs)])
    _, read = matching.picture(pictures.float().div(127.5).sub(1))
    found = torch.stack([logits.argmax(1) for logits in read], dim=1)
    # Read as a whole, pictures come to a quarter here: what goes together in training is read with what it goes with.
    assert (found == torch.tensor(pairs)).float().mean(0).min() > 0.6

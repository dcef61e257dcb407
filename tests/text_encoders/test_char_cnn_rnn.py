from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.text_encoders.char_cnn_rnn import CharCnnRnn
from stackgan_cli.text_encoders.characters import ALPHABET, characters
from stackgan_cli.text_encoders.joint_embedding import hinge

GOLDEN = Path(__file__).parents[1] / "golden" / "char_cnn_rnn"
HOSTILE = ["", " ", "x" * 20_000, "🐦🐦", "\0\0", "İstanbul" * 40, "\ud800", "ein Vögelchen"]
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "white": (250, 250, 250)}


def published(variant: str) -> tuple[CharCnnRnn, list[str], Tensor]:
    """The encoder at the golden weights, the captions, and the golden vectors."""
    described = json.loads((GOLDEN / f"{variant.replace('-', '_')}.json").read_text())
    rng = np.random.default_rng(described["seed"])
    weights = {}
    for name, shape in sorted(described["state_dict_shapes"].items()):
        weights[name] = torch.from_numpy((rng.standard_normal(shape) * described["scale"]).astype(np.float32))
    encoder = CharCnnRnn(variant=variant)
    encoder.load_state_dict(weights)
    vectors = np.load(GOLDEN / f"{variant.replace('-', '_')}.npz")["embeddings"]
    return encoder, described["captions"], torch.from_numpy(vectors)


@pytest.mark.parametrize("variant", ["icml-flowers", "cvpr"])
def test_published_encoders_compute_the_published_function(variant: str) -> None:
    encoder, captions, vectors = published(variant)
    torch.testing.assert_close(encoder.encode(captions).sentence, vectors, atol=1e-4, rtol=0)
    for caption, vector in zip(captions, vectors, strict=True):
        torch.testing.assert_close(encoder.encode([caption]).sentence[0], vector, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_published_gru_encoder_computes_the_published_function() -> None:
    """The golden vectors of this variant are of one batch of five that the conversion mixed, so this mixes them too.

    There the first state (captions, channels) met later inputs (captions, 1, channels): each caption went on with the
    places of every caption after the first, and all 1 + 17 x 5 states were averaged.
    """
    encoder, captions, vectors = published("icml-birds")
    places = encoder.convolve(torch.from_numpy(characters(captions)))
    first = encoder.rnn(places[:, :1])
    total = first.clone()
    for after in places:
        spliced = torch.cat([places[:, :1], after[1:].expand(len(places), -1, -1)], dim=1)
        total += 18 * encoder.rnn(spliced) - first
    torch.testing.assert_close(encoder.emb_proj(total / (1 + 17 * 5)), vectors, atol=1e-4, rtol=0)


def test_characters_have_the_published_codes() -> None:
    codes = characters(["aZ -", "é~"])
    assert codes.shape == (2, 201)
    assert codes[0, :5].tolist() == [1, 26, 70, 60, 0]
    assert codes[1, :3].tolist() == [70, 57, 0]
    assert len(ALPHABET) == 70


def test_captions_are_described_alike_alone_and_among_others_in_any_order() -> None:
    encoder = CharCnnRnn(width=16, channels=16)
    captions = ["a red bird", "a " + "very " * 50 + "long caption", "x", "a red bird", *HOSTILE]
    together = encoder.encode(captions).sentence
    alone = torch.cat([encoder.encode([caption]).sentence for caption in captions])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.encode(captions[::-1]).sentence.flip(0), together, atol=1e-5, rtol=1e-4)
    assert torch.equal(together[0], together[3])


@pytest.mark.parametrize("variant", ["icml-birds", "icml-flowers", "cvpr"])
def test_hostile_captions_give_finite_vectors(variant: str) -> None:
    encoder = CharCnnRnn(variant=variant, width=24, channels=16)
    assert encoder.width == 24
    sentence = encoder.encode(HOSTILE).sentence
    assert sentence.shape == (len(HOSTILE), 24)
    assert sentence.isfinite().all()
    assert not sentence.requires_grad
    assert encoder.encode([]).sentence.shape == (0, 24)


def test_coverage_is_the_share_that_is_read() -> None:
    encoder = CharCnnRnn(width=8, channels=8)
    assert encoder.coverage("A small red bird!") == 1
    assert encoder.coverage("") == 0
    assert encoder.coverage("🐦 🐦") == 0
    assert encoder.coverage("ab🐦🐦") == 0.5
    assert encoder.coverage("y" * 804) == pytest.approx(0.25)


@pytest.mark.parametrize("variant", ["icml-birds", "cvpr"])
def test_gradients_reach_every_weight_of_the_encoder(variant: str) -> None:
    encoder = CharCnnRnn(variant=variant, width=8, channels=8)
    codes = torch.from_numpy(characters(["a small red bird with a long beak", "many blue birds"]))
    encoder(codes).square().sum().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize(
    "options", [{"variant": "bert"}, {"width": 0}, {"channels": 6}, {"fit_batch": 1}, {"fit_rate": 0.0}]
)
def test_options_that_cannot_be_meant_are_refused(options: dict) -> None:
    with pytest.raises(SettingsError) as caught:
        CharCnnRnn(**options)
    assert caught.value.hint


def test_right_pairs_that_win_by_the_margin_cost_nothing() -> None:
    assert hinge(2 * torch.eye(4), torch.eye(4)) == 0
    # All scores equal: each of the 12 wrong pairs costs 1 in both directions, averaged over 16.
    assert hinge(torch.ones(4, 3), torch.ones(4, 3)).item() == pytest.approx(2 * 12 / 16)


class Squares:
    """Plain pictures of one colour each, with two ways to say it."""

    attributes = None
    stated = None

    def __init__(self, count: int, *, classes: int | None = None) -> None:
        names = list(COLOURS)
        self.colours = [names[index % len(names)] for index in range(count)]
        self.captions = [[f"a {colour} square", f"this picture is {colour}"] for colour in self.colours]
        self.classes = [index % classes if classes else index for index in range(count)]

    def pictures(self, indices: list[int], resolution: int) -> Tensor:
        colours = torch.tensor([COLOURS[self.colours[index]] for index in indices], dtype=torch.uint8)
        return colours[:, :, None, None].expand(-1, -1, resolution, resolution)


def small(steps: int = 60) -> CharCnnRnn:
    return CharCnnRnn(width=16, channels=16, fit_steps=steps, fit_batch=4, fit_rate=5e-3)


def test_fitting_beats_chance_and_gives_vectors_of_unit_variance() -> None:
    encoder, told = small(200), []
    measured = encoder.fit(Squares(40, classes=4), seed=1, report=lambda *words: told.append(words))
    assert measured["rivals"] == 4
    assert measured["caption_to_caption"] > 0.7
    assert measured["caption_to_picture"] > 0.7
    assert told[-1][:2] == (200, 200)
    captions = [caption for captions in Squares(40).captions for caption in captions]
    sentence = encoder.encode(captions).sentence
    assert sentence.std(0, correction=0).mean().item() == pytest.approx(1, abs=0.2)


def test_fitting_repeats_under_its_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, third = small(3), small(3), small(3)
    for encoder, seed in ((first, 1), (second, 1), (third, 2)):
        encoder.fit(Squares(12), seed=seed, report=lambda *words: None)
    assert torch.equal(torch.rand(1), expected)
    vectors = [encoder.encode(["a red square"]).sentence for encoder in (first, second, third)]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.allclose(vectors[0], vectors[2])


@pytest.mark.slow
def test_captions_of_one_known_attribute_draw_together() -> None:
    data = Squares(40)
    # Red and green against blue and white: what pictures and words alone do not suggest.
    data.attributes = [{"tone": "warm" if colour in {"red", "green"} else "cold"} for colour in data.colours]
    data.stated = [[["tone"], ["tone"]] for _ in data.colours]

    def spread(weight: float) -> float:
        options = {"width": 16, "channels": 16, "fit_batch": 4, "fit_rate": 5e-3}
        encoder = CharCnnRnn(**options, fit_steps=100, attribute_weight=weight)
        encoder.fit(data, seed=1, report=lambda *words: None)
        warm, cold = encoder.encode([f"a {colour} square" for colour in COLOURS]).sentence.split(2)
        within = (warm[0] - warm[1]).norm() + (cold[0] - cold[1]).norm()
        return float(within / (warm.mean(0) - cold.mean(0)).norm())

    assert spread(20.0) < 0.8 * spread(0.0)


def test_fitting_needs_two_captioned_pictures() -> None:
    data = Squares(3)
    data.captions[1] = data.captions[2] = []
    with pytest.raises(DataError) as caught:
        small().fit(data, seed=0, report=lambda *words: None)
    assert caught.value.hint

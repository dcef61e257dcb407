from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.fitting import fit
from stackgan_cli.errors import SettingsError
from stackgan_cli.text_encoders.rewording import Rewording, with_slip
from stackgan_cli.text_encoders.words import Words

HUES = ("black", "orange", "red", "white")
FORMS = ("a {0} bird with {1} wings", "{1} wings, {0} body", "its body is {0} and its wings are {1}")
SMALL = {"width": 32, "channels": 32, "buckets": 512, "picture_every": 1000, "fit_batch": 32}


class Parts:
    """Captions of a body and a wing; in half of them both have one colour, so that guessing pays at first."""

    def __init__(self, count: int = 600) -> None:
        draw = random.Random(1)
        pairs = []
        for _ in range(count):
            body = draw.choice(HUES)
            pairs.append((body, body if draw.random() < 0.5 else draw.choice(HUES)))
        self.captions: Sequence[Sequence[str]] = [[form.format(*pair) for form in FORMS] for pair in pairs]
        self.classes: Sequence[int] = list(range(count))
        self.attributes: Sequence[Mapping[str, str]] = [
            dict(zip(("body", "wing"), pair, strict=True)) for pair in pairs
        ]
        self.stated: Sequence[Sequence[Sequence[str]]] = [[["body", "wing"]] * 3] * count

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        return torch.zeros(len(indices), 3, resolution, resolution, dtype=torch.uint8)


def test_it_tells_which_part_has_which_colour_in_pairs_that_it_never_read_of() -> None:
    """Another wording of a pair is nearer to it than the same wording of the pair exchanged, with slips too."""
    encoder = Words(**SMALL, fit_steps=600)  # type: ignore[arg-type]
    measured = fit(encoder, "words", Parts(), seed=0, report=lambda *told: None)  # type: ignore[arg-type]
    assert set(measured) == {"caption_to_picture", "caption_to_caption", "rivals"}
    pairs = [(body, wing) for body in HUES for wing in HUES if body != wing]

    def vectors(form: str, *, exchanged: bool = False) -> Tensor:
        texts = [form.format(*(reversed(pair) if exchanged else pair)) for pair in pairs]
        return torch.nn.functional.normalize(encoder.encode(texts).sentence)

    for said in (FORMS[2], "its boddy is {0} and its wigns are {1}"):
        right = (vectors(said) * vectors(FORMS[0])).sum(1)
        wrong = (vectors(said) * vectors(FORMS[0], exchanged=True)).sum(1)
        assert (right > wrong + 0.2).float().mean() > 0.9


def test_a_caption_is_described_alone_and_word_by_word() -> None:
    torch.manual_seed(0)
    encoder = Words(**{**SMALL, "word_features": True}).eval()  # type: ignore[arg-type]
    both = encoder.encode(["a red bird", "the bird is small, red and in the snow."])
    assert both.words is not None
    assert both.padding is not None
    assert both.words.shape == (2, 11, 32)
    assert (~both.padding).sum(1).tolist() == [3, 11]
    assert not both.words[0, 3:].any()
    alone = encoder.encode(["a red bird"])
    assert torch.allclose(alone.sentence, both.sentence[:1], atol=1e-5)
    assert alone.words is not None
    assert torch.allclose(alone.words[0], both.words[0, :3], atol=1e-5)


def test_hostile_captions_give_finite_vectors() -> None:
    encoder = Words(**SMALL).eval()  # type: ignore[arg-type]
    captions = ["", "🐦", "x" * 50_000, "a " * 5_000, "\ud800 red", "красная птица", "\0"]
    sentence = encoder.encode(captions).sentence
    assert sentence.shape == (7, 32)
    assert sentence.isfinite().all()
    assert encoder.encode([]).sentence.shape == (0, 32)
    assert encoder.coverage("a 🐦") == 0.5


@pytest.mark.parametrize("options", [{"width": 0}, {"channels": 48}, {"slips": 1.5}, {"fit_batch": 1}])
def test_numbers_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Words(**options)  # type: ignore[arg-type]


def test_values_are_exchanged_in_the_words_and_in_what_is_known() -> None:
    rewording = Rewording(exchanged=1.0, slips=0.0)
    rewording.learn({"body": HUES, "size": ("big", "small"), "wing": HUES})
    stated = torch.tensor([[2, 1, 0], [1, -1, 1], [3, -1, -1]])
    texts = ["A small red bird with black wings", "an orange bird, orange wings", "a whitish bird"]
    seen = set()
    for seed in range(40):
        (first, second, third), now = rewording(texts, stated, torch.Generator().manual_seed(seed))
        body, wing = HUES[now[0, 0]], HUES[now[0, 2]]
        assert first.lower() == f"a{'n' if body == 'orange' else ''} small {body} bird with {wing} wings".replace(
            "an small", "a small"
        )
        assert body != wing
        assert now[0, 1] == 1
        assert now[1, 0] == now[1, 2]
        hue = HUES[now[1, 0]]
        assert second == f"a{'n' if hue == 'orange' else ''} {hue} bird, {hue} wings"
        # The value does not stand in the caption as it is called, so nothing is exchanged.
        assert third == "a whitish bird"
        assert now[2].tolist() == [3, -1, -1]
        seen.add((body, wing))
    assert len(seen) > 8


def test_a_slip_changes_one_longer_word_by_a_letter() -> None:
    generator = torch.Generator().manual_seed(0)
    text = "a red bird with wings"
    for _ in range(50):
        pairs = zip(text.split(), with_slip(text, generator).split(), strict=True)
        words = [pair for pair in pairs if pair[0] != pair[1]]
        assert len(words) <= 1
        for before, after in words:
            assert len(before) >= 4
            assert abs(len(before) - len(after)) <= 1
            assert before[0] == after[0]
    assert with_slip("a red ox", generator) == "a red ox"

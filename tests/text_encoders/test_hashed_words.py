from __future__ import annotations

import pytest
import torch

from stackgan_cli.errors import SettingsError
from stackgan_cli.text_encoders.hashed_words import HashedWords


def test_captions_with_the_same_words_are_near_and_others_far() -> None:
    encoder = HashedWords(width=512)
    one, same, near, far = encoder.encode(
        ["A small red bird.", "a SMALL red bird", "a small red finch", "two boats upon water"]
    ).sentence
    assert torch.equal(one, same)
    assert one @ near > 0.5 * (one @ one)
    assert (one @ far).abs() < 0.2 * (one @ one)
    assert one.square().mean().item() == pytest.approx(1)


def test_word_order_counts_only_with_pairs() -> None:
    captions = ["red head blue wing", "blue head red wing"]
    with_pairs = HashedWords().encode(captions).sentence
    assert not torch.allclose(*with_pairs)
    assert torch.allclose(*HashedWords(pairs=False).encode(captions).sentence)


def test_hostile_captions_and_other_scripts() -> None:
    encoder = HashedWords(width=64)
    captions = ["", "🐦", "x" * 20_000, "\ud800", "красная птица", "\0"]
    sentence = encoder.encode(captions).sentence
    assert sentence.shape == (6, 64)
    assert sentence.dtype == torch.float32
    assert sentence.isfinite().all()
    assert not sentence[:2].any()
    assert sentence[4].any()
    assert torch.equal(encoder.encode(captions[4:5]).sentence[0], sentence[4])
    assert encoder.encode([]).sentence.shape == (0, 64)


def test_vectors_are_the_same_everywhere() -> None:
    """The CRC-32 of "bird", known from elsewhere, gives its place whatever the machine or the hash seed."""
    sentence = HashedWords(width=512, pairs=False).encode(["bird"]).sentence[0]
    code = 2696654350
    assert sentence.nonzero().flatten().tolist() == [(code >> 1) % 512]


def test_coverage_is_the_share_of_words() -> None:
    encoder = HashedWords()
    assert encoder.coverage("a red bird") == 1
    assert encoder.coverage("a 🐦") == 0.5
    assert encoder.coverage("") == encoder.coverage("🐦") == 0


def test_too_narrow_is_refused() -> None:
    with pytest.raises(SettingsError):
        HashedWords(width=1)

"""The CLIP score, against its formula."""

from __future__ import annotations

import pytest
import torch
from stackgan_clip import CaptionSimilarity

from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.protocols import Observation, Texts
from stackgan_cli.components.registry import Kind


def test_keeps_the_contract() -> None:
    assert_conforms(Kind.METRIC, CaptionSimilarity)


def test_it_is_the_mean_cosine_and_what_points_away_counts_as_nothing() -> None:
    drawn = Observation(torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    texts = Texts(["a", "b", "c", "d"], torch.tensor([[1.0, 0.0], [5.0, 0.0], [0.0, -1.0], [1.0, 0.0]]))
    found = CaptionSimilarity().measure(drawn, None, texts, 0)
    scores = torch.tensor([60.0, 100.0, 0.0, 50.0 * 2**0.5])
    assert found["value"] == pytest.approx(float(scores.mean()))
    assert found["deviation"] == pytest.approx(float(scores.std()) / 2)

"""A world whose numbers are known: a picture is one colour, a caption names it, and features are its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stackgan_cli.components.protocols import TextFeatures

LEVELS = (20, 70, 150, 220)
STEP = 10
"""How much redder the Stage-I pictures are than their captions say."""


def levels_of(caption: str) -> list[int]:
    return [int(word) for word in caption.split() if word.isdigit()]


class ColourSplit:
    """Pictures of every combination of levels, so that the channels are independent of each other."""

    def __init__(self, name: str, colours: Sequence[Sequence[int]]) -> None:
        self.name, self.colours = name, torch.tensor(colours)
        self.captions = [[f"{how} {r} {g} {b}" for how in ("plain", "just", "all")] for r, g, b in colours]
        self.classes = list(range(len(colours)))
        self.attributes: list[Mapping[str, str]] | None = [{"red": _red(r), "blue": _red(b)} for r, _, b in colours]
        self.stated: list[list[list[str]]] | None = [[["red"], ["red"], ["red"]] for _ in colours]

    def __len__(self) -> int:
        return len(self.colours)

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        return self.colours[list(indices)].to(torch.uint8)[..., None, None].expand(-1, -1, resolution, resolution)


class ColourPipeline:
    """Draws exactly what a caption says in Stage-II, and everything a little too red in Stage-I."""

    stages, resolution, reads_captions = (1, 2), 8, True

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(torch.tensor([levels_of(caption) for caption in captions], dtype=torch.float32))

    def pixels(self, text: TextFeatures, seeds: Sequence[int], *, stage: int) -> Tensor:
        assert len(seeds) == len(text.sentence)
        levels = (text.sentence + torch.tensor([STEP, 0, 0]) * (stage == 1)).to(torch.uint8)
        return levels[..., None, None].expand(-1, -1, self.resolution, self.resolution)


class ColourExtractor:
    """Features are the levels; what is redder than the middle is red."""

    width = 3

    def features(self, pictures: Tensor) -> Tensor:
        return pictures[:, :, 0, 0].float()

    def logits(self, pictures: Tensor) -> Tensor:
        return pictures[:, :2, 0, 0].float() - 128

    def attributes(self, pictures: Tensor) -> dict[str, list[str]]:
        return {"red": [_red(level) for level in pictures[:, 0, 0, 0].tolist()]}

    def caption_features(self, captions: Sequence[str]) -> Tensor:
        return torch.tensor([levels_of(caption) for caption in captions], dtype=torch.float32)

    def spec(self) -> dict[str, Any]:
        return {"name": "colour"}


def _red(level: int) -> str:
    return "yes" if level > 128 else "no"


@pytest.fixture
def colours(tmp_path: Path) -> SimpleNamespace:
    """Test pictures of all 64 combinations of four levels, training pictures of one colour, and what draws them."""
    test = ColourSplit("test", list(product(LEVELS, repeat=3)))
    train = ColourSplit("train", [(90, 100, 110)] * 5)
    data = SimpleNamespace(train=train, test=test, folder=tmp_path / "colours", fingerprint="colours")
    data.manifest = SimpleNamespace(captioned=True)
    return SimpleNamespace(data=data, split=test, pipeline=ColourPipeline(), extractor=ColourExtractor())

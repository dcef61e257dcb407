from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stackgan_cli.errors import ComponentError
from stackgan_cli.evaluation.fitted_extractors import FittedExtractor, fitted_extractor

EXTRACTOR = """
import torch

class Shade(torch.nn.Module):
    width = 1

    def __init__(self, *, depth: int = 3, tone: str = "warm") -> None:
        super().__init__()
        self.depth = depth
        self.layer = torch.nn.Linear(1, 1)
        self.register_buffer("seen", torch.zeros(()))

    def fit(self, data, *, seed, report):
        self.train()
        self.seen += torch.rand(()) + self.depth
        return {"seen": float(self.seen)}

    def features(self, pictures):
        return self.layer(pictures.float().mean((1, 2, 3))[:, None])

    def spec(self):
        return {"seen": float(self.seen)}
"""


@pytest.fixture
def fitted(tmp_path: Path, install: Callable[..., Path]) -> Callable[..., FittedExtractor]:
    """``fitted(**options)``: the extractor ``shade`` of the package ``shades`` on data in ``tmp_path``."""
    install("shades", "[stackgan.feature_extractors]\nshade = shades:Shade\n", EXTRACTOR)
    data: Any = SimpleNamespace(folder=tmp_path / "data", fingerprint="abc", train=None)
    return lambda seed=0, **options: fitted_extractor(data, "shade", options, seed=seed, report=lambda *told: None)


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data" / "extractors").iterdir())


def test_it_is_fitted_once_and_found_again(fitted: Callable[..., FittedExtractor], tmp_path: Path) -> None:
    first = fitted()
    assert 3 < first.card["seen"] < 4
    assert first.card["data"] == "abc"
    assert first.described == "The feature extractor 'shade' of shades 1.0"
    assert first.note is None
    again = fitted()
    assert again.extractor.spec() == first.extractor.spec()
    assert again.card == first.card
    for each in (first.extractor, again.extractor):
        assert isinstance(each, torch.nn.Module)
        assert not each.training
    assert folders(tmp_path) == ["shades--shade"]


def test_one_with_other_options_lies_beside_it(fitted: Callable[..., FittedExtractor], tmp_path: Path) -> None:
    plain = fitted()
    assert fitted(depth=3, tone="warm").extractor.spec() == plain.extractor.spec()
    assert folders(tmp_path) == ["shades--shade"]
    deep = fitted(depth=9)
    assert deep.card["seen"] > 9
    assert fitted(tone="warm", depth=9).extractor.spec() == deep.extractor.spec()
    fitted(depth=9, tone="cold")
    assert len(folders(tmp_path)) == 3
    with pytest.raises(ComponentError, match="no option 'deep'"):
        fitted(deep=9)


def test_one_that_an_earlier_version_fitted_says_so(
    fitted: Callable[..., FittedExtractor], install: Callable[..., Path]
) -> None:
    fitted()
    install("shades", "[stackgan.feature_extractors]\nshade = shades:Shade\n", EXTRACTOR, version="2.0")
    note = fitted().note
    assert note is not None
    assert "'shade' was saved with shades 1.0, and 2.0 is installed" in note

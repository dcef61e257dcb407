from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stackgan_cli.evaluation.observing import Observer
from stackgan_cli.evaluation.real_pictures import RealPictures


@pytest.fixture
def looked(colours: SimpleNamespace) -> Callable[..., tuple[Any, int]]:
    """Describe test pictures anew, as another process would; returns what was seen and how many were looked at."""

    def look(indices: Sequence[int], resolution: int = 8) -> tuple[Any, int]:
        told: list[int] = []
        shown: list[int] = []
        pictures = colours.split.pictures
        colours.split.pictures = lambda part, size: shown.extend(part) or pictures(part, size)
        known = RealPictures(colours.data, Observer(colours.extractor, "The extractor 'colour'"), resolution)
        found = known.observe(colours.split, indices, told.append)
        colours.split.pictures = pictures
        assert sum(told) == len(indices)
        return found, len(shown)

    return look


def test_no_picture_is_looked_at_twice(looked: Callable[..., tuple[Any, int]]) -> None:
    first, shown = looked([3, 1, 3, 2])
    assert shown == 3
    again, shown = looked([1, 5, 3, 3])
    assert shown == 1
    assert torch.equal(again.features[[0, 2]], first.features[[1, 0]])
    assert torch.equal(again.logits[[0, 2]], first.logits[[1, 0]])
    assert [again.attributes["red"][at] for at in (0, 2)] == [first.attributes["red"][at] for at in (1, 0)]


@pytest.mark.parametrize("change", ["fingerprint", "resolution", "extractor", "split"])
def test_whatever_the_features_depend_on_makes_them_be_looked_at_again(
    colours: SimpleNamespace, looked: Callable[..., tuple[Any, int]], change: str
) -> None:
    looked([1, 2])
    if change == "fingerprint":
        colours.data.fingerprint = "one pixel is another"
    elif change == "extractor":
        colours.extractor.spec = lambda: {"name": "colour", "sha256": "other weights"}
    elif change == "split":
        colours.split.name = "train"
    assert looked([1, 2], 4 if change == "resolution" else 8)[1] == 2


@pytest.mark.parametrize("damage", ["cut", "a bit", "no file"])
def test_damaged_memory_is_made_again(
    colours: SimpleNamespace, looked: Callable[..., tuple[Any, int]], damage: str
) -> None:
    before = looked([1, 2])[0]
    (path,) = (colours.data.folder / "evaluation").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes({"cut": content[:-9], "a bit": content, "no file": b"hello"}[damage])
    again, shown = looked([1, 2])
    assert shown == 2
    assert torch.equal(again.features, before.features)
    assert looked([1, 2])[1] == 0


def test_a_disk_that_refuses_costs_only_time(colours: SimpleNamespace, looked: Callable[..., tuple[Any, int]]) -> None:
    colours.data.folder.write_text("a file where the folder should be")
    assert looked([1, 2])[0].features.shape == (2, 3)
    assert looked([1, 2])[1] == 2

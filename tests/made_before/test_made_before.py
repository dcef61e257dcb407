"""What earlier versions wrote is still read: prepared data, shards, models, checkpoints (README.md tells of them)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

STORED = Path(__file__).parent


@pytest.fixture
def then(empty_home: Path) -> Path:
    """A home as an earlier version left it."""
    shutil.copytree(STORED / "home", empty_home, dirs_exist_ok=True)
    return empty_home


def training(stage: int, steps: int, *more: object) -> list[object]:
    """The settings that the stored runs were begun with, but for their length."""
    before = STORED / f"home/models/birds/training/stage{stage}/settings.toml"
    fixed = ["--recipe", before, "--precision", "float32", "--device", "cpu"]
    return [f"train-stage{stage}", "--data", "birds", *fixed, "--steps", steps, *more]


def losses(log: Path, after: int) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [{key: line[key] for key in ("step", "discriminator", "generator", "kl")} for line in lines[after:]]


@pytest.mark.parametrize("stage", [1, 2])
def test_runs_go_on_from_their_checkpoints_as_they_would_have(
    stage: int, then: Path, stackgan: Callable[..., Any]
) -> None:
    done = stackgan(*training(stage, 8))
    assert done.code == 0, done.err
    assert done.says("Going on from step 4 of 8")
    ours = losses(then / f"models/birds/training/stage{stage}/log.jsonl", after=4)
    theirs = losses(STORED / f"stage{stage}-continued.jsonl", after=0)
    assert [line["step"] for line in ours] == [5, 6, 7, 8]
    for our, their in zip(ours, theirs, strict=True):
        assert our == pytest.approx(their, abs=2e-4)


@pytest.mark.parametrize(("name", "options"), [("drawn", []), ("sketched", ["--stage", 1])])
def test_models_draw_what_they_drew(name: str, options: list[object], then: Path, stackgan: Callable[..., Any]) -> None:
    path = then / "bird.png"
    what = ["--seed", 7, "--model", "birds", "--precision", "float32", "--device", "cpu", "--output", path, *options]
    done = stackgan("generate", "a red bird", *what)
    assert done.code == 0, done.err
    ours, theirs = (np.asarray(Image.open(each)).astype(int) for each in (path, STORED / f"{name}.png"))
    assert np.abs(ours - theirs).max() <= 1


def test_prepared_data_serve_a_new_model_and_are_told_from_birds_drawn_now(
    then: Path, stackgan: Callable[..., Any]
) -> None:
    encoder = ["--encoder", "hashed-words", "--encoder-option", "width=16"]
    again = stackgan("prepare", "--data", "birds", *encoder)
    assert again.code == 0, again.err
    assert again.says("is there already")
    drawn = ["--reader", "drawn-birds", "--limit", 20, "--resolution", 16, "--resolution", 64]
    other = stackgan("prepare", "--data", "birds", *drawn, *encoder)
    assert other.code == 3
    assert other.says("holds data prepared from another source")
    begun = stackgan(*training(1, 2, "--name", "other"))
    assert begun.code == 0, begun.err
    assert losses(then / "models/other/training/stage1/log.jsonl", after=0) == [
        pytest.approx(line, abs=2e-4) for line in losses(STORED / "home/models/birds/training/stage1/log.jsonl", 0)[:2]
    ]


def test_shards_are_streamed(then: Path, stackgan: Callable[..., Any]) -> None:
    done = stackgan(*training(1, 2, "--name", "streamed", "--stream", STORED / "shards"))
    assert done.code == 0, done.err
    assert len(losses(then / "models/streamed/training/stage1/log.jsonl", after=0)) == 2


@pytest.mark.parametrize("what", ["birds", "models/birds", "data/birds"])
def test_info_shows_them(what: str, then: Path, stackgan: Callable[..., Any]) -> None:
    shown = stackgan("info", what if "/" not in what else then / what)
    assert shown.code == 0, shown.err
    assert "hashed-words" in shown.out

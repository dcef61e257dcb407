from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackgan_cli import Pipeline
from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.pipeline import Request


@pytest.fixture
def pipeline(model: Path) -> Pipeline:
    return Pipeline.load(model)


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(pipeline: Pipeline, model: Path) -> None:
    first = pipeline.draw("a small red bird", seed=7)
    assert same(first, pipeline.draw("a small red bird", seed=7))
    assert same(first, Pipeline.load("birds").draw("a small red bird", seed=7))
    assert not same(first, pipeline.draw("a small red bird", seed=8))
    assert not same(first, pipeline.draw("a large blue bird in snow", seed=7))


def test_a_picture_does_not_depend_on_what_is_drawn_beside_it(pipeline: Pipeline) -> None:
    alone = pipeline.draw("a small red bird", seed=9)
    requests = [Request(f"a bird, number {at}", at) for at in range(3)] + [Request("a small red bird", 9)]
    *_, last = pipeline.draw_all(requests)
    assert same(alone, last.picture)
    assert (last.prompt, last.seed, last.model, last.stage) == ("a small red bird", 9, "birds", 2)


def test_stages_have_their_sizes_and_the_last_is_the_default(pipeline: Pipeline) -> None:
    assert pipeline.stages == [1, 2]
    assert pipeline.resolution == 64
    assert pipeline.draw("a bird", stage=1).size == (16, 16)
    assert pipeline.draw("a bird", stage=2).size == (64, 64)
    assert same(pipeline.draw("a bird"), pipeline.draw("a bird", stage=2))
    with pytest.raises((ModelError, UsageError)):
        pipeline.draw("a bird", stage=3)


def test_a_sketch_is_drawn_where_only_stage_one_is_trained(
    stackgan: Callable[..., Any], train_tiny: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    assert train_tiny(1, "--steps", 1).code == 0
    assert Pipeline.load("birds").draw("a bird").size == (16, 16)
    refused = stackgan("generate", "a bird", "--stage", 2, "-o", tmp_path / "out")
    assert refused.code == 5
    assert refused.says("train-stage2 --data birds")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prompt", ["", "  \n", "🐦🐦", "..."])
@pytest.mark.parametrize("seed", [0])
def test_what_cannot_be_read_is_refused(pipeline: Pipeline, prompt: str, seed: int) -> None:
    with pytest.raises(UsageError):
        pipeline.draw(prompt, seed=seed)


def test_seeds_reach_from_nothing_to_the_largest(pipeline: Pipeline) -> None:
    assert not same(pipeline.draw("a bird", seed=0), pipeline.draw("a bird", seed=2**63 - 1))
    for seed in (-1, 2**63):
        with pytest.raises(UsageError, match="seed"):
            pipeline.draw("a bird", seed=seed)


def test_nothing_is_drawn_where_one_of_the_requests_is_wrong(pipeline: Pipeline) -> None:
    with pytest.raises(UsageError):
        next(iter(pipeline.draw_all([Request("a bird", 1), Request("", 1)])))

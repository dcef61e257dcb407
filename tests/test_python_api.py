"""``from stackgan_cli import ...``: what programs call, and what importing it costs."""

from __future__ import annotations

import doctest
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stackgan_cli
from stackgan_cli import EvaluateRequest, ProgressCallback, TrainRequest, evaluate, progress, train


def modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_every_name_and_asking_imports_no_torch() -> None:
    program = """
from stackgan_cli import *
PrepareRequest(data="x"), TrainRequest(stage=1, data="x"), EvaluateRequest(data="x")
Pipeline.from_pretrained, prepare, train, evaluate
"""
    loaded = modules_after(program)
    assert "stackgan_cli.pipeline" in loaded
    assert not {"torch", "datasets", "torchmetrics", "safetensors", "matplotlib", "onnx"} & loaded


def test_every_name_is_told_and_others_are_not_there() -> None:
    assert set(stackgan_cli.__all__) == set(dir(stackgan_cli))
    assert all(getattr(stackgan_cli, name).__name__ == name for name in stackgan_cli.__all__)
    with pytest.raises(AttributeError, match="Pipe"):
        stackgan_cli.Pipe  # noqa: B018


def test_a_function_hears_how_far_a_training_is(home: Path, tiny_options: Callable[[int], list[str]]) -> None:
    heard: list[tuple[Any, ...]] = []
    said: list[str] = []
    options = tiny_options(1)
    settings = tuple(value for option, value in itertools.pairwise(options) if option == "--set")
    request = TrainRequest(
        stage=1,
        data="birds",
        precision="float32",
        changes={"steps": 3, "batch_size": 4, "discriminator.name": "residual"},
        settings=settings,
    )
    result = train(request, ProgressCallback(lambda *told: heard.append(told), said.append))
    assert (result.steps, result.of) == (3, 3)
    assert [told[:3] for told in heard if told[0] == "Stage-I"] == [("Stage-I", step, 3) for step in (1, 2, 3)]
    assert any("Training Stage-I of birds" in sentence for sentence in said)


def test_a_function_hears_how_far_a_measurement_is(model: Path) -> None:
    heard: list[tuple[Any, ...]] = []
    quick = {"width": 8, "channels": 4, "input_side": 32, "epochs": 1, "count": 40}
    request = EvaluateRequest(data="birds", num_images=10, device="cpu", extractor_options=quick)
    results = evaluate(request, ProgressCallback(lambda *told: heard.append(told)))
    assert {"Stage-I", "Stage-II"} <= {row.pictures for row in results.rows}
    done = [told[1:3] for told in heard if told[0] == "Pictures"]
    assert done == sorted(done)
    assert done[-1][0] == done[-1][1]


def test_the_example_of_the_documentation_holds() -> None:
    found = doctest.testmod(progress)
    assert (found.attempted, found.failed) == (4, 0)

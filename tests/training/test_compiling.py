from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def losses(home: Path, name: str) -> list[dict[str, float]]:
    lines = (home / "models" / name / "training" / "stage1" / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_compiled_networks_train_as_written_ones_do(train_tiny: Callable[..., Any], home: Path) -> None:
    # The recipe penalises every fourth step by a second derivative, which compiled networks do not have.
    options = ("--steps", 5, "--set", "log_every=1")
    assert train_tiny(1, "--name", "written", *options).code == 0
    compiled = train_tiny(1, "--name", "compiled", "--compile", *options)
    assert compiled.code == 0, compiled.err
    assert "uncompiled" not in compiled.err
    for one, other in zip(losses(home, "written"), losses(home, "compiled"), strict=True):
        assert set(one) == set(other)
        for name in ("generator", "discriminator", "kl"):
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-3)


def test_without_a_compiler_a_run_says_so_and_goes_on(
    train_tiny: Callable[..., Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    done = train_tiny(1, "--steps", 2, "--compile")
    assert done.code == 0, done.err
    assert done.says("--compile needs a C++ compiler", "goes on uncompiled")


def test_cuda_graphs_without_a_gpu_are_said_to_be_missing(train_tiny: Callable[..., Any], home: Path) -> None:
    done = train_tiny(1, "--steps", 2, "--cuda-graphs", "--device", "cpu")
    assert done.code == 0, done.err
    assert done.says("CUDA graphs need an NVIDIA GPU", "goes on without them")

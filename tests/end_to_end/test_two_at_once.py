"""Two commands at once on one model or on one data set: neither spoils what the other is at."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OFTEN = ("--set", "checkpoint_every=2", "--set", "log_every=1", "--set", "sample_every=2", "--steps", "6")

WAITS_IN_STEP_5 = """
import sys, time
from pathlib import Path
from stackgan_cli import app
from stackgan_cli.training import loop
real, place = loop.StageTask.step, Path(sys.argv.pop(1))
def step(task, number, batch):
    if number == 4:
        (place / "waits").touch()
        while not (place / "go").exists():
            time.sleep(0.02)
    return real(task, number, batch)
loop.StageTask.step = step
app.main()
"""


def all_below(folder: Path) -> dict[str, bytes | None]:
    """Every folder and every file below a folder, hidden ones too."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def running(
    home: Path, tmp_path: Path, tiny_options: Callable[[int], list[str]], fork: Callable[..., Any]
) -> Iterator[Any]:
    """A run of Stage-I in a process of its own that waits in its fifth step for the file ``go``."""
    arguments = ("train-stage1", "--data", "birds", *tiny_options(1), *OFTEN)
    process = fork(tmp_path, *arguments, script=WAITS_IN_STEP_5)
    while not (tmp_path / "waits").exists() and process.code() is None:
        time.sleep(0.05)
    # What a checkpoint looks like while it is being written.
    (home / "models/birds/training/stage1/checkpoints/.step-000006.abcd1234.partial").mkdir()
    try:
        yield process
    finally:
        (tmp_path / "go").touch()
        process.ended()


def test_a_second_run_is_told_who_trains_and_a_look_and_a_picture_disturb_nobody(
    running: Any,
    train_tiny: Callable[..., Any],
    stackgan: Callable[..., Any],
    home: Path,
    tmp_path: Path,
) -> None:
    before = all_below(home)
    for second in (train_tiny(1, *OFTEN), train_tiny(1, *OFTEN, "--restart"), train_tiny(2, "--steps", 2)):
        assert second.code == 1
        assert second.says(
            f"Another process is training {home}/models/birds: process {running.pid} on",
            "train-stage1 --data birds",
            "Wait until it has ended, or stop it first.",
        )
    for more in ((), ("--restart",)):
        plan = train_tiny(1, *OFTEN, *more, "--dry-run", "--json")
        assert plan.code == 0, plan.err
        assert plan.json["from_step"] == (0 if more else 4)
    drawn = stackgan("generate", "a bird", "--model", "birds", "-o", tmp_path / "out")
    assert drawn.code == 0, drawn.err
    assert all_below(home) == before
    (tmp_path / "go").touch()
    told = running.ended()
    assert told.code == 0, told.err
    assert json.loads((home / "models/birds/stackgan.json").read_text())["stages"]["1"]["steps"] == 6
    assert not [path for path in (home / "models").iterdir() if path.name != "birds"]
    assert train_tiny(1, *OFTEN).says("This run is done")


def test_a_killed_run_lets_go(running: Any, train_tiny: Callable[..., Any], home: Path) -> None:
    running.send(signal.SIGKILL)
    running.ended()
    again = train_tiny(1, *OFTEN)
    assert again.code == 0, again.err
    assert again.says("Going on from step 4 of 6")
    assert [path.name for path in (home / "models").iterdir()] == ["birds"]


def test_a_model_may_lie_where_nothing_can_be_written_beside_it(
    train_tiny: Callable[..., Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "volume" / "model"
    place.mkdir(parents=True)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != place.parent and real(path, mode))
    done = train_tiny(1, "--steps", 2, "--name", place)
    assert done.code == 0, done.err
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in place.parent.iterdir()] == ["model"]


LEARNING = """
import torch
from torch import nn

class Taught(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def fit(self, data, *, seed, report):
        report(1, 1, "")
        return {}

    def generator_terms(self, update):
        return {"": self.weight.sum()}
"""


def test_a_dry_run_keeps_nothing_that_it_had_to_fit(
    train_tiny: Callable[..., Any], install: Callable[..., Path], home: Path
) -> None:
    install("taught-goals", "[stackgan.objectives]\ntaught = taught_goals:Taught\n", LEARNING)
    before = all_below(home)
    plan = train_tiny(1, "--steps", 5, "--set", 'objectives=[{ name = "taught" }]', "--dry-run")
    assert plan.code == 0, plan.err
    assert all_below(home) == before

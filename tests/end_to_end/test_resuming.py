from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.training import loop

OFTEN = ("--set", "checkpoint_every=5", "--set", "log_every=1", "--set", "sample_every=5", "--steps", 10)

KILLED_IN_STEP_8 = """
import os, signal
from stackgan_cli import app
from stackgan_cli.training import loop
real = loop.StageTask.step
def step(task, number, batch):
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(task, number, batch)
loop.StageTask.step = step
app.main()
"""


@pytest.fixture(params=[1, 2])
def stage(request: pytest.FixtureRequest, model: Path) -> int:
    """A stage that has not begun; for the second one the first is there."""
    number: int = request.param
    if number == 1:
        shutil.rmtree(model)
    else:
        for part in ("stage2", "training/stage2"):
            shutil.rmtree(model / part)
        manifest = json.loads((model / "stackgan.json").read_text())
        del manifest["stages"]["2"]
        (model / "stackgan.json").write_text(json.dumps(manifest))
    return number


def left_by(model: Path, stage: int) -> dict[str, Any]:
    """Everything that a run leaves but its speed: weights, averages, optimiser states, losses and pictures."""
    run = model / "training" / f"stage{stage}"
    found: dict[str, Any] = {
        str(path.relative_to(model)): path.read_bytes()
        for folder in (run / "checkpoints" / "step-000010", run / "samples", model / f"stage{stage}")
        for path in folder.rglob("*")
        if path.is_file()
    }
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    found["losses"] = [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]
    return found


@pytest.fixture
def straight(train_tiny: Callable[..., Any], home: Path, stage: int, tmp_path: Path) -> dict[str, Any]:
    """What ten steps without a stop leave; the model is as it was before."""
    model, kept = home / "models" / "birds", tmp_path / "kept"
    if model.exists():
        shutil.copytree(model, kept)
    assert train_tiny(stage, *OFTEN).code == 0
    found = left_by(model, stage)
    assert len(found["losses"]) == 10
    shutil.rmtree(model)
    if kept.exists():
        kept.rename(model)
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["losses"] == other["losses"]
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_ten_steps_are_five_and_a_kill_and_five_more(
    straight: dict[str, Any],
    stage: int,
    train_tiny: Callable[..., Any],
    tiny_options: Callable[[int], list[str]],
    fork: Callable[..., Any],
    home: Path,
) -> None:
    arguments = (f"train-stage{stage}", "--data", "birds", *tiny_options(stage), *OFTEN)
    killed = fork(*arguments, script=KILLED_IN_STEP_8).ended()
    assert killed.code == -signal.SIGKILL, killed.err
    model = home / "models" / "birds"
    log = model / "training" / f"stage{stage}" / "log.jsonl"
    assert len(log.read_text().splitlines()) == 7
    with log.open("a") as file:
        file.write('{"step": 8, "gene')  # a line that the kill cut off
    resumed = train_tiny(stage, *OFTEN)
    assert resumed.code == 0, resumed.err
    assert resumed.says("Going on from step 5 of 10")
    assert_same(straight, left_by(model, stage))


def test_ctrl_c_saves_and_the_same_command_goes_on(
    straight: dict[str, Any],
    stage: int,
    train_tiny: Callable[..., Any],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = loop.StageTask.step

    def interrupted(task: Any, number: int, batch: Any) -> Any:
        if number == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return real(task, number, batch)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(loop.StageTask, "step", interrupted)
        stopped = train_tiny(stage, *OFTEN)
    assert stopped.code == 130
    assert stopped.says("Stopped and saved at step 7", "The same command goes on")
    assert signal.getsignal(signal.SIGINT) is handler
    model = home / "models" / "birds"
    assert json.loads((model / "stackgan.json").read_text())["stages"][str(stage)]["steps"] == 7
    assert train_tiny(stage, *OFTEN).code == 0
    assert_same(straight, left_by(model, stage))


def test_a_damaged_newest_checkpoint_is_passed_over_with_a_word(
    straight: dict[str, Any], stage: int, train_tiny: Callable[..., Any], home: Path
) -> None:
    assert train_tiny(stage, *OFTEN).code == 0
    model = home / "models" / "birds"
    newest = model / "training" / f"stage{stage}" / "checkpoints" / "step-000010"
    weights = newest / "generator.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    again = train_tiny(stage, *OFTEN)
    assert again.code == 0, again.err
    assert again.says("step-000010", "damaged", "passed over", "Going on from step 5 of 10")
    assert_same(straight, left_by(model, stage))


@pytest.mark.parametrize("harm", ["no record", "no file", "truncated", "nonsense"])
def test_whatever_is_wrong_with_all_checkpoints_training_begins_anew(
    train_tiny: Callable[..., Any], model: Path, harm: str
) -> None:
    (folder,) = (model / "training" / "stage1" / "checkpoints").iterdir()
    if harm == "no record":
        (folder / "checkpoint.json").unlink()
    elif harm == "no file":
        (folder / "averaged.safetensors").unlink()
    elif harm == "truncated":
        (folder / "averaged.safetensors").write_bytes(b"")
    else:
        (folder / "checkpoint.json").write_text('{"sha256": 3}')
    done = train_tiny(1, "--steps", 6)
    assert done.code == 0, done.err
    assert done.says("passed over")
    assert done.says("6 steps in")

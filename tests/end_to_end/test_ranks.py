"""Two processes against one, as ``torchrun`` starts them; both train tiny networks on the processor, through gloo."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

CHANGES = {
    "quick": ("discriminator.name=residual", 'objectives=[{ name = "gradient-penalty", weight = 2.0, every = 4 }]'),
    "paper": ("generator.options.channels=16", "discriminator.options.channels=8"),
    "port": ("generator.options.channels=16", "discriminator.options.channels=8"),
}
SIDES = {1: 16, 2: 64}


def arguments(stage: int, name: str, steps: int, recipe: str = "quick", *more: str) -> list[str]:
    options = [f"resolution={SIDES[stage]}", "log_every=1", "checkpoint_every=2", "sample_every=2", *CHANGES[recipe]]
    changes = [part for each in options for part in ("--set", each)]
    what = [f"train-stage{stage}", "--data", "birds", "--name", name, "--recipe", recipe, "--encoder", "hashed-words"]
    return [*what, "--batch-size", "4", "--precision", "float32", "--steps", str(steps), *changes, *more]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def started(command: list[str], script: str | None = None) -> subprocess.Popen[str]:
    """Two processes of the command, under torchrun; ``script`` stands in for ``python -m stackgan_cli``."""
    runner = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    program = ["-m", "stackgan_cli"] if script is None else [script]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen([*runner, *program, *command], stdout=pipe, stderr=pipe, text=True, env=environment)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """What a run came to; one that hangs fails the test instead of stopping all of them."""
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("The processes wait for each other.")
    return process.returncode, out, err


def checkpoint(home: Path, name: str, stage: int, step: int) -> Path:
    return home / "models" / name / "training" / f"stage{stage}" / "checkpoints" / f"step-{step:06d}"


def losses(home: Path, name: str, stage: int) -> list[dict[str, float]]:
    lines = (home / "models" / name / "training" / f"stage{stage}" / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def farthest(one: Path, other: Path, network: str) -> float:
    """Largest difference of the gradients of the first step, which Adam keeps, as a share of the largest gradient.

    Weights are no measure: a gradient that is zero but for rounding, such as that of a bias before a batch-norm, has a
    sign by chance, and Adam's first step follows the sign alone.
    """
    ours, theirs = (load_file(folder / f"{network}_optimizer.safetensors") for folder in (one, other))
    names = [name for name in ours if name.endswith("exp_avg")]
    most = max(float(ours[name].abs().max()) for name in names)
    return max(float((ours[name] - theirs[name]).abs().max()) for name in names) / most


@pytest.mark.parametrize("recipe", CHANGES)
def test_two_ranks_compute_what_one_does(
    stackgan: Callable[..., Any], fork_ranks: Callable[..., Any], home: Path, recipe: str
) -> None:
    # The paper's and the port's networks have batch-norms, and the port's wrong conditions are those of the next
    # picture, which may be another rank's.
    alone = stackgan(*arguments(1, "alone", 1, recipe))
    assert alone.code == 0, alone.err
    command = arguments(1, "shared", 1, recipe, "--json")
    # One of them as people start it.
    code, out, err = ended(started(command)) if recipe == "quick" else astuple(fork_ranks(*command))
    assert code == 0, err
    assert json.loads(out) == {"model": str(home / "models" / "shared"), "stage": 1, "steps": 1}
    assert err.count("The model is in") == err.count("Training Stage-I") == 1
    folders = checkpoint(home, "alone", 1, 1), checkpoint(home, "shared", 1, 1)
    for network in ("generator", "discriminator"):
        assert farthest(*folders, network) < 1e-4
    one, other = losses(home, "alone", 1)[0], losses(home, "shared", 1)[0]
    for name in ("generator", "discriminator", "kl"):
        assert other[name] == pytest.approx(one[name], rel=1e-4)
    if recipe == "paper":
        # Stage-II too, whose frozen Stage-I normalises by the batch of all ranks.
        for name in ("alone", "shared"):
            assert stackgan(*arguments(1, name, 2, recipe)).code == 0
        (home / "models" / "shared").rename(home / "models" / "set-aside")
        subprocess.run(["cp", "-r", home / "models" / "alone", home / "models" / "shared"], check=True)
        assert stackgan(*arguments(2, "alone", 1, recipe)).code == 0
        both = fork_ranks(*arguments(2, "shared", 1, recipe))
        assert both.code == 0, both.err
        folders = checkpoint(home, "alone", 2, 1), checkpoint(home, "shared", 2, 1)
        # A tiny batch makes much of rounding in gradients; statistics of half of it would show in the losses.
        assert farthest(*folders, "discriminator") < 0.05
        one, other = losses(home, "alone", 2)[0], losses(home, "shared", 2)[0]
        for name in ("discriminator", "kl"):
            assert other[name] == pytest.approx(one[name], rel=1e-4)


def test_a_batch_that_the_ranks_cannot_divide_is_refused_once(fork_ranks: Callable[..., Any], home: Path) -> None:
    refused = fork_ranks(*arguments(1, "odd", 2), "--batch-size", "5")
    assert refused.code != 0
    assert refused.err.count("cannot be divided evenly among 2 processes") == 1
    assert "--batch-size 6" in refused.err
    assert "stackgan_cli/app.py" not in refused.err
    assert not (home / "models").exists()


def test_beginning_anew_all_ranks_take_the_recipe_that_the_stage_had(
    stackgan: Callable[..., Any], fork_ranks: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'extends = "quick"\nsummary = "small"\n[stage2]\nresolution = 64\nbatch_size = 4\nobjectives = []\n'
        'discriminator = { name = "residual", options = { channels = 4, max_channels = 8 } }\n'
        "generator = { options = { channels = 4, max_channels = 8 } }\n"
    )
    again = ("train-stage2", "--data", "birds", "--restart", "--steps", 1, "--precision", "float32")
    assert stackgan(*again, "--recipe", recipe).code == 0
    # The main one sets it aside first, and Stage-I had another recipe.
    both = fork_ranks(*again)
    assert both.code == 0, both.err
    assert f"({recipe})" in "".join(both.err.split())
    assert (model / "stage2-old-2").is_dir()


DIES_IN_STEP_4 = """
import os, signal
from stackgan_cli import app
from stackgan_cli.training import loop
real = loop.StageTask.step
def step(task, number, batch):
    if number == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(task, number, batch)
loop.StageTask.step = step
app.main()
"""


def test_the_death_of_one_rank_ends_the_run_and_any_number_goes_on(
    stackgan: Callable[..., Any], fork_ranks: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    script = tmp_path / "dies.py"
    script.write_text(DIES_IN_STEP_4)
    code, _, err = ended(started(arguments(1, "birds", 6), str(script)))
    assert code != 0
    assert checkpoint(home, "birds", 1, 2).is_dir()
    assert not list((home / "models" / "birds").rglob("*.partial"))
    assert "stackgan_cli/training/run.py" not in err, "a traceback of ours"
    alone = stackgan(*arguments(1, "birds", 4))
    assert alone.code == 0, alone.err
    assert alone.says("Going on from step 2 of 4")
    both = fork_ranks(*arguments(1, "birds", 6))
    assert both.code == 0, both.err
    assert "Going on from step 4 of 6" in both.err
    assert [line["step"] for line in losses(home, "birds", 1)] == [1, 2, 3, 4, 5, 6]


BREAKS_IN_STEP_4 = """
import torch
from stackgan_cli import app
from stackgan_cli.training import loop
real, broken = loop.StageTask.step, []
def step(task, number, batch):
    losses = real(task, number, batch)
    if number == 3 and not broken:
        broken.append(number)
        with torch.no_grad():
            next(task.generator.parameters()).fill_(torch.inf)
    return losses
loop.StageTask.step = step
app.main()
"""


def test_weights_that_are_no_numbers_send_all_ranks_back(fork_ranks: Callable[..., Any], home: Path) -> None:
    # The losses of that step are whole, so that it is noticed where a checkpoint is written.
    done = fork_ranks(*arguments(1, "birds", 6), "--on-nan", "rollback", script=BREAKS_IN_STEP_4)
    assert done.code == 0, done.err
    assert "Back to step 2, with 0.5 times the learning rate" in " ".join(done.err.split())
    assert [line["step"] for line in losses(home, "birds", 1)] == [1, 2, 3, 4, 5, 6]


def test_sigterm_stops_all_ranks_at_one_step_and_saves(home: Path) -> None:
    process = started(arguments(1, "birds", 100_000, "quick", "--set", "checkpoint_every=100000"))
    log = home / "models" / "birds" / "training" / "stage1" / "log.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (log.is_file() and log.read_text().count("\n") > 3):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, _, err = ended(process)
    assert "Stopped and saved at step" in err
    (saved,) = (home / "models" / "birds" / "training" / "stage1" / "checkpoints").iterdir()
    assert saved.name == f"step-{losses(home, 'birds', 1)[-1]['step']:06d}"

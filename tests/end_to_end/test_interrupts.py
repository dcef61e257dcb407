"""Ctrl-C and SIGTERM at any moment: one sentence, what is there stays whole, and the command that it names goes on."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OFTEN = ("--set", "checkpoint_every=4", "--set", "log_every=1", "--set", "sample_every=4", "--steps", 8)


class Interrupter:
    """Sends this process a signal before some calls of a function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def before(self, owner: Any, name: str, calls: tuple[int, ...] = (1,), number: int = signal.SIGINT) -> None:
        """Send the signal before these calls (1, 2 ...) of ``owner.name``."""
        real, seen = getattr(owner, name), []

        def interrupted(*arguments: Any, **more: Any) -> Any:
            seen.append(1)
            if len(seen) in calls:
                os.kill(os.getpid(), number)
            return real(*arguments, **more)

        self._monkeypatch.setattr(owner, name, interrupted)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Any:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        yield Interrupter(patch)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def named_command(done: Any) -> list[str]:
    """The command that the one sentence at the end names, after a look at how it ended."""
    assert done.code == 130, done.err
    last = done.err.strip().splitlines()[-1]
    assert last.startswith(("Interrupted", "Stopped and saved"))
    assert "Traceback" not in done.err
    assert "Error" not in done.err
    program, *arguments = shlex.split(last.partition(": ")[2])
    assert program == "stackgan"
    return arguments


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if re.search(r"\.(partial|old|lock|holder)$", path.name)]


@pytest.fixture
def pictures(captioned_folder: Callable[..., Path]) -> Path:
    return captioned_folder(20, side=24)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_prepare_keeps_what_it_has_written(
    interrupt: Interrupter, stackgan: Callable[..., Any], pictures: Path, empty_home: Path, number: int
) -> None:
    from stackgan_cli.preparing import journal

    command = ["prepare", "--data", "mine", "--source", pictures, "--encoder", "hashed-words", "--resolution", 16]
    interrupt.before(journal.Journal, "add", (2,), number)
    stopped = stackgan(*command)
    assert stopped.says("what was written so far is kept")
    again = stackgan(*named_command(stopped))
    assert again.code == 0, again.err
    assert again.says("going on after")
    assert leftovers(empty_home) == []


def test_prepare_does_not_write_the_pictures_again_where_text_features_are_missing(
    interrupt: Interrupter, stackgan: Callable[..., Any], pictures: Path, empty_home: Path
) -> None:
    from stackgan_cli.preparing import text_encoding

    command = ["prepare", "--data", "mine", "--source", pictures, "--encoder", "hashed-words", "--resolution", 16]
    interrupt.before(text_encoding, "_write_features")
    stopped = stackgan(*command, "--force")
    assert stopped.says("the pictures are prepared and kept")
    arguments = named_command(stopped)
    assert "--force" not in arguments
    again = stackgan(*arguments)
    assert again.code == 0, again.err
    assert again.says("holds exactly these pictures already", "hashed-words is ready")
    assert leftovers(empty_home) == []


def test_generate_says_how_many_pictures_there_are(
    interrupt: Interrupter, stackgan: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    from stackgan_cli.generating import writing

    interrupt.before(writing.PictureWriter, "_take", (3,))
    stopped = stackgan("generate", "a small bird", "-n", 4, "-o", tmp_path / "out")
    assert stopped.says("2 pictures are written and kept, and this draws the others")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    again = stackgan(*named_command(stopped))
    assert again.code == 0, again.err
    assert again.says("2 of 4 pictures were there already")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    seed = int(names[0].removesuffix(".png").rpartition("-")[2])
    assert names == [*sorted(f"a-small-bird-{seed + number}.png" for number in range(4)), "pictures.jsonl"]


def test_evaluate_leaves_earlier_results_alone(
    interrupt: Interrupter, stackgan: Callable[..., Any], model: Path
) -> None:
    from stackgan_cli.evaluation import evaluation_setup

    earlier = model / "evaluation" / "birds" / "results.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    interrupt.before(evaluation_setup, "fitted_extractor")
    stopped = stackgan("evaluate", "--data", "birds", "--num-images", 12)
    assert stopped.says("earlier results are as they were")
    assert named_command(stopped) == ["evaluate", "--data", "birds", "--num-images", "12"]
    assert [path for path in (model / "evaluation").rglob("*") if path.is_file()] == [earlier]


def test_training_that_has_not_begun_changes_nothing(
    interrupt: Interrupter, train_tiny: Callable[..., Any], model: Path
) -> None:
    from stackgan_cli.training import run

    interrupt.before(run, "assemble", (1, 2))
    names = sorted(path.name for path in model.parent.iterdir())
    stopped = train_tiny(1, "--steps", 8)
    assert stopped.says("what was trained until step 6 is kept, and this goes on from there")
    restarted = train_tiny(1, "--steps", 8, "--restart")
    assert restarted.says("before anything was changed")
    assert "--restart" in named_command(restarted)
    assert sorted(path.name for path in model.parent.iterdir()) == names


def test_a_restart_that_has_begun_is_not_begun_again(
    interrupt: Interrupter, train_tiny: Callable[..., Any], stackgan: Callable[..., Any], model: Path
) -> None:
    from stackgan_cli.training import loop

    interrupt.before(loop.StageTask, "step", (1, 8), signal.SIGTERM)
    stopped = train_tiny(1, *OFTEN, "--restart")
    assert stopped.says("before anything was saved")
    arguments = named_command(stopped)
    assert "--restart" not in arguments
    stopped = stackgan(*arguments)
    assert stopped.says("Stopped and saved at step 7. The same command goes on from here")
    assert stackgan(*named_command(stopped)).code == 0
    assert sorted(path.name for path in model.parent.iterdir()) == ["birds", "birds-old-1"]


def test_a_second_interrupt_while_saving_costs_only_what_was_to_be_saved(
    interrupt: Interrupter, train_tiny: Callable[..., Any], stackgan: Callable[..., Any], home: Path
) -> None:
    from stackgan_cli.training import checkpoints, loop

    interrupt.before(loop.StageTask, "step", (6,))
    # The first checkpoint, of step 4, is six files.
    interrupt.before(checkpoints, "write_tensors", (9,))
    stopped = train_tiny(1, *OFTEN)
    assert stopped.says("what was trained until step 4 is kept")
    again = stackgan(*named_command(stopped))
    assert again.code == 0, again.err
    assert again.says("Going on from step 4 of 8")
    assert json.loads((home / "models/birds/stackgan.json").read_text())["stages"]["1"]["steps"] == 8
    assert leftovers(home) == []


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
number, module = int(sys.argv.pop(1)), sys.argv.pop(1)
def hook(event, arguments):
    if event == "import" and arguments[0] == module:
        os.kill(os.getpid(), number)
sys.addaudithook(hook)
from stackgan_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_torch_is_loaded_is_one_sentence_too(empty_home: Path, number: int) -> None:
    arguments = ["generate", "a bird", "--model", "bundled"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, str(int(number)), "torch.optim", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip().splitlines()[-1].endswith("stackgan generate 'a bird' --model bundled")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["stackgan_cli.app", "stackgan_cli.console"])
def test_an_interrupt_before_there_is_a_command_is_one_sentence_too(empty_home: Path, number: int, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, str(int(number)), module, "info"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("Interrupted")
    assert len(done.stderr.splitlines()) == 1

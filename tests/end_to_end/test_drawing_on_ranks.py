"""Two processes that draw, as ``torchrun`` starts them, against one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def start(*arguments: object, script: Path | None = None) -> subprocess.Popen[bytes]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = ["-m", "stackgan_cli"] if script is None else [str(script)]
    pipe = subprocess.PIPE
    command = [*launcher, *program, "generate", "--device", "cpu", *map(str, arguments)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)


def ended(process: subprocess.Popen[bytes], stdin: str = "") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(stdin.encode(), timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("The processes wait for each other.")
    return process.returncode, out.decode(), err.decode()


def pixels(path: str | Path) -> Any:
    return np.asarray(Image.open(path))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,seed,count\na small red bird,1,3\na blue bird,5,\na bird,x,\na bird in snow,,2\n")
    return path


def test_the_processes_share_the_pictures_which_are_the_same_as_without(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, table: Path
) -> None:
    options = ("--seed", 8, "--grid")
    one = stackgan("generate", "--device", "cpu", "--from", table, *options, "-o", tmp_path / "one", "--json")
    code, out, err = ended(start("--from", "-", *options, "-o", tmp_path / "two", "--json"), table.read_text())
    assert code == one.code == 1, err
    assert err.count("Line 4 of") == err.count("Drawing with the model") == 1
    told = json.loads(out)
    assert told["left_out"] == one.json["left_out"]
    facts = [{**each, "path": Path(each["path"]).name} for each in told["pictures"]]
    assert facts == [{**each, "path": Path(each["path"]).name} for each in one.json["pictures"]]
    assert len(facts) == 7
    for each in told["pictures"]:
        assert np.array_equal(pixels(each["path"]), pixels(tmp_path / "one" / Path(each["path"]).name))
    lists = [(tmp_path / name / "pictures.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert sorted(lists[0]) == sorted(lists[1])


@pytest.mark.slow
def test_without_a_seed_they_draw_one_lot_and_go_on_together(model: Path, tmp_path: Path) -> None:
    command = ("a small red bird", "a fish", "-n", 3, "--stage", 1, "-o", tmp_path)
    code, out, err = ended(start(*command))
    assert code == 0, err
    assert len(out.splitlines()) == 6
    listed = [json.loads(line) for line in (tmp_path / "pictures.jsonl").read_text().splitlines()]
    assert len({each["seed"] for each in listed}) == 3
    gone = [Path(line) for line in out.splitlines()[::2]]
    for path in gone:
        path.unlink()
    code, out, err = ended(start(*command, "--resume"))
    assert code == 0, err
    assert sorted(out.splitlines()) == sorted(map(str, gone))
    assert "3 of 6 pictures were there already" in err


def test_what_cannot_be_meant_is_said_once(fork_ranks: Callable[..., Any], model: Path, tmp_path: Path) -> None:
    refused = fork_ranks("generate", "--from", "-", "-o", tmp_path, stdin="\n")
    assert refused.code != 0
    assert refused.err.count("There is no prompt") == 1
    assert refused.out == ""
    refused = fork_ranks("generate", "a bird", "a fish", "--model", "nobodys", "-o", tmp_path)
    assert refused.err.count("There is no model called 'nobodys'") == 1
    assert refused.out == ""


FAILS_ALONE = """
import os
from stackgan_cli import app, errors
from stackgan_cli.generating import writing
real = writing.save_new_file
def save(*arguments):
    if os.environ["RANK"] == "1":
        raise errors.StackganError("The disk of rank 1 is full.")
    return real(*arguments)
writing.save_new_file = save
app.main()
"""


@pytest.mark.slow
def test_what_happens_to_one_process_alone_is_said(model: Path, tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(FAILS_ALONE)
    code, _, err = ended(start("a bird", "-n", 6, "-o", tmp_path / "out", script=script))
    assert code != 0
    assert err.count("The disk of rank 1 is full") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_an_interrupted_run_names_the_command_that_goes_on(model: Path, tmp_path: Path) -> None:
    process = start("a small red bird", "-n", 10**9, "-o", tmp_path)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and len(list(tmp_path.glob("*.png"))) < 4:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    _, _, err = ended(process)
    assert "what was written is kept" in err
    assert "generate --resume --device cpu" in err
    assert not list(tmp_path.glob("*.partial"))
    listed = (tmp_path / "pictures.jsonl").read_text().splitlines()
    assert {json.loads(line)["file"] for line in listed} <= {path.name for path in tmp_path.glob("*.png")}

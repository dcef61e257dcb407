"""What shells offer, asked as they ask: each in its own way, in a process that must not import torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ASKED = """
import contextlib, io, json, os, sys
from stackgan_cli.app import main
sys.argv = ["stackgan"]
answers = []
for variables in json.load(sys.stdin):
    os.environ.update(variables)
    with contextlib.redirect_stdout(io.StringIO()) as answer, contextlib.suppress(SystemExit):
        main()
    answers.append(answer.getvalue())
heavy = {"torch", "datasets", "pyarrow", "torchmetrics"} & set(sys.modules)
assert not heavy, heavy
print(json.dumps(answers))
"""


def offered(*lines: str, shell: str = "bash") -> list[set[str]]:
    """What a shell offers at the end of each line; one process is asked for all of them, as it takes long to begin."""
    ways = {
        "bash": lambda line: {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
        "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line},
        "fish": lambda line: {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    asked = [{"_STACKGAN_COMPLETE": f"complete_{shell}", **ways[shell](line)} for line in lines]
    command = [sys.executable, "-c", ASKED]
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=json.dumps(asked))
    assert done.stderr == ""
    answers = json.loads(done.stdout)
    if shell == "zsh":
        return [set(re.findall(r'"([^"]+)"', answer)) for answer in answers]
    return [{line.partition("\t")[0] for line in answer.splitlines()} for answer in answers]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_are_offered_in_every_shell(model: Path, shell: str) -> None:
    assert offered("stackgan generate x --model b", shell=shell) == [{"birds", "bundled"}]


HERE = {
    "stackgan train-stage1 --data ": {"birds"},
    "stackgan info ": {"birds", "drawn-birds"},
    "stackgan train-stage1 --recipe ": {"paper", "port", "quick"},
    "stackgan prepare --reader ": {"cub", "folder", "webdataset"},
    "stackgan prepare --encoder ": {"words", "hashed-words", "precomputed"},
    "stackgan prepare --crop ": {"bbox", "center", "squash", "pad"},
    "stackgan train-stage1 --data birds --encoder ": {"hashed-words"},
    "stackgan train-stage2 --generator ": {"modulated", "paper", "port"},
    "stackgan train-stage2 --discriminator ": {"projected", "residual"},
    "stackgan evaluate --extractor ": {"domain-classifier", "imagenet-lite0"},
    "stackgan evaluate --metric ": {"r-precision"},
    "stackgan evaluate --protocol ": {"stackgan-cub", "coco-30k"},
    "stackgan components show --kind objective ": {"augmentation", "gradient-penalty", "matching"},
    "stackgan generate x --model birds --checkpoint ": {"6", "best"},
    "stackgan generate x --device ": {"cpu", "cuda"},
    "stackgan generate x --format ": {"png", "jpeg", "webp", "avif"},
    "stackgan generate x --grid": {"--grid", "--grid-only"},
}


def test_what_is_here_is_offered(model: Path) -> None:
    found = dict(zip(HERE, offered(*HERE), strict=True))
    assert {line: some - found[line] for line, some in HERE.items() if not some <= found[line]} == {}


def test_only_what_fits_is_offered(model: Path) -> None:
    lines = ("train-stage1 --data birds --encoder ", "recipes show p", "components show --kind metric ")
    encoders, recipes, metrics = offered(*(f"stackgan {line}" for line in lines))
    assert encoders == {"hashed-words"}
    assert "quick" not in recipes
    assert "matching" not in metrics


def test_what_is_damaged_offers_nothing_and_says_nothing(model: Path) -> None:
    (model / "stackgan.json").write_text("{")
    (checkpoints,) = offered("stackgan generate x --model birds --checkpoint ")
    assert checkpoints <= {""}

"""What shells offer, asked as they ask: each in its own way, in a process that must not import torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ASKED = """
import sys
from stackgan_cli.app import main
sys.argv = ["stackgan"]
try:
    main()
except SystemExit:
    pass
finally:
    heavy = {"torch", "datasets", "pyarrow", "torchmetrics"} & set(sys.modules)
    assert not heavy, heavy
"""


def offered(line: str, shell: str = "bash") -> set[str]:
    """What a shell offers at the end of a line."""
    words = line.split(" ")
    ways = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    environment = {**os.environ, "_STACKGAN_COMPLETE": f"complete_{shell}", **ways[shell]}
    done = subprocess.run([sys.executable, "-c", ASKED], check=False, capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    if shell == "zsh":
        return set(re.findall(r'"([^"]+)"', done.stdout))
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_are_offered_in_every_shell(model: Path, shell: str) -> None:
    assert offered("stackgan generate x --model b", shell) == {"birds", "bundled"}


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("stackgan train-stage1 --data ", {"birds"}),
        ("stackgan info ", {"birds", "drawn-birds"}),
        ("stackgan train-stage1 --recipe ", {"paper", "port", "quick"}),
        ("stackgan prepare --reader ", {"cub", "folder", "webdataset"}),
        ("stackgan prepare --encoder ", {"words", "hashed-words", "precomputed"}),
        ("stackgan prepare --crop ", {"bbox", "center", "squash", "pad"}),
        ("stackgan train-stage1 --data birds --encoder ", {"hashed-words"}),
        ("stackgan train-stage2 --generator ", {"modulated", "paper", "port"}),
        ("stackgan train-stage2 --discriminator ", {"projected", "residual"}),
        ("stackgan evaluate --extractor ", {"domain-classifier", "imagenet-lite0"}),
        ("stackgan evaluate --metric ", {"r-precision"}),
        ("stackgan evaluate --protocol ", {"stackgan-cub", "coco-30k"}),
        ("stackgan components show --kind objective ", {"augmentation", "gradient-penalty", "matching"}),
        ("stackgan generate x --model birds --checkpoint ", {"6", "best"}),
        ("stackgan generate x --device ", {"cpu", "cuda"}),
        ("stackgan generate x --format ", {"png", "jpeg", "webp", "avif"}),
        ("stackgan generate x --grid", {"--grid", "--grid-only"}),
    ],
)
def test_what_is_here_is_offered(model: Path, line: str, some: set[str]) -> None:
    assert some <= offered(line)


def test_only_what_fits_is_offered(model: Path) -> None:
    assert offered("stackgan train-stage1 --data birds --encoder ") == {"hashed-words"}
    assert "quick" not in offered("stackgan recipes show p")
    assert "matching" not in offered("stackgan components show --kind metric ")


def test_what_is_damaged_offers_nothing_and_says_nothing(model: Path) -> None:
    (model / "stackgan.json").write_text("{")
    assert offered("stackgan generate x --model birds --checkpoint ") <= {""}

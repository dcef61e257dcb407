from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.mark.slow
def test_from_captioned_pictures_to_a_picture_in_processes_of_their_own(
    empty_home: Path, captioned_folder: Callable[..., Path], tiny_options: Callable[[int], list[str]], tmp_path: Path
) -> None:
    def stackgan(*arguments: object) -> str:
        command = [sys.executable, "-m", "stackgan_cli", *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    data = ("--data", "mine")
    sizes = ("--resolution", 16, "--resolution", 64)
    # Enough pictures for the worker processes to be used.
    stackgan("prepare", *data, "--source", captioned_folder(80), "--encoder", "hashed-words", *sizes)
    for stage in (1, 2):
        stackgan(f"train-stage{stage}", *data, "--recipe", "quick", *tiny_options(stage), "--steps", 3)
    path = stackgan("generate", "a plain picture", "-o", tmp_path / "out").strip()
    assert Image.open(path).size == (64, 64)
    assert "mine" in stackgan("info", "mine")


def test_what_each_command_says_to_do_next_is_a_command(made_once: Path, train_tiny: Callable[..., Any]) -> None:
    done = train_tiny(1, "--steps", 1)
    assert done.says("Next: stackgan train-stage2 --data birds")
    assert "Next: stackgan generate" in train_tiny(2, "--steps", 1).err
    assert train_tiny(1, "--steps", 1).err.endswith("Next: stackgan train-stage2 --data birds\n")
    # What there is of Stage-II was trained on another Stage-I then, and goes on with that one alone.
    assert train_tiny(1, "--steps", 2).err.endswith("Next: stackgan train-stage2 --data birds --restart\n")
    assert train_tiny(2, "--steps", 1, "--restart").code == 0
    assert train_tiny(1, "--steps", 2).err.endswith("Next: stackgan train-stage2 --data birds\n")


def test_json_is_one_object_on_stdout_and_talk_stays_on_stderr(
    stackgan: Callable[..., Any], model: Path, captioned_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = captioned_folder(4)
    for arguments in (
        ("prepare", "--data", "mine", "--source", source, "--encoder", "hashed-words", "--resolution", 16),
        ("generate", "a bird", "-o", tmp_path / "out", "--grid"),
        ("info",),
        ("info", "birds"),
        ("environment",),
        ("components", "list"),
        ("components", "show", "hashed-words"),
    ):
        done = stackgan(*arguments, "--json")
        assert done.code == 0, (arguments, done.err)
        assert isinstance(done.json, dict)
        assert done.out.strip().startswith("{")


def test_info_tells_of_models_data_and_pictures(stackgan: Callable[..., Any], model: Path, home: Path) -> None:
    told = stackgan("info", "birds", "--json").json
    assert (told["model"]["folder"], told["data"]["folder"]) == (str(model), str(home / "data" / "birds"))
    assert told == stackgan("info", "birds", "--json").json
    alone = stackgan("info", home / "data" / "birds", "--json").json
    assert alone == {"model": None, "data": told["data"], "picture": None}
    for name in ("absent", "./absent", "a b"):
        done = stackgan("info", name)
        assert done.code in (2, 3, 5)
        assert done.err.count("Error:") == 1
    (model / "stackgan.json").write_text("{")
    assert stackgan("info", "birds").code == 5


def test_the_environment_names_versions_data_and_models(stackgan: Callable[..., Any], model: Path, home: Path) -> None:
    told = stackgan("environment", "--json").json
    assert told["home"] == str(home)
    assert told["data"] == ["birds"]
    assert told["models"] == ["birds", "stackgan-cli:drawn-birds"]
    assert told["torch"][0].isdigit()
    assert told["python"].startswith("3.")

"""From an empty home to a picture by what each command says to do next, and what a model takes from what it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

TINY = ("--batch-size", 2, "--steps", 2, "--device", "cpu", "--precision", "float32")


@pytest.fixture
def follow(stackgan: Callable[..., Any]) -> Callable[..., Any]:
    """Type what a command said to do next, split as a shell does, with more options."""

    def run(done: Any, *options: object) -> Any:
        assert done.code == 0, done.err
        found = re.search(r"^Next: stackgan (.*)$", done.err, re.MULTILINE)
        assert found, done.err
        return stackgan(*shlex.split(found[1]), *options)

    return run


@pytest.fixture
def small_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe for data of one's own with networks that train in a moment; what it says of sizes stays."""
    from stackgan_cli.recipes import loading

    read = loading.read_toml

    def small(path: Path) -> dict[str, Any]:
        values = read(path)
        for stage in ("stage1", "stage2"):
            if path.name == "quick.toml":
                values[stage]["generator"]["options"] = {"channels": 8, "max_channels": 8}
                values[stage] |= {"discriminators": [{"name": "residual", "options": {"channels": 4}}]}
            if path.name == "modern.toml":
                values[stage]["objectives"][-1]["options"] = {"fit_steps": 2, "side": 32, "channels": 4}
        return values

    monkeypatch.setattr(loading, "read_toml", small)


@pytest.mark.parametrize("encoder", ["hashed-words", "words", "char-cnn-rnn"])
def test_the_hints_alone_lead_from_an_empty_home_to_a_picture(
    stackgan: Callable[..., Any],
    follow: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    small_recipe: None,
    tmp_path: Path,
    encoder: str,
) -> None:
    quickly = {"words": ["--encoder-option", "fit_steps=2"], "hashed-words": []}
    fitting = quickly.get(encoder, ["--encoder-option", "fit_steps=2", "--encoder-option", "channels=8"])
    sizes = ("--resolution", 16, "--resolution", 64)
    done = stackgan(
        "prepare", "--data", "mine", "--source", captioned_folder(8), "--encoder", encoder, *fitting, *sizes
    )
    done = follow(done, *TINY)
    assert done.says("so 16 px are drawn, not 64")
    done = follow(done, "--steps", 2, "--device", "cpu", "--precision", "float32")
    assert done.says("As its Stage-I", "the recipe modern", "batch_size 2")
    done = follow(done, "-o", tmp_path / "it's")
    assert Image.open(done.out.strip()).size == (64, 64)


def test_the_encoder_of_a_package_leads_as_far(
    stackgan: Callable[..., Any],
    follow: Callable[..., Any],
    install: Callable[..., Path],
    captioned_folder: Callable[..., Path],
    small_recipe: None,
    tmp_path: Path,
) -> None:
    install(
        "stackgan-lengths",
        "[stackgan.text_encoders]\nlengths = stackgan_lengths:Lengths\n",
        "import torch\nfrom stackgan_cli.components.protocols import TextFeatures\nclass Lengths:\n    width = 4\n"
        "    def encode(self, captions):\n"
        "        return TextFeatures(torch.tensor([[float(len(each))] * 4 for each in captions]))\n",
    )
    sizes = ("--resolution", 16, "--resolution", 64)
    done = stackgan("prepare", "--data", "mine", "--source", captioned_folder(4), "--encoder", "lengths", *sizes)
    done = follow(follow(done, *TINY), "--steps", 1, "--device", "cpu")
    assert Image.open(follow(done, "-o", tmp_path / "out").out.strip()).size == (64, 64)


@pytest.mark.parametrize("small", [32, pytest.param(128, marks=pytest.mark.slow)])
def test_one_option_leads_through_both_stages_at_other_sizes(
    stackgan: Callable[..., Any],
    follow: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    small_recipe: None,
    tmp_path: Path,
    small: int,
) -> None:
    both = ("--resolution", small, "--resolution", small * 4)
    start = ("prepare", "--data", "mine", "--source", captioned_folder(4), "--encoder", "hashed-words")
    done = stackgan(*start, *both)
    done = follow(follow(done, *TINY), "--steps", 1, "--device", "cpu")
    assert Image.open(follow(done, "-o", tmp_path / "out").out.strip()).size == (small * 4, small * 4)


def test_a_size_is_added_without_its_source_and_costs_nothing_that_is_there(
    stackgan: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    tiny_options: Callable[[int], list[str]],
    empty_home: Path,
) -> None:
    from stackgan_cli.dataset.prepared import PreparedData

    source = captioned_folder(70)
    options = ("--data", "mine", "--steps", 2)
    start = ("prepare", "--data", "mine", "--source", source, "--encoder", "hashed-words", "--resolution", 16)
    assert stackgan(*start, "--crop", "squash", "--limit", 66, "--seed", 3).code == 0
    assert stackgan("train-stage1", *options, *tiny_options(1), "--recipe", "quick").code == 0
    before = PreparedData(empty_home / "data" / "mine")
    stored = before.train.table.column("picture_16").to_pylist()
    refused = stackgan("train-stage2", *options, *tiny_options(2))
    assert refused.code == 3
    command = shlex.split(refused.err.partition("Try: stackgan ")[2])
    assert command == ["prepare", "--data", "mine", "--resolution", "16", "--resolution", "64"]
    added = stackgan(*command)
    assert added.code == 0, added.err
    now = PreparedData(empty_home / "data" / "mine")
    assert now.manifest.resolutions == (16, 64)
    assert now.train.table.column("picture_16").to_pylist() == stored
    assert (now.fingerprint, now.encoders, now.manifest.crop) == (before.fingerprint, before.encoders, "squash")
    assert now.train.pictures([5], 64).shape == (1, 3, 64, 64)
    assert stackgan("train-stage2", *options, *tiny_options(2)).code == 0
    again = stackgan(*start, "--crop", "squash", "--limit", 66, "--seed", 3)
    assert again.says("holds exactly these pictures already")


def test_nothing_is_added_from_a_source_that_has_changed(
    stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(6)
    prepare = ("prepare", "--data", "mine", "--encoder", "hashed-words")
    assert stackgan(*prepare, "--source", source, "--resolution", 16).code == 0
    # As long as before, but no picture any more.
    (source / "003.png").write_bytes(bytes((source / "003.png").stat().st_size))
    done = stackgan(*prepare, "--resolution", 64)
    assert done.code == 3
    assert done.says("so nothing was added")
    assert stackgan("info", "mine", "--json").code == 0
    assert stackgan("train-stage1", "--data", "mine", "--dry-run", *TINY[:2], "--resolution", 64).code == 3


def test_several_encoders_are_named_where_training_would_take_another(
    stackgan: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("--encoder-option", "fit_steps=1", "--encoder-option", "channels=8")
    prepare = ("prepare", "--data", "it is mine/data", "--resolution", 16)
    first = stackgan(*prepare, "--source", captioned_folder(4), "--encoder", "char-cnn-rnn", *small)
    assert first.err.endswith("Next: stackgan train-stage1 --data 'it is mine/data'\n")
    second = stackgan(*prepare, "--encoder", "hashed-words")
    assert second.err.endswith("Next: stackgan train-stage1 --data 'it is mine/data' --encoder hashed-words\n")


def test_a_stage_i_as_large_as_its_pictures_leads_to_larger_ones_and_on_to_a_stage_ii(
    stackgan: Callable[..., Any],
    follow: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    small_recipe: None,
) -> None:
    prepare = ("prepare", "--data", "mine", "--encoder", "hashed-words", "--resolution", 16)
    assert stackgan(*prepare, "--source", captioned_folder(6)).code == 0
    first = stackgan("train-stage1", "--data", "mine", "--recipe", "quick", *TINY)
    assert first.says("lacks pictures of 64 px")
    again = follow(follow(first), *TINY)
    assert again.says("Next: stackgan train-stage2 --data mine")
    assert follow(again, "--dry-run", "--batch-size", 2, "--device", "cpu").code == 0


def test_one_picture_is_not_led_to_a_training_that_would_be_refused(
    stackgan: Callable[..., Any], captioned_folder: Callable[..., Path]
) -> None:
    prepare = ("prepare", "--data", "mine", "--encoder", "hashed-words", "--resolution", 16)
    done = stackgan(*prepare, "--source", captioned_folder(1))
    assert done.code == 0
    assert done.says("at least two pictures")
    assert "Next:" not in done.err

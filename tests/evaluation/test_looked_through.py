from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackgan_cli.evaluation.looked_through import looked_through
from stackgan_cli.models.finding import find_model
from stackgan_cli.models.folder import ModelFolder

MATCHING = '{ name = "matching", options = { features = "imagenet-lite0" } }'


def test_what_a_training_looked_through_is_told_by_its_settings(model: Path) -> None:
    assert looked_through(find_model("bundled")) == {"stackgan-cli:imagenet-lite0": "projected"}
    assert looked_through(ModelFolder(model)) == {}
    settings = model / "training" / "stage2" / "settings.toml"
    settings.write_text(settings.read_text().replace("objectives = [", f"objectives = [{MATCHING}, ", 1))
    assert looked_through(ModelFolder(model)) == {"stackgan-cli:imagenet-lite0": "matching"}
    # Of what is not installed here, and of settings that are none, nothing is known.
    settings.write_text(settings.read_text().replace('"matching"', '"gone"'))
    (model / "training" / "stage1" / "settings.toml").write_text("steps = ")
    assert looked_through(ModelFolder(model)) == {}


def test_a_model_that_was_trained_by_what_it_is_measured_by_has_that_said(
    model: Path, stackgan: Callable[..., Any]
) -> None:
    options = ("--data", "birds", "--num-images", 10, "--metric", "frechet-distance", "--extractor", "imagenet-lite0")
    silent = stackgan("evaluate", *options)
    assert silent.code == 0, silent.err
    assert not silent.says("too much good")
    settings = model / "training" / "stage1" / "settings.toml"
    settings.write_text(settings.read_text().replace("objectives = [", f"objectives = [{MATCHING}, ", 1))
    told = stackgan("evaluate", *options, "--json")
    assert told.says("The training of birds looked through stackgan-cli:imagenet-lite0 (matching)")
    assert any("too much good" in note for note in told.json["notes"])

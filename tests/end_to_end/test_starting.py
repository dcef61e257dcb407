"""Beginning with what another model has learnt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from stackgan_cli.models.folder import hash_of


@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_begins_with_the_weights_of_a_model_and_its_card_says_so(
    stage: int, model: Path, home: Path, train_tiny: Callable[..., Any]
) -> None:
    if stage == 2:
        assert train_tiny(1, "--steps", 1, "--name", "finer").code == 0
    still = "generator_optimizer.learning_rate=1e-30", "discriminator_optimizer.learning_rate=1e-30"
    changes = [part for each in still for part in ("--set", each)]
    done = train_tiny(stage, "--steps", 1, "--name", "finer", "--from", "birds", *changes)
    assert done.code == 0, done.err
    for part in (f"stage{stage}", f"stage{stage}/discriminator"):
        ours, theirs = (load_file(home / "models" / name / part / "model.safetensors") for name in ("finer", "birds"))
        assert ours.keys() == theirs.keys()
        assert all((ours[key] - theirs[key]).abs().max() < 1e-6 for key in ours)
    record = json.loads((home / "models/finer/stackgan.json").read_text())["stages"][str(stage)]["start"]
    assert record == {"model": "birds", "generator": hash_of(model / f"stage{stage}"), "steps": 6}
    assert "began with the weights of birds after 6 steps" in (home / "models/finer/README.md").read_text()
    # It goes on from its own checkpoint afterwards, and not from the beginning.
    assert train_tiny(stage, "--steps", 2, "--name", "finer", "--from", "birds", *changes).says("Going on from step 1")


@pytest.mark.usefixtures("model")
def test_another_generator_is_refused_and_another_discriminator_begins_anew(
    home: Path, train_tiny: Callable[..., Any]
) -> None:
    wider = ("--set", "generator.options.style_width=16")
    refused = train_tiny(1, "--steps", 1, "--name", "finer", "--from", "birds", *wider)
    assert refused.code == 5
    assert refused.says("generator of 'birds' is another one", "config.json")
    other = ("--set", "discriminator.options.text_channels=3")
    done = train_tiny(1, "--steps", 1, "--name", "finer", "--from", "birds", *other)
    assert done.code == 0, done.err
    assert done.says("birds keeps no such discriminator, so it begins with weights drawn by lot", "head_start=250")
    alone = train_tiny(1, "--steps", 1, "--name", "alone", "--from", "birds", *other, "--set", "head_start=1")
    assert alone.code == 0, alone.err
    assert not alone.says("head_start=250")
    ours, theirs = (load_file(home / "models" / name / "stage1/model.safetensors") for name in ("alone", "birds"))
    assert all((ours[key] == theirs[key]).all() for key in ours)
    assert train_tiny(1, "--steps", 1, "--name", "more", "--from", "nobody").code == 5


def test_weights_that_fit_are_taken_with_other_options_and_those_of_a_version_without_an_option(
    home: Path, model: Path, train_tiny: Callable[..., Any]
) -> None:
    config = model / "stage1" / "config.json"
    stored = json.loads(config.read_text())
    del stored["options"]["mirrored"]
    older = shutil.copytree(model, home / "models" / "older")
    (older / "stage1" / "config.json").write_text(json.dumps(stored))
    manifest = json.loads((older / "stackgan.json").read_text())
    del manifest["stages"]["1"]["generator"]["options"]["mirrored"]
    (older / "stackgan.json").write_text(json.dumps(manifest))
    plain = train_tiny(1, "--steps", 1, "--name", "plain", "--from", "older")
    assert plain.code == 0, plain.err
    assert not plain.says("fit all the same")
    done = train_tiny(
        1, "--steps", 1, "--name", "mirrored", "--from", "birds", "--set", "generator.options.mirrored=true"
    )
    assert done.code == 0, done.err
    assert done.says("The generator of birds had mirrored=False; its weights fit all the same.")
    ours, theirs = (load_file(home / "models" / name / "stage1/model.safetensors") for name in ("plain", "mirrored"))
    assert ours.keys() == theirs.keys()
    assert json.loads((home / "models/mirrored/stage1/config.json").read_text())["options"]["mirrored"] is True


def test_data_are_prepared_with_the_encoder_of_a_model(
    model: Path, home: Path, stackgan: Callable[..., Any], train_tiny: Callable[..., Any]
) -> None:
    shutil.rmtree(home / "data" / "birds" / "text")
    manifest = home / "data" / "birds" / "data.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "encoders": {}}))
    done = stackgan("prepare", "--data", "birds", "--encoder-from", "birds")
    assert done.code == 0, done.err
    assert hash_of(home / "data/birds/text/hashed-words") == hash_of(model / "text_encoder")
    assert stackgan("prepare", "--data", "birds", "--encoder-from", "birds").says("is there already")
    assert train_tiny(1, "--steps", 1, "--name", "finer", "--from", "birds").code == 0


def test_a_model_with_another_encoder_is_refused_with_the_command_that_helps(
    model: Path,
    home: Path,
    stackgan: Callable[..., Any],
    train_tiny: Callable[..., Any],
    restate: Callable[[Path], None],
) -> None:
    config = model / "text_encoder" / "config.json"
    entry = json.loads(config.read_text())
    entry["options"]["pairs"] = False
    config.write_text(json.dumps(entry))
    restate(model)
    refused = train_tiny(1, "--steps", 1, "--name", "finer", "--from", "birds")
    assert refused.code == 5
    assert refused.says("another encoder than 'birds'", "stackgan prepare --data birds --encoder-from birds")
    kept = hash_of(home / "data/birds/text/hashed-words")
    occupied = stackgan("prepare", "--data", "birds", "--encoder-from", "birds")
    assert occupied.code == 3
    assert occupied.says("has another text encoder 'hashed-words' than the model 'birds'")
    assert hash_of(home / "data/birds/text/hashed-words") == kept
    assert stackgan("prepare", "--data", "birds", "--encoder-from", "birds", "--encoder", "words").code == 2

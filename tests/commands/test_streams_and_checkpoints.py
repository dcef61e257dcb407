from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

OFTEN = ("--set", "checkpoint_every=2", "--set", "log_every=1", "--set", "sample_every=2", "--steps", 6)


def test_training_streams_from_shards_without_the_table_that_they_came_from(
    stackgan: Callable[..., Any], train_tiny: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    done = stackgan("prepare", "--data", "birds", "--shards", shards)
    assert done.code == 0, done.err
    assert done.says("--stream")
    shutil.rmtree(home / "data" / "birds" / "train")
    (home / "data" / "birds" / "text" / "hashed-words" / "train.safetensors").unlink()
    trained = train_tiny(1, "--stream", shards, *OFTEN)
    assert trained.code == 0, trained.err
    again = train_tiny(1, "--steps", 7)
    assert again.code == 0, again.err
    assert again.says("Going on from step 6 of 7")
    moved = shards.rename(tmp_path / "elsewhere")
    lost = train_tiny(1, "--steps", 8)
    assert lost.code == 3
    assert lost.says("shards", "cannot be read")
    again = train_tiny(1, "--stream", moved, "--steps", 8)
    assert again.code == 0, again.err
    assert again.says("Going on from step 7 of 8", f"The shards were at {shards} and are at {moved} now.")


def test_a_run_that_began_on_a_table_does_not_go_on_with_a_stream_of_another_order(
    stackgan: Callable[..., Any], train_tiny: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    assert stackgan("prepare", "--data", "birds", "--shards", tmp_path / "shards").code == 0
    done = train_tiny(1, "--stream", tmp_path / "shards", "--steps", 8)
    assert done.code == 3
    assert done.says("stream was not set", "--restart")


def test_a_place_without_shards_is_named(train_tiny: Callable[..., Any], home: Path, tmp_path: Path) -> None:
    done = train_tiny(1, "--stream", tmp_path / "nowhere", "--steps", 2)
    assert done.code == 3
    assert done.says("nowhere")
    assert not (home / "models").exists()


def test_the_best_checkpoint_draws_and_others_are_listed(
    stackgan: Callable[..., Any], train_tiny: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    assert train_tiny(1, *OFTEN).code == 0
    run = home / "models" / "birds" / "training" / "stage1"
    # The best one is given weights of its own, so that what is drawn says where they came from.
    weights = load_file(run / "best" / "averaged.safetensors")
    (run / "best" / "averaged.safetensors").unlink()
    save_file({name: 0 * tensor for name, tensor in weights.items()}, run / "best" / "averaged.safetensors")

    def drawn(*options: object) -> bytes:
        target = tmp_path / f"drawn{'-'.join(map(str, options))}.png"
        done = stackgan("generate", "a bird", "--model", "birds", "--seed", 1, "-o", target, *options)
        assert done.code == 0, done.err
        return Image.open(target).tobytes()

    assert len(set(drawn("--checkpoint", "best"))) == 1
    newest = drawn()
    assert drawn("--checkpoint", 6) == newest
    assert drawn("--checkpoint", 4) != newest
    missing = stackgan("generate", "a bird", "--model", "birds", "--checkpoint", 3)
    assert missing.code == 5
    assert missing.says("4, 6, best")


def test_a_run_leaves_a_plot_and_tensorboard_events_and_measures_its_checkpoints(
    train_tiny: Callable[..., Any], home: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train_tiny(1, *OFTEN).code == 0
    run = home / "models" / "birds" / "training" / "stage1"
    assert Image.open(run / "losses.png").width > 300
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if "distance" in line] == [2, 4, 6]
    events = EventAccumulator(str(run))
    events.Reload()
    for name in ("generator", "discriminator", "kl"):
        found = {event.step: event.value for event in events.Scalars(name)}
        assert found == pytest.approx({line["step"]: line[name] for line in lines})
    assert [picture.step for picture in events.Images("samples")] == [2, 4, 6]


def test_the_plan_names_memory_and_time(train_tiny: Callable[..., Any], home: Path) -> None:
    plan = train_tiny(1, "--steps", 50, "--dry-run", "--json").json
    assert 0 < plan["memory_gib"] < 24
    assert plan["hours"] == pytest.approx(plan["seconds_per_step"] * 50 / 3600, abs=0.006)
    assert plan["images_per_second"] == pytest.approx(4 / plan["seconds_per_step"], rel=0.1)
    assert plan["pictures_resident"] is True
    bounded = train_tiny(1, "--steps", 50, "--dry-run", "--json", "--set", "resident_gib=0").json
    assert bounded["pictures_resident"] is False
    assert bounded["losses"] == plan["losses"]
    shown = train_tiny(1, "--steps", 50, "--dry-run")
    assert "seconds per step" in shown.out
    assert not (home / "models").exists()

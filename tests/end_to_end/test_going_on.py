"""What need not be said again when a run goes on, and what may be another: the size of its batches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.dataset.batches import Batches

OFTEN = ("--set", "checkpoint_every=1", "--set", "log_every=1", "--set", "measure_pictures=0")


def run_of(home: Path) -> Path:
    return home / "models" / "birds" / "training" / "stage1"


def losses(home: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run_of(home) / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def test_options_that_were_given_once_need_not_be_given_again(
    train_tiny: Callable[..., Any], stackgan: Callable[..., Any], home: Path
) -> None:
    # A learning rate that falls towards the end would depend on where that is.
    even = [f"{network}_optimizer.decay_from=1.0" for network in ("generator", "discriminator")]
    options = (
        "--recipe",
        "quick",
        "--seed",
        3,
        *(part for each in ("kl_weight=0.5", *even) for part in ("--set", each)),
    )
    straight = train_tiny(1, *OFTEN, *options, "--steps", 5)
    assert straight.code == 0, straight.err
    expected = losses(home)
    shutil.rmtree(home / "models")
    assert train_tiny(1, *OFTEN, *options, "--steps", 3).code == 0
    for steps, repeated in ((4, ()), (5, ("--recipe", "quick"))):
        again = stackgan("train-stage1", "--data", "birds", *repeated, "--steps", steps)
        assert again.code == 0, again.err
        assert again.says(f"Going on from step {steps - 1} of {steps}", "float32")
    assert losses(home) == expected
    other = stackgan("train-stage1", "--data", "birds", "--steps", 6, "--set", "kl_weight=0.25")
    assert other.code == 3
    assert other.says("kl_weight was 0.5 and is now 0.25")
    # What is begun anew owes nothing to what was asked for before.
    anew = train_tiny(1, "--steps", 6, "--set", "kl_weight=0.25", "--restart", "--dry-run", "--json")
    assert (anew.code, anew.json["from_step"]) == (0, 0)


def test_other_batches_begin_an_epoch_which_is_said_and_logged(
    train_tiny: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[int, list[int]] = {}
    real = Batches._chosen

    def noted(batches: Batches, step: int) -> Any:
        pictures = real(batches, step)
        chosen[step] = pictures.tolist()
        return pictures

    monkeypatch.setattr(Batches, "_chosen", noted)
    count = json.loads((home / "data/birds/data.json").read_text())["counts"]["train"]
    assert train_tiny(1, *OFTEN, "--steps", 3).code == 0
    changed = train_tiny(1, *OFTEN, "--batch-size", 8, "--epochs", 2)
    assert changed.code == 0, changed.err
    assert changed.says("The batch size was 4 and is 8 from here on: step 4 begins epoch 2.")
    # The cut epoch, and one whole epoch of larger batches, in an order of its own.
    whole = [picture for step in sorted(chosen) if step >= 3 for picture in chosen[step]]
    assert len(whole) == len(set(whole)) == count // 8 * 8
    assert max(chosen) + 1 == 3 + count // 8
    assert {"step": 3, "batch_size": 8} in losses(home)
    assert "batch_size = 8" in (run_of(home) / "settings.toml").read_text()
    before = dict(chosen)
    # Given once, and so it stays; the steps before are as they were.
    assert train_tiny(1, *OFTEN, "--batch-size", 8, "--epochs", 3).code == 0
    first = [picture for step in range(3 + count // 8, 3 + 2 * (count // 8)) for picture in chosen[step]]
    assert len(set(first)) == count // 8 * 8
    assert all(chosen[step] == before[step] for step in before)


def test_a_kill_after_other_batches_changes_nothing(
    train_tiny: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackgan_cli.training import loop

    def trained(stop_in: int | None) -> list[dict[str, float]]:
        shutil.rmtree(home / "models", ignore_errors=True)
        assert train_tiny(1, *OFTEN, "--steps", 3).code == 0
        options = (*OFTEN, "--set", "checkpoint_every=4", "--batch-size", 6, "--steps", 9)
        if stop_in is not None:
            real = loop.StageTask.step

            def broken(task: Any, step: int, batch: Any) -> Any:
                if step + 1 == stop_in:
                    raise OSError("pulled the plug")
                return real(task, step, batch)

            with monkeypatch.context() as patch:
                patch.setattr(loop.StageTask, "step", broken)
                assert train_tiny(1, *options).code == 1
        assert train_tiny(1, *options).code == 0
        return losses(home)

    straight = trained(None)
    assert [line for line in straight if "batch_size" in line] == [{"step": 3, "batch_size": 6}]
    assert trained(4) == straight
    assert trained(6) == straight

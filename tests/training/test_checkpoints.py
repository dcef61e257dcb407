"""Which checkpoints a run believes, which it deletes, and which it never touches."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stackgan_cli.errors import ModelError
from stackgan_cli.machine import choose_machine
from stackgan_cli.recipes.schema import OptimizerSettings
from stackgan_cli.training.checkpoints import damage_to, load_checkpoint, read_record
from stackgan_cli.training.optimizing import make_adam
from stackgan_cli.training.resuming import Trail
from stackgan_cli.training.watching import DivergedError

EVERY_STEP = ("--set", "checkpoint_every=1", "--set", "measure_pictures=0")


def checkpoints(model: Path, stage: int = 1) -> Path:
    return model / "training" / f"stage{stage}" / "checkpoints"


def names(model: Path) -> list[str]:
    return sorted(path.name for path in checkpoints(model).iterdir())


def damage(checkpoint: Path) -> None:
    weights = checkpoint / "generator.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)


def test_only_whole_checkpoints_count_and_only_ours_are_deleted(train_tiny: Callable[..., Any], model: Path) -> None:
    assert train_tiny(1, *EVERY_STEP, "--steps", 9).code == 0
    assert names(model) == ["step-000008", "step-000009"]
    folder = checkpoints(model)
    shutil.copytree(folder / "step-000008", folder / "step-000007")
    record = (folder / "step-000007" / "checkpoint.json").read_text()
    assert damage_to(folder / "step-000007")
    for name in ("step-000008", "step-000009"):
        damage(folder / name)
    (folder / "step-by-step").mkdir()
    (folder / "step-000003").mkdir()
    (folder / "step-000003" / "notes.txt").write_text("mine")
    done = train_tiny(1, *EVERY_STEP, "--steps", 6)
    assert done.code == 0, done.err
    assert done.says("step-000009 is damaged (generator.safetensors) and is passed over", "step-000008 is damaged")
    kept = ["step-000003-old-1", "step-000005", "step-000006"]
    assert names(model) == [*kept, "step-000007", "step-000008", "step-000009", "step-by-step"]
    assert (folder / "step-000003-old-1" / "notes.txt").read_text() == "mine"
    assert (folder / "step-000007" / "checkpoint.json").read_text() == record
    assert train_tiny(1, *EVERY_STEP, "--steps", 8).says("Going on from step 6 of 8")
    assert [name for name in names(model) if name[-1] in "5678"] == ["step-000007", "step-000008"]


def test_no_flipped_bit_of_a_record_goes_unnoticed(train_tiny: Callable[..., Any], model: Path) -> None:
    newest = max(checkpoints(model).iterdir())
    path, before = newest / "checkpoint.json", read_record(newest)
    data, draw = path.read_bytes(), random.Random(5)
    for _ in range(300):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        if damage_to(newest) is None:
            # Such as a space that became a tab, or a letter of the seal's own name.
            assert read_record(newest).model_copy(update={"seal": None}) == before.model_copy(update={"seal": None})
    path.write_text(data.decode().replace('"step": 6', '"step": 4'))
    with pytest.raises(ModelError, match="is not what was written"):
        read_record(newest)
    done = train_tiny(1, "--steps", 7)
    assert done.code == 0, done.err
    assert done.says("step-000006 is damaged", "is not what was written", "passed over")


@pytest.mark.parametrize("key", ["step", "rollbacks"])
def test_a_record_that_says_nothing_is_passed_over_for_the_one_before(
    train_tiny: Callable[..., Any], model: Path, key: str
) -> None:
    assert train_tiny(1, *EVERY_STEP, "--steps", 7).code == 0
    path = checkpoints(model) / "step-000007" / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: None}))
    done = train_tiny(1, "--steps", 8)
    assert done.code == 0, done.err
    assert done.says("step-000007 is damaged", key, "Going on from step 6 of 8")


def test_what_is_whole_and_does_not_fit_is_passed_over_and_never_lost(
    train_tiny: Callable[..., Any], model: Path
) -> None:
    assert train_tiny(2, *EVERY_STEP, "--steps", 7).code == 0
    other, ours = checkpoints(model, 2) / "step-000007", checkpoints(model)
    shutil.copytree(other, ours / "step-000007")
    done = train_tiny(1, *EVERY_STEP, "--steps", 7)
    assert done.code == 0, done.err
    assert done.says("step-000007 does not fit and is passed over", "Going on from step 6 of 7")
    assert names(model) == ["step-000006", "step-000007", "step-000007-old-1"]
    assert (ours / "step-000007-old-1" / "checkpoint.json").read_text() == (other / "checkpoint.json").read_text()
    for name in ("step-000006", "step-000007"):
        shutil.rmtree(ours / name)
    shutil.copytree(other, ours / "step-000007")
    alone = train_tiny(1, *EVERY_STEP, "--steps", 8)
    assert alone.code == 5
    assert alone.says("does not fit", "--restart to begin anew beside it")
    assert (ours / "step-000007").is_dir()


@pytest.mark.parametrize(
    ("slot", "shape"), [("exp_avg", ()), ("exp_avg_sq", ()), ("exp_avg", (4, 3)), ("step", (3, 4))]
)
def test_what_adam_keeps_of_a_weight_has_its_shape(tmp_path: Path, slot: str, shape: tuple[int, ...]) -> None:
    # The fused one walks as far through the memory of each as the weight is long.
    layer = nn.Linear(4, 3, bias=False)
    task: Any = SimpleNamespace(
        networks={}, averages={}, optimizers={"adam": make_adam([layer.weight], OptimizerSettings())}
    )
    whole = {"0.step": torch.tensor(5.0), "0.exp_avg": torch.ones(3, 4), "0.exp_avg_sq": torch.ones(3, 4)}
    save_file(whole, tmp_path / "adam.safetensors")
    load_checkpoint(tmp_path, task)
    save_file({**whole, f"0.{slot}": torch.zeros(shape)}, tmp_path / "adam.safetensors")
    with pytest.raises(ModelError, match=f"does not fit the optimiser: 0.{slot} is "):
        load_checkpoint(tmp_path, task)


def test_a_run_that_begins_again_for_want_of_a_checkpoint_writes_those_that_it_had(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "stage1", choose_machine("cpu", "float32"))
    trail.newest = 4
    task: Any = SimpleNamespace()
    assert not trail.roll_back(task, DivergedError("the loss 'generator'", float("nan"), 7))
    assert trail.newest is None

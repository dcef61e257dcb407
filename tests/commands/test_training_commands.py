from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

BIRDS = ("--data", "birds")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_training_leaves_what_the_design_promises(
    train_tiny: Callable[..., Any], stackgan: Callable[..., Any], home: Path
) -> None:
    often = ("--set", "sample_every=4", "--set", "checkpoint_every=2", "--set", "log_every=3")
    done = train_tiny(1, "--steps", 8, *often, "--json")
    assert done.code == 0, done.err
    assert done.json == {"model": str(home / "models" / "birds"), "stage": 1, "steps": 8}
    run = home / "models" / "birds" / "training" / "stage1"
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["step-000004.png", "step-000008.png"]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-000006", "step-000008"]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 8]
    assert {"discriminator", "generator", "kl", "images_per_second"} <= set(lines[0])
    assert "resolution = 16" in (run / "settings.toml").read_text()
    model = home / "models" / "birds"
    for part in ("text_encoder/config.json", "stage1/config.json", "stage1/discriminator/model.safetensors"):
        assert (model / part).is_file()
    assert not [path for path in model.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".bin")]
    told = stackgan("info", "birds", "--json").json
    assert told["model"]["stages"]["1"]["steps"] == 8


def test_the_model_holds_the_averaged_weights(model: Path) -> None:
    newest = max((model / "training" / "stage1" / "checkpoints").iterdir())
    saved, averaged, raw = (
        load_file(path)
        for path in (
            model / "stage1" / "model.safetensors",
            newest / "averaged.safetensors",
            newest / "generator.safetensors",
        )
    )
    assert all((saved[key] == averaged[key]).all() for key in saved)
    assert any((saved[key] != raw[key]).any() for key in saved)


def test_a_finished_run_says_so_and_goes_on_with_more_steps(train_tiny: Callable[..., Any], model: Path) -> None:
    before = files(model)
    done = train_tiny(1, "--steps", 6)
    assert done.code == 0
    assert done.says("This run is done: 6 of 6 steps")
    assert files(model) == before
    more = train_tiny(1, "--steps", 8)
    assert more.code == 0
    assert more.says("Going on from step 6 of 8")


def test_a_run_goes_on_that_was_killed_before_its_first_model_was_whole(
    train_tiny: Callable[..., Any], model: Path
) -> None:
    (model / "stackgan.json").unlink()
    more = train_tiny(1, "--steps", 8)
    assert more.code == 0, more.err
    assert more.says("Going on from step 6 of 8")
    assert (model / "stackgan.json").is_file()


def test_changed_settings_are_refused_by_name(train_tiny: Callable[..., Any], model: Path) -> None:
    before = files(model)
    done = train_tiny(1, "--steps", 8, "--set", "kl_weight=3.5", "--set", "generator_optimizer.learning_rate=1e-3")
    assert done.code == 3
    assert done.says("kl_weight was 0.02 and is now 3.5", "generator_optimizer", "--restart")
    assert "batch_size was" not in done.err
    assert files(model) == before
    assert train_tiny(1, "--steps", 6, "--set", "log_every=7", "--set", "keep_checkpoints=3").code == 0


def test_another_recipe_is_named_before_what_it_changes(train_tiny: Callable[..., Any], model: Path) -> None:
    done = train_tiny(1, "--steps", 8, "--recipe", "paper")
    assert done.code == 3
    lines = [line.strip() for line in done.err.partition("has other settings:")[2].splitlines() if line.strip()]
    assert lines[0] == "recipe was quick and is now paper"
    assert "loss was hinge and is now bce" in lines
    assert "generator_optimizer.learning_rate was 0.0004 and is now 0.0002" in lines
    assert len([line for line in lines if "batch_size" in line]) == 0


def test_a_setting_of_both_optimisers_is_led_to_them(train_tiny: Callable[..., Any], home: Path) -> None:
    done = train_tiny(1, "--set", "learning_rate=1e-3")
    assert done.code == 3
    assert done.says("generator_optimizer.learning_rate or discriminator_optimizer.learning_rate")


@pytest.mark.parametrize("stage", [1, 2])
def test_a_restart_can_be_tried_first(train_tiny: Callable[..., Any], model: Path, stage: int) -> None:
    before = files(model)
    plan = train_tiny(stage, "--steps", 9, "--set", "kl_weight=3.5", "--restart", "--dry-run", "--json")
    assert plan.code == 0, plan.err
    assert (plan.json["from_step"], plan.json["steps"]) == (0, 9)
    assert files(model) == before


def test_restart_keeps_the_old_run_beside_the_new(train_tiny: Callable[..., Any], model: Path) -> None:
    before = files(model)
    done = train_tiny(1, "--steps", 2, "--set", "kl_weight=3.5", "--restart")
    assert done.code == 0, done.err
    assert files(model.with_name("birds-old-1")) == before
    assert done.says("birds-old-1")
    assert not (model / "stage2").exists()


def test_restart_of_stage_two_keeps_stage_one(train_tiny: Callable[..., Any], model: Path) -> None:
    before = files(model / "stage1")
    done = train_tiny(2, "--steps", 2, "--set", "kl_weight=3.5", "--restart")
    assert done.code == 0, done.err
    assert files(model / "stage1") == before
    assert (model / "stage2-old-1").is_dir()
    assert (model / "training" / "stage2-old-1").is_dir()


@pytest.mark.parametrize(
    "wrong", [("--set", "generator.options.bogus=1"), ("--set", "resolution=128"), ("--generator", "nonesuch")]
)
@pytest.mark.parametrize("stage", [1, 2])
def test_a_restart_that_cannot_begin_leaves_the_model_usable(
    train_tiny: Callable[..., Any],
    stackgan: Callable[..., Any],
    model: Path,
    tmp_path: Path,
    wrong: tuple[str, ...],
    stage: int,
) -> None:
    before = files(model)
    assert train_tiny(stage, *wrong, "--restart").code in (3, 4)
    assert stackgan("generate", "a bird", "--model", "birds", "-o", tmp_path / "out").code == 0
    assert files(model) == before


def test_stage_two_without_stage_one_names_the_command(train_tiny: Callable[..., Any], home: Path) -> None:
    done = train_tiny(2, "--steps", 1)
    assert done.code == 5
    assert done.says("stackgan train-stage1 --data birds")
    assert not (home / "models").exists()


def test_a_model_is_not_trained_on_other_data(
    stackgan: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    train_tiny: Callable[..., Any],
    tiny_options: Callable[[int], list[str]],
    model: Path,
) -> None:
    done = stackgan(
        "prepare", *BIRDS, "--source", captioned_folder(8), "--reader", "folder", "--force", "--encoder",
        "hashed-words", "--resolution", 16,
    )  # fmt: skip
    assert done.code == 0, done.err
    refused = stackgan("train-stage1", *BIRDS, "--recipe", "quick", *tiny_options(1), "--steps", 7)
    assert refused.code == 5
    assert refused.says("another data", "--restart")


def test_a_dry_run_shows_the_plan_and_saves_nothing(train_tiny: Callable[..., Any], model: Path) -> None:
    before = files(model)
    plan = train_tiny(2, "--steps", 50, "--dry-run", "--json")
    assert plan.code == 0, plan.err
    assert plan.json["steps"] == 50
    assert plan.json["from_step"] == 6
    assert plan.json["resolution"] == 64
    assert plan.json["parameters"]["generator"] > 1000
    assert plan.json["seconds_per_step"] > 0
    assert files(model) == before


def test_epochs_count_whole_passes(train_tiny: Callable[..., Any], home: Path) -> None:
    plan = train_tiny(1, "--epochs", 3, "--dry-run", "--json").json
    assert plan["steps"] == 3 * plan["steps_per_epoch"]
    assert plan["steps_per_epoch"] == json.loads((home / "data/birds/data.json").read_text())["counts"]["train"] // 4


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--steps", 5, "--epochs", 5), 2, "--epochs"),
        (("--steps", 0), 2, "--steps"),
        (("--set", "colour=red"), 3, "colour"),
        (("--set", "generator.options.colour=red"), 4, "colour"),
        (("--generator", "modulatd"), 4, "modulated"),
        (("--discriminator", "paper-stage2x"), 4, "paper-stage2"),
        (("--encoder", "char-cnn-rnn"), 3, "prepare --data birds"),
        (("--recipe", "qick"), 3, "quick"),
        (("--set", "resolution=32"), 3, "16, 64"),
        (("--set", "generator.options.channels=many"), 4, "channels"),
        (("--device", "abacus"), 2, "abacus"),
        (("--precision", "float7"), 2, "float7"),
        (("--seed", -1), 2, "seed"),
        (("--name", "a b"), 2, "a b"),
    ],
    ids=str,
)
def test_wrong_options_are_refused_and_leave_nothing(
    train_tiny: Callable[..., Any], home: Path, options: tuple[object, ...], code: int, words: str
) -> None:
    done = train_tiny(1, *(() if "--steps" in options else ("--steps", 1)), *options)
    assert done.code == code, done.err
    assert done.says(words)
    assert done.err.count("Error") == 1
    assert not (home / "models").exists()


def test_data_that_is_not_there_names_the_command(stackgan: Callable[..., Any], home: Path) -> None:
    done = stackgan("train-stage1", "--data", "brids")
    assert done.code == 3
    assert done.says("stackgan prepare --data brids", "birds")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(
    train_tiny: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackgan_cli.training import loop

    real = loop.StageTask.step

    def spoiled(task: Any, step: int, batch: Any) -> Any:
        losses = real(task, step, batch)
        return {**losses, "generator": losses["generator"] * float("nan")} if step == 5 else losses

    monkeypatch.setattr(loop.StageTask, "step", spoiled)
    done = train_tiny(1, "--steps", 9, "--set", "checkpoint_every=4", "--set", "log_every=1")
    assert done.code in (1, 3)
    assert done.says("generator", "nan", "step 6", "step-000004")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("recipe", ["paper", "port"])
def test_every_published_recipe_trains_both_stages(
    stackgan: Callable[..., Any], home: Path, tmp_path: Path, recipe: str
) -> None:
    for stage, resolution in ((1, 16), (2, 64)):
        changes = [f"resolution={resolution}", "generator.options.channels=16", "discriminator.options.channels=8"]
        options = [part for each in changes for part in ("--set", each)]
        common = ("--recipe", recipe, "--encoder", "hashed-words", "--batch-size", 4, "--precision", "float32")
        done = stackgan(f"train-stage{stage}", *BIRDS, *common, *options, "--steps", 2, "--set", "log_every=1")
        assert done.code == 0, done.err
    assert stackgan("generate", "a bird", "--model", "birds", "-o", tmp_path / "out").code == 0


def test_a_batch_that_no_memory_holds_is_said_to_be_that(train_tiny: Callable[..., Any]) -> None:
    done = train_tiny(1, "--steps", 1, "--batch-size", 10**14, "--dry-run")
    assert done.code != 0
    assert done.says("The memory is used up", "batch_size")


@pytest.mark.usefixtures("home")
def test_what_draws_mirrored_pictures_is_not_taught_by_others(train_tiny: Callable[..., Any]) -> None:
    mirrored = "--set", "generator.options.mirrored=true"
    refused = train_tiny(1, "--name", "one-way", "--steps", 1, *mirrored, "--set", "flip=false")
    assert refused.code == 3
    assert refused.says("draws half of its pictures mirrored", "generator.options.mirrored=false")
    assert train_tiny(1, "--name", "one-way", "--steps", 1, *mirrored).code == 0


def test_stage_two_without_a_stage_one_says_what_comes_first_and_nothing_else(
    stackgan: Callable[..., Any], home: Path
) -> None:
    # A recipe of other sizes than the data has, of which nothing is to be said here.
    done = stackgan("train-stage2", "--data", "birds", "--name", "none-yet", "--recipe", "quick")
    assert done.code == 5
    assert done.says("There is no Stage-I in", "stackgan train-stage1 --data birds --name none-yet")
    assert "--resolution" not in done.err

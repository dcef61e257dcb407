"""Objectives and several discriminators, brought by somebody else's package, through whole runs."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from stackgan_cli.components import registry

PACKAGE = '''
from __future__ import annotations
import torch
from torch import nn
from torch.nn import functional as F


class Tinted(nn.Module):
    """Asks a small network, which learns beside the discriminators, for the mean colour of pictures by their text."""

    def __init__(self, *, text_width: int, hidden: int = 4) -> None:
        super().__init__()
        self.guess = nn.Sequential(nn.Linear(text_width, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def discriminator_terms(self, update):
        return {"": F.mse_loss(self.guess(update.right.sentence), update.real.mean((2, 3)))}

    def generator_terms(self, update):
        return {"tint": F.mse_loss(update.seen.mean((2, 3)), self.guess(update.text.sentence))}


class Shifted:
    """Shifts what the discriminators see."""

    def augment(self, images, given, draw):
        by = int(torch.randint(1, 4, (1,), generator=draw))
        return images.roll(by, 3), None if given is None else given.roll(by, 3)


class Interpolated:
    """Also fools the discriminators with texts between captions (Reed et al. 2016)."""

    def generator_terms(self, update):
        between = torch.rand(1, generator=update.random("between"))
        text = type(update.text)(torch.lerp(update.text.sentence, update.text.sentence.roll(1, 0), float(between)))
        return {"": update.fooling(update.draw(text, "between").images, text)}


class Fitted(nn.Module):
    """Learns the mean picture of the data, and how many classes there are, before training."""

    def __init__(self, *, resolution: int = 16, classes: int | None = None) -> None:
        super().__init__()
        self.resolution, self.classes = resolution, classes
        self.register_buffer("mean", torch.zeros(3, resolution, resolution))

    @property
    def learnt_options(self):
        return {"classes": self.classes}

    def fit(self, data, *, seed, report):
        pictures = data.pictures(range(len(data.captions)), self.resolution)
        assert data.text([0, 1], [0, 0]).sentence.shape[0] == 2
        self.mean.copy_(pictures.float().mean(0) / 127.5 - 1 + 0.01 * torch.rand(1))
        self.classes = len(set(data.classes))
        report(1, 1, "done")
        return {"brightness": float(self.mean.mean())}

    def generator_terms(self, update):
        return {"": (update.generated.images.mean(0) - self.mean).square().mean()}


class Wrong:
    def __init__(self, *, how: str = "raises") -> None:
        self.how = how

    def generator_terms(self, update):
        if self.how == "raises":
            raise KeyError("no such thing")
        return {"many": update.seen.mean((2, 3))} if self.how == "shape" else {"nan": update.seen.mean() * float("nan")}
'''
ENTRIES = """[stackgan.objectives]
tinted = new_goals:Tinted
shifted = new_goals:Shifted
interpolated = new_goals:Interpolated
fitted = new_goals:Fitted
wrong = new_goals:Wrong
"""
OFTEN = ("--set", "checkpoint_every=3", "--set", "log_every=1")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package ``new-goals`` 3.1, installed for a test and the processes that it starts."""
    folder = tmp_path / "site"
    information = folder / "new_goals-3.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: new-goals\nVersion: 3.1\n")
    (information / "entry_points.txt").write_text(ENTRIES)
    (folder / "new_goals.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    registry.clear_cache()
    yield folder
    registry.clear_cache()
    sys.modules.pop("new_goals", None)


def objectives(*names: str, more: str = "") -> tuple[str, str]:
    """The option that lists objectives, with the same ``more`` TOML for each."""
    listed = ", ".join('{name = "' + name + '"' + more + "}" for name in names)
    return "--set", f"objectives=[{listed}]"


def log_of(home: Path, stage: int = 1) -> list[dict[str, float]]:
    lines = (home / f"models/birds/training/stage{stage}/log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "images_per_second"} for line in lines]


def state_of(home: Path, stage: int, step: int) -> dict[str, bytes]:
    folder = home / f"models/birds/training/stage{stage}/checkpoints/step-{step:06d}"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_objective_with_weights_is_trained_saved_and_resumed_bit_for_bit(
    train_tiny: Callable[..., Any],
    tiny_options: Callable[[int], list[str]],
    fork: Callable[..., Any],
    home: Path,
    tmp_path: Path,
) -> None:
    goals = objectives("gradient-penalty", "tinted", "shifted", "interpolated", "fitted")
    assert train_tiny(1, "--steps", 6, *OFTEN, *goals).code == 0
    straight, losses = state_of(home, 1, 6), log_of(home)
    assert {"tinted", "tinted.tint", "interpolated", "fitted", "gradient-penalty"} <= set(losses[0])
    assert {"objective-tinted.safetensors", "objective-tinted_optimizer.safetensors"} <= set(straight)
    weights = {
        step: load_file(
            home / f"models/birds/training/stage1/checkpoints/step-00000{step}/objective-tinted.safetensors"
        )
        for step in (3, 6)
    }
    assert any((weights[3][key] != weights[6][key]).any() for key in weights[3])
    kept = home / "models/birds/stage1/objective-fitted"
    trained_on = json.loads((home / "data/birds/data.json").read_text())["counts"]["train"]
    assert json.loads((kept / "config.json").read_text())["options"]["classes"] == trained_on
    shutil.rmtree(home / "models" / "birds")
    kill = "import os, signal\nfrom stackgan_cli import app\nfrom stackgan_cli.training import loop\n"
    kill += "real = loop.StageTask.step\ndef step(task, number, batch):\n"
    kill += "    return os.kill(os.getpid(), signal.SIGKILL) if number == 4 else real(task, number, batch)\n"
    kill += "loop.StageTask.step = step\napp.main()\n"
    arguments = ["train-stage1", "--data", "birds", *tiny_options(1), "--steps", "6", *OFTEN, *goals]
    killed = fork(*arguments, script=kill).ended()
    assert killed.code == -signal.SIGKILL, killed.err
    resumed = train_tiny(1, "--steps", 6, *OFTEN, *goals)
    assert resumed.says("Going on from step 3 of 6"), resumed.err
    assert log_of(home) == losses
    assert state_of(home, 1, 6) == straight


def test_what_an_objective_learnt_before_training_is_learnt_once_and_kept_with_the_run(
    train_tiny: Callable[..., Any], home: Path
) -> None:
    first = train_tiny(1, "--steps", 2, *objectives("fitted"))
    assert first.says("Fitting fitted")
    (shelf,) = (home / "data/birds/objectives").iterdir()
    assert "brightness" in json.loads((shelf / "card.json").read_text())
    assert not train_tiny(1, "--name", "other", "--steps", 2, *objectives("fitted")).says("Fitting fitted")
    shutil.rmtree(home / "data/birds/objectives")
    assert not train_tiny(1, "--steps", 4, *objectives("fitted")).says("Fitting fitted")


def test_what_the_objective_of_another_model_learnt_is_taken_over_for_the_same_data_alone(
    train_tiny: Callable[..., Any], home: Path
) -> None:
    assert train_tiny(1, "--steps", 1, *objectives("fitted")).code == 0
    shutil.rmtree(home / "data/birds/objectives")
    weights = home / "models/birds/stage1/objective-fitted/model.safetensors"
    save_file({name: value + 5 for name, value in load_file(weights).items()}, weights)

    def learnt_by(name: str, *options: object) -> float:
        assert train_tiny(1, "--name", name, "--from", "birds", "--steps", 1, *options, *objectives("fitted")).code == 0
        (learnt,) = load_file(home / f"models/{name}/stage1/objective-fitted/model.safetensors").values()
        return float(learnt.mean())

    assert learnt_by("same") > 4
    shutil.copytree(home / "data/birds", home / "data/others")
    manifest = home / "data/others/data.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "fingerprint": "0" * 64}))
    assert learnt_by("other", "--data", "others") < 2


def test_built_in_objectives_that_draw_more_pictures_take_their_turns(
    train_tiny: Callable[..., Any], home: Path
) -> None:
    small = "{side = 16, channels = 4, width = 8, fit_steps = 2, fit_batch = 8, recombined = 12}"
    goals = f'objectives=[{{name = "matching", options = {small}}}, {{name = "mode-seeking", every = 2}}]'
    done = train_tiny(1, "--steps", 8, *OFTEN, "--set", goals)
    assert done.code == 0, done.err
    assert ["mode-seeking" in line for line in log_of(home)] == [True, False] * 4
    assert {"matching.recombined" in line for line in log_of(home)} == {True, False}
    # They are gone on with as they were.
    assert train_tiny(1, "--steps", 10, *OFTEN, "--set", goals).code == 0


def test_several_discriminators_judge_each_with_its_weight(train_tiny: Callable[..., Any], home: Path) -> None:
    one = '{name = "residual", options = {channels = 4, max_channels = 8}}'
    two = '{name = "residual", weight = 0.5, options = {channels = 4, max_channels = 4}}'
    both = ("--set", f"discriminators=[{one}, {two}]")
    pen = '{name = "gradient-penalty", discriminators = ["residual-2"]}'
    done = train_tiny(1, "--steps", 4, *OFTEN, *both, "--set", f"objectives=[{pen}]")
    assert done.code == 0, done.err
    assert done.says("discriminator-residual 0.0", "discriminator-residual-2 0.0")
    assert {"discriminator-residual", "discriminator-residual-2", "generator", "gradient-penalty"} <= set(
        log_of(home)[0]
    )
    stage = home / "models/birds/stage1"
    assert {path.name for path in stage.iterdir() if path.is_dir()} == {
        "discriminator-residual",
        "discriminator-residual-2",
    }
    assert train_tiny(1, "--steps", 6, *OFTEN, *both, "--set", f"objectives=[{pen}]").code == 0
    unknown = train_tiny(
        1, "--name", "x", "--steps", 1, *objectives("gradient-penalty", more=', discriminators = ["paper"]')
    )
    assert unknown.code == 3
    assert unknown.says("concerns the discriminator 'paper'", "residual")


def test_a_weight_of_nothing_and_a_rhythm_are_heeded(train_tiny: Callable[..., Any], home: Path) -> None:
    assert train_tiny(1, "--steps", 5, *OFTEN, *objectives("tinted", more=", every = 2")).code == 0
    assert ["tinted" in line for line in log_of(home)] == [True, False, True, False, True]
    plain = train_tiny(1, "--name", "plain", "--steps", 3, *OFTEN, "--set", "objectives=[]")
    off = train_tiny(1, "--name", "off", "--steps", 3, *OFTEN, *objectives("interpolated", more=", weight = 0.0"))
    assert (plain.code, off.code) == (0, 0)
    checkpoints = [home / f"models/{name}/training/stage1/checkpoints/step-000003" for name in ("plain", "off")]
    one, other = ((folder / "generator.safetensors").read_bytes() for folder in checkpoints)
    assert one == other


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raises", ("'wrong' of new-goals 3.1 failed while measuring its loss", "KeyError: 'no such thing'")),
        ("shape", ("'wrong' of new-goals 3.1 gives the loss 'many' as (4, 3)",)),
        ("nan", ("the loss 'wrong.nan' is nan",)),
    ],
)
def test_an_objective_that_fails_is_named_with_its_package(
    train_tiny: Callable[..., Any], home: Path, how: str, words: tuple[str, ...]
) -> None:
    done = train_tiny(1, "--steps", 2, *OFTEN, *objectives("wrong", more=f', options = {{how = "{how}"}}'))
    assert done.code in (3, 4)
    assert done.says(*words), done.err


def test_stage_two_sketches_are_augmented_with_their_pictures(
    train_tiny: Callable[..., Any], model: Path, home: Path
) -> None:
    done = train_tiny(2, "--restart", "--steps", 3, *OFTEN, *objectives("shifted", "tinted"))
    assert done.code == 0, done.err
    assert (model / "stage2/objective-tinted/model.safetensors").is_file()
    assert not (model / "stage2/objective-shifted").exists()


def test_a_run_of_a_package_that_is_gone_or_of_another_version_says_so(
    train_tiny: Callable[..., Any], stackgan: Callable[..., Any], home: Path, site: Path
) -> None:
    assert train_tiny(1, "--steps", 2, *objectives("tinted")).code == 0
    assert 'name = "new-goals:tinted"' in (home / "models/birds/training/stage1/settings.toml").read_text()
    twin = site / "other_goals-1.0.dist-info"
    twin.mkdir()
    (twin / "METADATA").write_text("Metadata-Version: 2.1\nName: other-goals\nVersion: 1.0\n")
    (twin / "entry_points.txt").write_text("[stackgan.objectives]\ntinted = new_goals:Tinted\n")
    registry.clear_cache()
    settings = home / "models/birds/training/stage1/settings.toml"
    assert train_tiny(1, "--steps", 3, *objectives("new-goals:tinted")).code == 0
    go_on = partial(stackgan, "train-stage1", "--data", "birds", "--precision", "float32")
    again = go_on("--recipe", settings, "--steps", 4)
    assert again.code == 0, again.err
    (site / "new_goals-3.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: new-goals\nVersion: 3.2\n")
    registry.clear_cache()
    newer = go_on("--recipe", settings, "--steps", 5)
    assert newer.says("objective 'tinted' was saved with new-goals 3.1, and 3.2 is installed"), newer.err
    shutil.rmtree(site / "new_goals-3.1.dist-info")
    shutil.rmtree(twin)
    registry.clear_cache()
    gone = go_on("--recipe", settings, "--steps", 6)
    assert gone.code == 4
    assert gone.says("tinted", "new-goals")

"""Runs that evaluate their generator while they train: what they say and keep, and what is no other for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stackgan_cli import TrainRequest
from stackgan_cli import train as train_from_python

DISTANCES = ("frechet-distance", "kernel-distance")
TRAIN = ("--recipe", "quick", "--batch-size", 4, "--precision", "float32", "--device", "cpu")
SMALL = ("--discriminator", "residual", "--set", "objectives=[]", "--set", "log_every=1", "--set", "checkpoint_every=3")
CHANNELS = tuple(
    part
    for network in ("generator", "discriminator")
    for each in ("channels=4", "max_channels=8")
    for part in ("--set", f"{network}.options.{each}")
)


@pytest.fixture
def boxes(stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path) -> Path:
    """A home with forty captioned pictures, four of them for testing."""
    options = ("--encoder", "hashed-words", "--resolution", 16, "--resolution", 64)
    assert stackgan("prepare", "--data", "boxes", "--source", captioned_folder(40), *options).code == 0
    return empty_home


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the extractor is kept that the first test to need it has fitted."""
    return tmp_path_factory.mktemp("shelf") / "extractors"


@pytest.fixture
def fitted(boxes: Path, shelf: Path) -> Iterator[Path]:
    """The same home, whose extractor was fitted earlier where that has happened by now."""
    extractors = boxes / "data" / "boxes" / "extractors"
    if shelf.exists():
        shutil.copytree(shelf, extractors)
    yield boxes
    if not shelf.exists() and extractors.exists():
        shutil.copytree(extractors, shelf)


@pytest.fixture
def train(stackgan: Callable[..., Any], boxes: Path) -> Callable[..., Any]:
    """``train(stage, *options)`` trains tiny networks on the boxes."""

    def run(stage: int, *options: object, name: str = "boxes") -> Any:
        side = ("--resolution", 16 if stage == 1 else 64)
        done = stackgan(
            f"train-stage{stage}", "--data", "boxes", "--name", name, *TRAIN, *side, *SMALL, *CHANNELS, *options
        )
        assert done.code == 0, done.err
        return done

    return run


@pytest.fixture
def small_paper(tmp_path: Path) -> Path:
    """The recipe ``paper`` with small networks."""
    path = tmp_path / "small.toml"
    sizes = {1: 16, 2: 64}
    tables = [
        f'[stage{stage}]\nresolution = {side}\nbatch_size = 4\nstage1_batch_norm = "batch"\n'
        f"[stage{stage}.generator.options]\nchannels = 8\ncondition_width = 4\n"
        f"[stage{stage}.discriminator.options]\nchannels = 4\n"
        for stage, side in sizes.items()
    ]
    path.write_text('extends = "paper"\nsummary = "small"\n' + "".join(tables))
    return path


def lines(home: Path, stage: int = 1, name: str = "boxes") -> list[dict[str, float]]:
    """What the log says, but for the speed."""
    log = home / "models" / name / "training" / f"stage{stage}" / "log.jsonl"
    whole = [json.loads(line) for line in log.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in whole]


def record(checkpoint: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((checkpoint / "checkpoint.json").read_text())
    return value


def weights(home: Path, name: str, stage: int, step: int) -> dict[str, bytes]:
    folder = home / "models" / name / "training" / f"stage{stage}" / "checkpoints" / f"step-{step:06d}"
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def measured(stackgan: Callable[..., Any], stage: int) -> dict[str, float]:
    """What ``evaluate`` says of the model of the boxes."""
    metrics = [part for name in DISTANCES for part in ("--metric", name)]
    done = stackgan("evaluate", "--data", "boxes", "--precision", "float32", "--device", "cpu", *metrics, "--json")
    assert done.code == 0, done.err
    (row,) = (each for each in done.json["rows"] if each["pictures"] == f"Stage-{'I' * stage}")
    return {name: row["metrics"][name]["value"] for name in DISTANCES}


def test_numbers_of_evaluate_are_logged_drawn_and_shown_and_the_best_by_them_is_kept(
    stackgan: Callable[..., Any], train: Callable[..., Any], boxes: Path, shelf: Path
) -> None:
    planned = train(1, "--steps", 5, "--set", "eval_every=2", "--dry-run")
    assert "fitted" not in planned.err
    assert not (boxes / "data" / "boxes" / "extractors").exists()
    # It learns from nothing but the data, and it is said.
    first = train(1, "--steps", 5, "--set", "eval_every=2")
    assert first.says("What measures the pictures is fitted to boxes first", "stackgan evaluate", "domain-classifier")
    assert first.err.count("'attribute-accuracy' is not measured: it needs an extractor that reads attributes") == 1
    assert first.err.count("'r-precision' says little: each caption is ranked among") == 1
    run = boxes / "models" / "boxes" / "training" / "stage1"
    evaluated = [line for line in lines(boxes) if set(line) >= set(DISTANCES)]
    assert [line["step"] for line in evaluated] == [2, 4, 5]
    for line in evaluated:
        assert first.says(f"Step {line['step']}: frechet-distance {line['frechet-distance']:.4g}, ", "of 4 pictures")
    assert measured(stackgan, 1) == pytest.approx({name: evaluated[-1][name] for name in DISTANCES}, rel=1e-4)
    events = EventAccumulator(str(run))
    events.Reload()
    assert [event.step for event in events.Scalars("frechet-distance")] == [2, 4, 5]
    assert (run / "losses.png").is_file()
    best = record(run / "best")
    assert best["step"] == min(evaluated, key=lambda line: line["frechet-distance"])["step"]
    assert set(best["evaluation"]["values"]) == {*DISTANCES, "r-precision"}
    assert stackgan("generate", "a plain picture", "--checkpoint", "best", "--model", "boxes", "-o", boxes).code == 0
    shutil.copytree(boxes / "data" / "boxes" / "extractors", shelf, dirs_exist_ok=True)


def test_stage_two_is_measured_as_the_model_draws_it(
    stackgan: Callable[..., Any], train: Callable[..., Any], fitted: Path
) -> None:
    train(1, "--steps", 2, "--set", "eval_every=2")
    done = train(2, "--steps", 2, "--set", "stage1_batch_norm=batch")
    assert done.says("As its Stage-I", "eval_every 2")
    assert "is fitted to" not in done.err
    last = lines(fitted, 2)[-1]
    assert measured(stackgan, 2) == pytest.approx({name: last[name] for name in DISTANCES}, rel=1e-4)


def test_what_is_trained_is_the_same_whether_it_is_measured_or_not(
    stackgan: Callable[..., Any], fitted: Path, small_paper: Path
) -> None:
    # Batch-norms remember what they see, and Stage-I below learns by the statistics of each batch.
    options = ("--data", "boxes", "--recipe", small_paper, "--steps", 2, "--device", "cpu", "--precision", "float32")
    for name, every in (("measured", 1), ("not", 0)):
        for stage in (1, 2):
            done = stackgan(f"train-stage{stage}", "--name", name, *options, "--set", f"eval_every={every}")
            assert done.code == 0, done.err
    for stage in (1, 2):
        assert weights(fitted, "measured", stage, 2) == weights(fitted, "not", stage, 2)


def test_a_stopped_run_measures_the_rest_and_another_rhythm_is_no_other_run(
    stackgan: Callable[..., Any], train: Callable[..., Any], fitted: Path
) -> None:
    every = ("--steps", 8, "--set", "eval_every=2", "--set", "log_every=2")
    train(1, *every, name="straight")
    request = TrainRequest(
        stage=1,
        data="boxes",
        name="stopped",
        recipe=str(fitted / "models/straight/training/stage1/settings.toml"),
        device="cpu",
        precision="float32",
    )
    steps = iter(range(1, 100))
    assert train_from_python(request, stopping=lambda: next(steps) == 5).steps == 5
    assert "evaluation" in record(fitted / "models/stopped/training/stage1/best")
    assert train_from_python(request).steps == 8
    assert lines(fitted, name="stopped") == lines(fitted, name="straight")
    best = [record(fitted / "models" / name / "training/stage1/best") for name in ("stopped", "straight")]
    assert best[0] == best[1]
    # Rarer from here on, which is the same run.
    done = stackgan("train-stage1", "--data", "boxes", "--name", "stopped", "--steps", 10, "--set", "eval_every=5")
    assert done.code == 0, done.err
    assert [line["step"] for line in lines(fitted, name="stopped") if "frechet-distance" in line] == [2, 4, 6, 8, 10]


def test_two_processes_find_what_one_does(
    train: Callable[..., Any], fork_ranks: Callable[..., Any], fitted: Path
) -> None:
    train(1, "--steps", 1, "--set", "eval_every=1", name="alone")
    settings = fitted / "models/alone/training/stage1/settings.toml"
    done = fork_ranks("train-stage1", "--data", "boxes", "--name", "shared", "--recipe", settings, *TRAIN[4:])
    assert done.code == 0, done.err
    assert done.err.count("Step 1: frechet-distance") == 1
    ours, theirs = lines(fitted, name="alone"), lines(fitted, name="shared")
    assert [line["step"] for line in theirs] == [1]
    assert {name: theirs[0][name] for name in DISTANCES} == pytest.approx(
        {name: ours[0][name] for name in DISTANCES}, rel=1e-2
    )

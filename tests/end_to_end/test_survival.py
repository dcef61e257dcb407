"""What a run survives: being killed at any moment, a full disk, losses that are no numbers, and a polite request."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stackgan_cli.discriminators.residual import ResidualDiscriminator
from stackgan_cli.errors import ComponentError
from stackgan_cli.training import loop
from stackgan_cli.training import samples as sampling

OFTEN = ("--set", "checkpoint_every=2", "--set", "log_every=1", "--set", "sample_every=4", "--steps", 10)

# Python reports what touches the file system to an audit hook, before it happens; so a run can be killed before any
# change to its model, without a look at how the package makes that change. A step counts as an event too.
MORTAL = """
import json, os, resource, signal, sys
from stackgan_cli import app
from stackgan_cli.discriminators.residual import ResidualDiscriminator
from stackgan_cli.errors import ComponentError
from stackgan_cli.training import loop

CHANGES = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir")
job = json.loads(sys.argv.pop(1))
models = os.path.join(job["home"], "models")
events, count = open(os.path.join(job["home"], "events.txt"), "w"), 0

def note(text):
    global count
    events.write(text + "\\n"), events.flush()
    count += 1
    if count == job["kill_at"]:
        os.kill(os.getpid(), signal.SIGKILL)

def hook(event, arguments):
    if event in CHANGES:
        paths = [os.fsdecode(each) for each in arguments[:2] if isinstance(each, (str, bytes, os.PathLike))]
        # What is deleted within a folder is named without it. TensorBoard writes when its own thread likes.
        bare = event in ("os.remove", "os.rmdir") and paths and not os.path.isabs(paths[0])
        if paths and (bare or paths[0].startswith(models)) and "tfevents" not in paths[0]:
            note(" ".join([event, *(path.removeprefix(models) for path in paths)]))

real = loop.StageTask.step

def step(task, number, batch):
    note(f"step {number + 1}")
    if number + 1 == job.get("terminate_in"):
        os.kill(os.getpid(), signal.SIGTERM)
    losses = real(task, number, batch)
    if number + 1 == job.get("limit_in"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], resource.RLIM_INFINITY))
    return losses

loop.StageTask.step = step
sys.addaudithook(hook)
app.main()
"""


@dataclass(frozen=True)
class Ended:
    """How a run in a process of its own ended, what it said, and what it did to the model folder until then."""

    code: int
    told: str
    events: list[str]

    def says(self, *words: str) -> bool:
        """Whether it said all the words, however its lines are broken."""
        flat = "".join(self.told.replace("│", " ").split())
        return all("".join(word.split()) in flat for word in words)


Run = Callable[..., Ended]


@pytest.fixture
def run_apart(fork: Callable[..., Any], tiny_options: Callable[[int], list[str]]) -> Run:
    """``run_apart(home, stage, options, ...)`` trains a stage in a process of its own, which may be killed."""

    def run(home: Path, stage: int, options: tuple[object, ...] = OFTEN, kill_at: int = 0, **more: int) -> Ended:
        job = json.dumps({"home": str(home), "kill_at": kill_at, **more})
        arguments = (f"train-stage{stage}", "--data", "birds", *tiny_options(stage), *options)
        ended = fork(job, *arguments, script=MORTAL, variables={"STACKGAN_HOME": str(home)}).ended()
        return Ended(ended.code, ended.out + ended.err, (home / "events.txt").read_text().splitlines())

    return run


@pytest.fixture(scope="module")
def fresh(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """``fresh(stage)`` makes a home in which the stage has not begun; for the second one the first is there."""

    def make(stage: int) -> Path:
        folder = tmp_path_factory.mktemp(f"stage{stage}")
        (folder / "data").symlink_to(made_once / "data")
        if stage == 2:
            model = folder / "models" / "birds"
            shutil.copytree(made_once / "models" / "birds", model)
            for part in ("stage2", "training/stage2"):
                shutil.rmtree(model / part)
            manifest = json.loads((model / "stackgan.json").read_text())
            del manifest["stages"]["2"]
            (model / "stackgan.json").write_text(json.dumps(manifest))
        return folder

    return make


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch, train_tiny: Callable[..., Any]) -> Callable[..., Any]:
    """``go_on(home, stage, options)`` gives the same command once more, in this process."""

    def run(home: Path, stage: int, options: tuple[object, ...] = OFTEN) -> Any:
        monkeypatch.setenv("STACKGAN_HOME", str(home))
        done = train_tiny(stage, *options)
        assert done.code == 0, done.err
        return done

    return run


def left_by(home: Path, stage: int) -> dict[str, Any]:
    """All that a run leaves but times and speeds: checkpoints, the best one, losses, pictures and the model."""
    model = home / "models" / "birds"
    run = run_folder(home, stage)
    found: dict[str, Any] = {
        str(path.relative_to(model)): path.read_bytes()
        for folder in (run, model / "text_encoder", model / "stage1", model / f"stage{stage}")
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("log.jsonl", "losses.png") and "tfevents" not in path.name
    }
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    found["log"] = [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]
    manifest = json.loads((model / "stackgan.json").read_text())
    found["manifest"] = {key: value for key, value in manifest.items() if key != "saved"}
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["log"] == other["log"]
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def leftovers(home: Path) -> list[str]:
    """What is half written or half replaced under a home."""
    return [str(path) for path in home.rglob("*") if path.name.endswith((".partial", ".old"))]


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def run_folder(home: Path, stage: int = 1) -> Path:
    return home / "models" / "birds" / "training" / f"stage{stage}"


def folders_of_checkpoints(home: Path) -> dict[str, Path]:
    return {path.name: path for path in (run_folder(home) / "checkpoints").iterdir()}


def checkpoints(home: Path) -> dict[str, dict[str, Any]]:
    """Records of the checkpoints by the names of their folders."""
    folders = folders_of_checkpoints(home)
    return {name: json.loads((path / "checkpoint.json").read_text()) for name, path in folders.items()}


def best(home: Path) -> Path:
    return run_folder(home) / "best"


@dataclass(frozen=True)
class Straight:
    """A run that nobody disturbed: what it left, and each event of it that a run could be killed at."""

    left: dict[str, Any]
    events: list[str]


@pytest.fixture(scope="module")
def straight_runs() -> dict[int, Straight]:
    """Undisturbed runs that were made already, by stage."""
    return {}


@pytest.fixture
def straight(
    straight_runs: dict[int, Straight], run_apart: Run, fresh: Callable[[int], Path]
) -> Callable[[int], Straight]:
    """``straight(stage)``: a run that nobody disturbs, made once for all tests of this file."""

    def make(stage: int) -> Straight:
        if stage not in straight_runs:
            home = fresh(stage)
            ended = run_apart(home, stage)
            assert ended.code == 0, ended.told
            straight_runs[stage] = Straight(left_by(home, stage), ended.events)
            assert len(straight_runs[stage].left["log"]) == 10
        return straight_runs[stage]

    return make


MOMENTS = {
    "in a step": r"step 6",
    "between two files of a checkpoint": r"open \S*step-000004\.\S*partial/averaged",
    "before a checkpoint has its name": r"os.rename \S*partial \S*/step-000006",
    "between a checkpoint and the best one": r"open \S*/step-000008/checkpoint.json",
    "while the best one is linked": r"os.link \S*/step-000002/generator.safetensors",
    "before the best one is replaced": r"os.rename \S*partial \S*/best",
    "while an old checkpoint is deleted": r"os.rmdir \S*step-000002",
    "before the model is replaced": r"os.rename \S*partial /birds/stage",
    "between the model and its manifest": r"os.rename \S*partial /birds/stackgan.json",
    "between the last checkpoint and the model": r"os.mkdir /birds/.stage\S*partial",
}
"""Events before which a run is killed: the last one that fits, so that as much as can be is there to be lost."""


def event_like(straight: Straight, pattern: str) -> int:
    """Number, from 1, of the last event of an undisturbed run that a pattern describes."""
    found = [number for number, event in enumerate(straight.events, 1) if re.match(pattern, event)]
    assert found, f"no event of the run is like {pattern!r}"
    return found[-1]


def assert_survives(killed: Ended, home: Path, stage: int, straight: Straight, go_on: Callable[..., Any]) -> None:
    """The same command goes on from wherever the kill left the run, and ends as if there had been none."""
    print(f"killed before event {len(killed.events)}: {killed.events[-1]}")  # noqa: T201  # for whoever sees it fail
    assert killed.code == -signal.SIGKILL, killed.told
    go_on(home, stage)
    assert leftovers(home) == []
    assert_same(straight.left, left_by(home, stage))


FAST = {
    "between two files of a checkpoint",
    "between a checkpoint and the best one",
    "before the best one is replaced",
    "while an old checkpoint is deleted",
    "before the model is replaced",
    "between the last checkpoint and the model",
}


@pytest.mark.parametrize(
    "when", [pytest.param(each, marks=() if each in FAST else pytest.mark.slow) for each in MOMENTS]
)
def test_a_kill_costs_nothing_but_the_steps_since_the_last_checkpoint(
    straight: Callable[[int], Straight],
    fresh: Callable[[int], Path],
    run_apart: Run,
    go_on: Callable[..., Any],
    when: str,
) -> None:
    # Both stages write through the same code, so they take turns here; the slow tests kill both everywhere.
    stage = 1 + list(MOMENTS).index(when) % 2
    home = fresh(stage)
    killed = run_apart(home, stage, kill_at=event_like(straight(stage), MOMENTS[when]))
    assert_survives(killed, home, stage, straight(stage), go_on)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("stage", [1, 2])
def test_a_kill_at_any_event_costs_nothing_but_the_steps_since_the_last_checkpoint(
    straight: Callable[[int], Straight],
    fresh: Callable[[int], Path],
    run_apart: Run,
    go_on: Callable[..., Any],
    stage: int,
    seed: int,
) -> None:
    home, count = fresh(stage), len(straight(stage).events)
    # Reading the last checkpoint to know that it is saved changes nothing, but a run can die there just as well.
    kill_at = 1 + (seed * count + random.Random(seed).randrange(count)) // 16
    assert_survives(run_apart(home, stage, kill_at=kill_at), home, stage, straight(stage), go_on)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_had_been(
    straight: Callable[[int], Straight],
    fresh: Callable[[int], Path],
    run_apart: Run,
    go_on: Callable[..., Any],
    stage: int,
    seed: int,
) -> None:
    home, draw = fresh(stage), random.Random(f"again {seed}")
    for _ in range(5):
        killed = run_apart(home, stage, kill_at=draw.randrange(1, len(straight(stage).events) // 2))
        print(f"killed before event {len(killed.events)}: {killed.events[-1]}")  # noqa: T201  # for whoever sees it fail
        assert killed.code in (0, -signal.SIGKILL), killed.told
    go_on(home, stage)
    assert leftovers(home) == []
    assert_same(straight(stage).left, left_by(home, stage))


def test_sigterm_saves_and_the_same_command_goes_on(
    straight: Callable[[int], Straight], fresh: Callable[[int], Path], run_apart: Run, go_on: Callable[..., Any]
) -> None:
    home = fresh(1)
    stopped = run_apart(home, 1, terminate_in=7)
    assert stopped.code == 130, stopped.told
    assert stopped.says("Stopped and saved at step 7", "The same command goes on")
    assert "step-000007" in checkpoints(home)
    again = go_on(home, 1)
    assert again.says("Going on from step 7 of 10")
    assert leftovers(home) == []
    assert_same(straight(1).left, left_by(home, 1))


@pytest.mark.parametrize("too_large", ["every file of weights", "the largest file"])
def test_a_full_disk_costs_nothing_that_was_saved(
    straight: Callable[[int], Straight],
    fresh: Callable[[int], Path],
    run_apart: Run,
    go_on: Callable[..., Any],
    too_large: str,
) -> None:
    left = straight(1).left
    sizes = [len(data) for name, data in left.items() if "step-000010/" in name and name.endswith(".safetensors")]
    limit = (min(sizes) if too_large == "every file of weights" else max(sizes)) - 1
    home = fresh(1)
    full = run_apart(home, 1, limit_in=5, limit=limit)
    assert full.code == 1, full.told
    assert full.says("step-000006", ".safetensors could not be written", "The last good checkpoint is", "step-000004")
    assert full.told.count("\nError: ") == 1
    assert "Traceback" not in full.told
    assert leftovers(home) == []
    records = checkpoints(home)
    assert sorted(records) == ["step-000002", "step-000004"]
    found = checksums(folders_of_checkpoints(home)["step-000004"])
    assert found.pop("checkpoint.json")
    assert found == records["step-000004"]["sha256"]
    assert go_on(home, 1).says("Going on from step 4 of 10")
    assert_same(left, left_by(home, 1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 megabytes, where this process may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 8, 16, 60, 200, 1000, 3000, 3500])
def test_a_disk_that_is_really_full_costs_nothing_that_was_saved(
    straight: Callable[[int], Straight],
    fresh: Callable[[int], Path],
    run_apart: Run,
    go_on: Callable[..., Any],
    small_disk: Path,
    room: int,
) -> None:
    home = fresh(1)
    (home / "models").symlink_to(small_disk)
    assert run_apart(home, 1, terminate_in=4).code == 130
    before = {name: checksums(path) for name, path in folders_of_checkpoints(home).items()}
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(max(shutil.disk_usage(small_disk).free - room * 1024, 0)))
    full = run_apart(home, 1)
    assert full.code == 1, full.told
    assert full.says("could not be written", "The last good checkpoint is")
    assert full.told.count("\nError: ") == 1
    assert "Traceback" not in full.told
    assert leftovers(small_disk) == []
    newest = sorted(folders_of_checkpoints(home))[-1]
    assert full.says(newest)
    assert newest != "step-000004" or checksums(folders_of_checkpoints(home)[newest]) == before[newest]
    (small_disk / "ballast").unlink()
    assert go_on(home, 1).says("Going on from")
    assert_same(straight(1).left, left_by(home, 1))


SELDOM = ("--set", "checkpoint_every=4", "--set", "log_every=50", "--set", "sample_every=50")


class Spoiling:
    """Stands in for a step: spoils the losses or the weights of some steps, and keeps the rates of all of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loss: dict[int, float] = {}
        self.weight: dict[int, float] = {}
        self.always = False
        """Spoil such a step each time that it comes, and not the first time alone."""
        self.rates: list[tuple[int, float, float]] = []
        real, spoiling = loop.StageTask.step, self

        def step(task: Any, number: int, batch: Any) -> Any:
            losses = real(task, number, batch)
            optimizers = (task.optimizers[f"{name}_optimizer"] for name in ("generator", "discriminator"))
            spoiling.rates.append((number + 1, *(each.param_groups[0]["lr"] for each in optimizers)))
            take = spoiling.loss.get if spoiling.always else spoiling.loss.pop
            value = take(number + 1, None)
            if value is not None:
                losses = {**losses, "generator": losses["generator"] * value}
            take = spoiling.weight.get if spoiling.always else spoiling.weight.pop
            value = take(number + 1, None)
            if value is not None:
                for network in (task.generator, task.averaged.network):
                    next(network.parameters()).data.view(-1)[0] = value
            return losses

        monkeypatch.setattr(loop.StageTask, "step", step)

    def rates_of(self, step: int) -> list[tuple[float, float]]:
        """Learning rates of both networks in a step, each time that it came."""
        return [rates for number, *rates in self.rates if number == step]


@pytest.fixture
def spoiling(monkeypatch: pytest.MonkeyPatch) -> Spoiling:
    return Spoiling(monkeypatch)


def assert_all_saved_is_finite(home: Path) -> None:
    """No file of weights under a home holds a number that is none."""
    paths = [path for path in (home / "models").rglob("*.safetensors") if "text_encoder" not in path.parts]
    for path in paths:
        assert all(torch.isfinite(tensor.float()).all() for tensor in load_file(path).values()), path


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_a_broken_loss_that_nobody_looked_at_stops_the_run_before_it_is_saved(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path, value: float
) -> None:
    spoiling.loss = {6: value}
    stopped = train_tiny(1, *SELDOM, "--steps", 12)
    assert stopped.code == 3, stopped.err
    assert stopped.says("After step 6 the loss 'generator' is", str(value), "The last good checkpoint is", "--on-nan")
    assert stopped.says("step-000004")
    assert "Traceback" not in stopped.err
    assert sorted(checkpoints(home)) == ["step-000004"]
    assert_all_saved_is_finite(home)
    manifest = json.loads((home / "models" / "birds" / "stackgan.json").read_text())
    assert manifest["stages"]["1"]["steps"] == 4


def test_what_a_component_raised_can_be_seen_beside_what_was_saved(
    train_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("of a stranger's code")

    monkeypatch.setenv("STACKGAN_DEBUG", "1")
    monkeypatch.setattr(ResidualDiscriminator, "forward", fails)
    with pytest.raises(ComponentError, match="failed while judging pictures") as raised:
        train_tiny(1)
    assert raised.value.message.endswith(" There is no checkpoint yet.")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_broken_weight_is_caught_before_it_is_saved(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path
) -> None:
    spoiling.weight = {8: float("inf")}
    stopped = train_tiny(1, *SELDOM, "--steps", 12)
    assert stopped.code == 3, stopped.err
    assert stopped.says("After step 8", "generator", "is inf", "The last good checkpoint is")
    assert stopped.says("step-000004")
    assert sorted(checkpoints(home)) == ["step-000004"]
    assert_all_saved_is_finite(home)


def test_a_broken_weight_leaves_a_log_that_any_reader_of_json_reads(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path
) -> None:
    spoiling.weight = {8: float("nan")}
    assert train_tiny(1, *SELDOM, "--set", "log_every=1", "--steps", 12).code == 3

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    lines = (run_folder(home) / "log.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=refuse)["step"] for line in lines][:7] == [1, 2, 3, 4, 5, 6, 7]


def test_a_rollback_halves_the_learning_rate_and_finishes(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path
) -> None:
    spoiling.loss = {6: float("nan")}
    done = train_tiny(1, *SELDOM, "--steps", 12, "--on-nan", "rollback")
    assert done.code == 0, done.err
    assert done.says("After step 6 the loss 'generator' is nan.", "Back to step 4, with 0.5 times the learning rate")
    first, second = spoiling.rates_of(6)
    assert second == [rate / 2 for rate in first]
    assert [step for step, *_ in spoiling.rates] == [1, 2, 3, 4, 5, 6, 7, 8, *range(5, 13)]
    assert sorted(checkpoints(home)) == ["step-000008", "step-000012"]
    assert checkpoints(home)["step-000012"]["step"] == 12
    assert_all_saved_is_finite(home)


def test_a_halved_rate_stays_halved_when_the_run_goes_on_later(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path
) -> None:
    spoiling.loss = {6: float("nan")}
    assert train_tiny(1, *SELDOM, "--steps", 8, "--on-nan", "rollback").code == 0
    (_, halved) = spoiling.rates_of(5)
    spoiling.rates.clear()
    # Both runs lower their rates towards their ends, but neither of them yet in the steps that are compared.
    assert train_tiny(1, *SELDOM, "--steps", 14).code == 0
    assert spoiling.rates_of(9) == [halved]


def test_a_rollback_without_a_checkpoint_goes_back_to_the_beginning(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path
) -> None:
    spoiling.loss = {2: float("nan")}
    done = train_tiny(1, *SELDOM, "--steps", 6, "--on-nan", "rollback")
    assert done.code == 0, done.err
    assert done.says("After step 2 the loss 'generator' is nan.", "Back to step 0, with 0.5 times the learning rate")
    assert [step for step, *_ in spoiling.rates] == [1, 2, 3, 4, 1, 2, 3, 4, 5, 6]
    assert_all_saved_is_finite(home)


@pytest.mark.parametrize(
    ("step", "log_every", "saved"),
    [
        pytest.param(1, 1, [], id="at once"),
        pytest.param(6, 50, ["step-000004"], id="after a checkpoint", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_always_diverges_gives_up_and_says_what_it_tried(
    spoiling: Spoiling, train_tiny: Callable[..., Any], home: Path, step: int, log_every: int, saved: list[str]
) -> None:
    spoiling.loss, spoiling.always = {step: float("nan")}, True
    stopped = train_tiny(1, *SELDOM, "--set", f"log_every={log_every}", "--steps", 12, "--on-nan", "rollback")
    assert stopped.code == 3, stopped.err
    assert stopped.says(f"After step {step} the loss 'generator' is nan.")
    assert stopped.says("The last good checkpoint is" if saved else "There is no checkpoint yet.")
    assert stopped.err.count("Error") == 1
    times = len(spoiling.rates_of(step))
    assert 3 <= times <= 20
    assert spoiling.rates_of(step)[-1] == [rate * 0.5 ** (times - 1) for rate in spoiling.rates_of(step)[0]]
    assert stopped.says(f"{0.5 ** (times - 1):g} times the learning rate")
    assert [path.name for path in (run_folder(home) / "checkpoints").glob("*")] == saved
    assert_all_saved_is_finite(home)


DISTANCES = {2: 0.9, 4: 0.2, 6: 0.7, 8: 0.2, 10: 0.5, 12: 0.4}


def test_the_best_checkpoint_outlives_the_newest_ones(
    train_tiny: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter(DISTANCES.values())
    monkeypatch.setattr(sampling.Samples, "distance", lambda samples, task: next(measured))
    done = train_tiny(1, "--set", "checkpoint_every=2", "--set", "sample_every=50", "--steps", 12)
    assert done.code == 0, done.err
    # Two are kept by default, and the best one is none of them.
    assert sorted(checkpoints(home)) == ["step-000010", "step-000012"]
    record = json.loads((best(home) / "checkpoint.json").read_text())
    assert (record["step"], record["distance"]) == (4, DISTANCES[4])
    found = checksums(best(home))
    assert found.pop("checkpoint.json")
    assert found == record["sha256"]


def test_the_best_checkpoint_has_the_lowest_distance_of_all_that_the_log_names(
    straight: Callable[[int], Straight],
) -> None:
    left = straight(1).left
    distances = {line["step"]: line["distance"] for line in left["log"] if "distance" in line}
    assert list(distances) == [2, 4, 6, 8, 10]
    record = json.loads(left["training/stage1/best/checkpoint.json"])
    assert record["distance"] == min(distances.values()) == distances[record["step"]]


def test_without_measured_pictures_there_is_no_best_checkpoint(train_tiny: Callable[..., Any], home: Path) -> None:
    done = train_tiny(1, *SELDOM, "--set", "measure_pictures=0", "--steps", 8)
    assert done.code == 0, done.err
    assert sorted(checkpoints(home)) == ["step-000004", "step-000008"]
    assert not best(home).exists()

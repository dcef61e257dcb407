from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stackgan_cli.training import recording
from stackgan_cli.training.recording import Recorder

KILLED = """
import os, signal, sys
from pathlib import Path
from stackgan_cli.training.recording import Recorder

folder, begin, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = Recorder(folder, begin, "birds")
for step in range(begin + 10, end + 1, 10):
    log.line(step, {"generator": step / 100, "kl": begin})
    log.picture(step, folder.parent / "sheet.png")
log.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(folder: Path, step: int) -> Recorder:
    return Recorder(folder, step, "birds")


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)).save(path)
    return path


def test_numbers_and_pictures_come_back_as_they_were(tmp_path: Path, sheet: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    log = opened(folder, 0)
    log.line(50, {"discriminator": 0.75, "kl": 12.5})
    log.line(100, {"discriminator": 0.5})
    log.picture(100, sheet)
    log.close()
    assert curve(folder, "discriminator") == [(50, 0.75), (100, 0.5)]
    assert curve(folder, "kl") == [(50, 12.5)]
    (shown,) = read(folder).Images("samples")
    assert (shown.step, shown.width, shown.height) == (100, 40, 24)
    (tmp_path / "shown.png").write_bytes(shown.encoded_image_string)
    with Image.open(tmp_path / "shown.png") as one, Image.open(sheet) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_the_plot_is_drawn_again_where_something_was_logged_since(
    tmp_path: Path, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, 0)
    drawn: list[str] = []
    monkeypatch.setattr(recording, "draw_losses", lambda lines, *_: drawn.append(lines.read_text()))
    for step in (1, 2):
        log.line(step, {"generator": 2.0})
        log.picture(step, sheet)
    log.close()
    log = opened(tmp_path, 1)
    log.close()
    assert [lines.count("\n") for lines in drawn] == [1, 2, 1]


def test_what_was_flushed_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    log = opened(tmp_path, 0)
    log.line(1, {"generator": 2.0})
    log.flush()
    assert curve(tmp_path, "generator") == [(1, 2.0)]
    log.close()


def test_a_killed_run_that_goes_on_from_its_checkpoint_shows_every_step_once(
    fork: Callable[..., Any], tmp_path: Path, sheet: Path
) -> None:
    folder = tmp_path / "events"
    for begin, end in [(0, 80), (50, 90)]:
        ended = fork(folder, begin, end, script=KILLED).ended()
        assert ended.code == -9, ended.err
    # The last record of a killed process may be half written.
    last = max(folder.glob("events*"))
    last.write_bytes(last.read_bytes()[:-7])
    log = opened(folder, 70)
    for step in (80, 90, 100):
        log.line(step, {"generator": step / 100, "kl": 70})
        log.picture(step, sheet)
    log.close()
    steps = list(range(10, 101, 10))
    assert curve(folder, "generator") == [(step, pytest.approx(step / 100)) for step in steps]
    assert curve(folder, "kl") == [(step, 0 if step <= 50 else 50 if step <= 70 else 70) for step in steps]
    assert [shown.step for shown in read(folder).Images("samples")] == steps


def test_a_run_killed_before_its_first_checkpoint_begins_with_nothing(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        log = opened(tmp_path, 0)
        log.line(0, {"generator": value})
        log.line(10, {"generator": value})
        log.close()
    assert curve(tmp_path, "generator") == [(0, 2.0), (10, 2.0)]


def test_values_that_are_no_finite_number_are_kept_beside_the_others(tmp_path: Path) -> None:
    log = opened(tmp_path, 0)
    for step, value in enumerate([math.nan, math.inf, -1e300, 1.0]):
        log.line(step, {"generator": value})
    log.close()
    nan, *others = (value for _, value in curve(tmp_path, "generator"))
    assert math.isnan(nan)
    assert others == [math.inf, -math.inf, 1.0]


def test_a_picture_that_is_none_is_an_error_and_the_log_goes_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    log = opened(tmp_path / "events", 0)
    for path in (broken, tmp_path / "missing.png"):
        with pytest.raises(OSError, match=path.name):
            log.picture(1, path)
    log.line(1, {"kl": 3.0})
    log.close()
    assert curve(tmp_path / "events", "kl") == [(1, 3.0)]


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_without_tensorboard_a_run_has_a_log_and_no_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith(("tensorboard.", "torch.utils.tensorboard."))]:
        monkeypatch.delitem(sys.modules, name)
    if how == "missing":
        monkeypatch.setitem(sys.modules, "tensorboard", None)
    else:
        (tmp_path / "tensorboard.py").write_text("raise TypeError('Descriptors cannot be created directly.')")
        monkeypatch.syspath_prepend(tmp_path)
    log = Recorder(tmp_path / "run", 0, "birds")
    log.line(1, {"kl": 3.0})
    log.close()
    assert not list((tmp_path / "run").glob("events*"))
    assert "3.0" in (tmp_path / "run" / "log.jsonl").read_text()
    assert capfd.readouterr() == ("", "")


def test_the_module_itself_imports_no_tensorboard() -> None:
    script = (
        "import sys, stackgan_cli.training.recording; print([name for name in sys.modules if 'tensorboard' in name])"
    )
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert [name for name in ("tensorboard", "torch.utils.tensorboard") if f"'{name}'" in shown.stdout] == []

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.errors import StackganError
from stackgan_cli.pictures.loss_plot import draw_losses

LOG = Path(__file__).parents[1] / "made_before" / "home" / "models" / "birds" / "training" / "stage1" / "log.jsonl"


def write(path: Path, entries: Iterable[Mapping[str, float]]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def drawn(log: Path, title: str = "a run") -> np.ndarray:
    """The picture of a log, (height, width, 3)."""
    target = log.with_suffix(".png")
    draw_losses(log, target, title)
    assert not list(log.parent.glob(".*")), "something half written stays"
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def drawn_from(tmp_path: Path, *values: float, title: str = "a run", name: str = "kl", first: float = 0) -> np.ndarray:
    entries = ({"step": first + at, name: value} for at, value in enumerate(values))
    return drawn(write(tmp_path / "log.jsonl", entries), title)


def coloured(picture: np.ndarray) -> np.ndarray:
    """Where curves are: everything else is grey."""
    return np.ptp(picture, axis=2) > 25


def panels(picture: np.ndarray) -> int:
    """How many bands of rows hold curves, one below the other."""
    rows = coloured(picture).any(axis=1).astype(int)
    return int((np.diff(rows, prepend=0) == 1).sum())


def test_every_quantity_but_the_speed_has_a_panel_and_a_colour_of_its_own(tmp_path: Path) -> None:
    entries = [{"step": at, "generator": 1.0, "kl": 5e4 + at, "images_per_second": at} for at in range(100)]
    picture = drawn(write(tmp_path / "log.jsonl", entries))
    assert panels(picture) == 2
    assert picture.shape[1] == 1080
    assert 300 < picture.shape[0] < 900
    strongest = [
        np.unique(half[np.ptp(half, axis=2) > 110], axis=0, return_counts=True) for half in np.array_split(picture, 2)
    ]
    first, second = (hues[counts.argmax()] for hues, counts in strongest)
    assert abs(first - second).max() > 50


def test_a_spike_of_the_logged_values_is_seen_behind_their_average(tmp_path: Path) -> None:
    quiet = drawn_from(tmp_path, *[0.0, 1.0] * 300)
    spiky = drawn_from(tmp_path, *[0.0, 1.0] * 150, 9.0, *[0.0, 1.0] * 150)
    assert coloured(quiet).any(axis=1).sum() > 150
    column = coloured(spiky)[:, coloured(spiky).any(axis=0)].argmax(axis=0)
    assert abs(int(column.argmin()) / len(column) - 0.5) < 0.02


def test_what_is_no_whole_entry_or_no_finite_number_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    good = [{"step": step, "generator": math.sin(step / 9), "kl": step} for step in range(60)]
    clean = drawn(write(tmp_path / "clean.jsonl", good))
    log = write(tmp_path / "log.jsonl", good)
    lines = log.read_text().splitlines()
    lines[30:30] = [
        '{"step": 30.5, "generator": NaN, "kl": Infinity, "other": -Infinity}',
        '{"step": NaN, "generator": 5.0}',
        '{"step": 31, "generator": 7.0, "kl": 7.0}',  # trained again in a later line
        '{"step": 30.5, "generator": 1' + "0" * 5000 + ', "kl": "7", "flag": true, "none": null}',
        '{"generator": 9.0}',
        '{"step": true, "generator": 9.0}',
        "[1, 2]",
        "[" * 100_000,
        "",
        "\x00\x00\x00",
    ]
    log.write_bytes("\n".join(lines).encode() + b'\n\xff\xfe\n{"step": 60, "generator": 0.1, "k')
    assert np.array_equal(drawn(log), clean)


@pytest.mark.parametrize("text", [None, "", "\n\n", '{"step": 50, "gen', '{"step": 1, "kl": NaN}', '{"step": 1}'])
def test_without_anything_to_draw_nothing_is_written(tmp_path: Path, text: str | None) -> None:
    log = tmp_path / "log.jsonl"
    if text is not None:
        log.write_text(text)
    draw_losses(log, tmp_path / "losses.png", "a run")
    assert set(tmp_path.iterdir()) <= {log}


@pytest.mark.parametrize("first", [0, 1e12, 1e299])
@pytest.mark.parametrize(
    "values",
    [(0.7,), (0.0, 0.0), (-1e299, 1e299), (1e30, 2e30, 0), (1e15, 1e15 + 0.5), (0, 1e-300), (5e-324, 1e299)],
)
def test_any_finite_numbers_can_be_drawn(tmp_path: Path, values: tuple[float, ...], first: float) -> None:
    assert panels(drawn_from(tmp_path, *values, first=first)) == 1


@pytest.mark.parametrize("values", [(-0.000123456, 0.0001), (-999_999, 999_999), (-1e299, 1e299), (1e6, 1e6 + 0.5)])
@pytest.mark.parametrize("first", [0, 123_456_789])
def test_no_number_is_cut_off_at_an_edge(tmp_path: Path, values: tuple[float, ...], first: float) -> None:
    picture = drawn_from(tmp_path, *values, first=first, title="")
    for edge in (picture[:3], picture[-3:], picture[:, :3], picture[:, -3:]):
        assert (edge == 255).all()


@pytest.mark.parametrize(
    "text", ["", "$", "$x^{$ \\frac", "_kl", "many\nlines\x00\x1b[1m\ud800", "鳥 🐦", "long " * 99]
)
def test_titles_and_names_may_hold_any_characters(
    tmp_path: Path, text: str, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = drawn_from(tmp_path, 1, 2, title=text, name=text)
    assert panels(picture) == 1
    assert picture.shape == drawn_from(tmp_path, 1, 2).shape
    assert not list(recwarn)
    assert capfd.readouterr() == ("", "")


def test_a_long_log_is_drawn_fast(tmp_path: Path) -> None:
    line = '{"step": %d, "discriminator": 0.51234, "generator": 1.23456, "kl": 3.45678, "images_per_second": 55.2}\n'
    log = tmp_path / "log.jsonl"
    log.write_text("".join(line % at for at in range(300_000)))
    began = time.process_time()
    assert panels(drawn(log)) == 3
    # It is below a second on an ordinary machine; the rest is for busy ones.
    assert time.process_time() - began < 3


def test_a_log_of_a_thousand_names_is_still_a_picture_one_can_open(tmp_path: Path) -> None:
    entries = [{"step": step, **{f"loss {at}": at * step for at in range(1000)}} for step in range(3)]
    picture = drawn(write(tmp_path / "log.jsonl", entries))
    assert panels(picture) == 16
    assert picture.shape[0] < 5000


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [{"step": 1, "kl": 2.0}])
    with pytest.raises(StackganError, match=r"losses\.png could not be written"):
        draw_losses(log, log / "losses.png", "a run")
    assert list(tmp_path.iterdir()) == [log]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_matplotlib_is_imported_when_a_plot_is_drawn_and_not_before() -> None:
    modules = "stackgan_cli.training.recording, stackgan_cli.training.run"
    done = run(f"import sys, {modules}; print('matplotlib' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_neither_a_home_that_cannot_be_written_nor_settings_of_matplotlib_change_the_plot(tmp_path: Path) -> None:
    def draw(target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        arguments = f"Path({str(LOG)!r}), Path({str(target)!r}), 'a run'"
        imports = "from pathlib import Path; from stackgan_cli.pictures.loss_plot import draw_losses"
        return run(f"{imports}; draw_losses({arguments})", **environment)

    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\nbogus: 3\n")
    without, strange = tmp_path / "without.png", tmp_path / "strange.png"
    for target, place in ((without, "/dev/null/nowhere"), (strange, str(tmp_path))):
        done = draw(target, HOME=place, MPLCONFIGDIR=place)
        assert (done.returncode, done.stderr) == (0, "")
    assert without.read_bytes() == strange.read_bytes()
    assert "StackganError: Nothing can be plotted" in draw(strange, MPLBACKEND="nonsense").stderr

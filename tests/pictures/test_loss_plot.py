from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.errors import StackganError
from stackgan_cli.pictures.loss_plot import draw_losses


def write(path: Path, entries: Iterable[Mapping[str, float]]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def drawn(log: Path, title: str = "a run") -> np.ndarray:
    """The picture of a log, (height, width, 3)."""
    target = log.with_suffix(".png")
    draw_losses(log, target, title)
    with Image.open(target) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture).astype(int)


def drawn_from(tmp_path: Path, *values: float, title: str = "a run") -> np.ndarray:
    return drawn(write(tmp_path / "log.jsonl", ({"step": at, "kl": value} for at, value in enumerate(values))), title)


def strength(picture: np.ndarray) -> np.ndarray:
    """How colourful pixels are: text and grid lines are grey, a curve's logged values pale, its average strong."""
    return np.ptp(picture, axis=2)


def solid(picture: np.ndarray) -> np.ndarray:
    return strength(picture) > 110


def pale(picture: np.ndarray) -> np.ndarray:
    return (strength(picture) > 25) & ~solid(picture)


def rows(mask: np.ndarray) -> np.ndarray:
    return np.flatnonzero(mask.any(axis=1))


def columns(mask: np.ndarray) -> np.ndarray:
    return np.flatnonzero(mask.any(axis=0))


def test_a_curve_lies_where_its_steps_and_values_say(tmp_path: Path) -> None:
    curve = solid(drawn_from(tmp_path, *[0.0] * 200, *[0.25] * 200, *[1.0] * 201))
    left, right = columns(curve)[0], columns(curve)[-1] - 3  # the dot at the end is wider than the line

    def height(share: float) -> float:
        return float(rows(curve[:, [round(left + share * (right - left))]]).mean())

    low, middle, high = height(0.32), height(0.65), height(0.98)
    assert low - high > 100
    assert (low - middle) / (low - high) == pytest.approx(0.25, abs=0.02)
    # The average needs the whole of its window to follow a leap, but it leaves at once.
    assert height(0.33) == pytest.approx(low, abs=1)
    assert height(0.35) < low - 5


def test_grid_lines_lie_at_round_numbers(tmp_path: Path) -> None:
    picture = drawn_from(tmp_path, *np.linspace(0, 10, 1000))
    curve = strength(picture) > 25
    grey = (strength(picture) < 5) & (picture.mean(axis=2) < 253)
    across = np.flatnonzero(grey.mean(axis=1) > 0.5)
    lines = across[np.diff(across, prepend=-9) > 1]
    assert len(lines) == 6  # 0, 2, 4, 6, 8, 10
    assert np.ptp(np.diff(lines)) <= 1
    assert rows(curve)[0] == pytest.approx(lines[0], abs=2)
    assert rows(curve)[-1] == pytest.approx(lines[-1], abs=2)


def test_logged_values_stay_visible_behind_their_average(tmp_path: Path) -> None:
    picture = drawn_from(tmp_path, *[(-1.0) ** at for at in range(120)])
    assert np.ptp(rows(pale(picture))) > 120
    settled = solid(picture)[:, picture.shape[1] // 2 :]
    assert np.ptp(rows(settled)) < 40


def test_every_curve_has_a_panel_and_a_colour_of_its_own_over_the_same_steps(tmp_path: Path) -> None:
    entries = [{"step": step, "discriminator": 1.0, "kl": 5e4 + step, "images_per_second": step} for step in range(100)]
    for entry in entries[50:]:
        entry["distance"] = 0.1
    picture = drawn(write(tmp_path / "log.jsonl", entries))
    hues, counts = np.unique(picture[solid(picture)], axis=0, return_counts=True)
    places = [(picture == hue).all(axis=2) for hue in hues[np.argsort(counts)[-3:]]]
    first, second, third = sorted(places, key=lambda mask: rows(mask)[0])
    assert rows(first)[-1] < rows(second)[0] <= rows(second)[-1] < rows(third)[0]
    assert columns(first)[0] == pytest.approx(columns(second)[0], abs=2)
    assert columns(first)[-1] == columns(second)[-1] == columns(third)[-1]
    middle = (columns(first)[0] + columns(first)[-1]) / 2
    assert columns(third)[0] == pytest.approx(middle, abs=12)


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


@pytest.mark.parametrize("value", [0.0, 0.3, 3.25, -1e30, 1e299, 1e-12, 1e-310, 123456.789])
def test_values_that_never_change_are_a_level_line(tmp_path: Path, value: float) -> None:
    curve = solid(drawn_from(tmp_path, *[value] * 100))
    line = curve[:, columns(curve)[0] + 2 : columns(curve)[-1] - 10]
    assert line.shape[1] > 800
    assert line.any()
    assert (line == line[:, :1]).all()


def test_one_point_is_a_dot(tmp_path: Path) -> None:
    dot = solid(drawn_from(tmp_path, 0.7))
    assert 4 <= np.ptp(rows(dot)) <= 10
    assert 4 <= np.ptp(columns(dot)) <= 10


@pytest.mark.parametrize(
    "values",
    [(-1e299, 1e299), (1e30, 2e30, 0), (1e9, 1e9 + 1), (1e15, 1e15 + 0.5), (0, 1e-300), (-1e-7, 3e-7), (0.99e7, 1e7)],
)
def test_no_text_is_cut_off_whatever_the_numbers_and_names(tmp_path: Path, values: tuple[float, ...]) -> None:
    name = "a name of\nmany lines \ud800\x00 and words " * 30
    entries = [{"step": 1e12 + at, name: value, "": value} for at, value in enumerate(values)]
    picture = drawn(write(tmp_path / "log.jsonl", entries), title="A long title \t of \x1b[1m a run, " * 100)
    assert solid(picture).any()
    border = np.ones(picture.shape[:2], bool)
    border[4:-4, 4:-4] = False
    assert (picture[border] == 255).all()


def test_a_hundred_thousand_lines_are_drawn_fast_and_no_spike_is_lost(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(1, 0.1, (100_000, 3)).round(5)
    noise[75_000, 0] = 50
    names = ("discriminator", "generator", "kl")
    entries = ({"step": at, **dict(zip(names, values, strict=True))} for at, values in enumerate(noise.tolist()))
    log = write(tmp_path / "log.jsonl", entries)
    began = time.process_time()
    picture = drawn(log)
    # It is below a second on an ordinary machine; the rest is for busy ones.
    assert time.process_time() - began < 4
    curve = strength(picture) > 25
    top = rows(curve)[0]
    left, right = columns(curve)[0], columns(curve)[-1]
    assert columns(curve[top : top + 5]).mean() == pytest.approx(left + 0.75 * (right - left), abs=6)
    assert np.ptp(rows(curve[top : top + 150])) > 120


def test_a_log_of_a_thousand_names_is_still_a_picture_one_can_open(tmp_path: Path) -> None:
    entries = [{"step": step, **{f"loss {at}": at * step for at in range(1000)}} for step in range(3)]
    picture = drawn(write(tmp_path / "log.jsonl", entries))
    assert picture.shape[0] < 5000


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [{"step": 1, "kl": 2.0}])
    with pytest.raises(StackganError, match=r"losses\.png could not be written"):
        draw_losses(log, log / "losses.png", "a run")

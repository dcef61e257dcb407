"""The losses of a run as one picture, drawn with Pillow alone so that a run needs no plotting library."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stackgan_cli.files import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# Whole numbers become floats too, so that a number of a thousand digits is infinite, not an error.
_DECODER = json.JSONDecoder(parse_int=float)
_MOST_CURVES = 16
_LARGEST = 1e300
_AVERAGED_OVER = 1 / 20  # of a curve's length

# Everything is drawn twice as large and reduced at the end: Pillow's own lines have hard edges.
_FINER = 2
_WIDTH, _MARGIN, _GAP = 1080 * _FINER, 28 * _FINER, 8 * _FINER
_TOP, _HEAD, _PLOT, _FOOT = 62 * _FINER, 44 * _FINER, 150 * _FINER, 60 * _FINER
_SMALL, _MIDDLE, _LARGE = (ImageFont.load_default(size * _FINER) for size in (12, 15, 20))
_INK, _MUTED, _GRID, _PAPER = "#222222", "#6b6b6b", "#e6e6e6", "#ffffff"
# Okabe and Ito, "Color Universal Design" (2008): told apart with every kind of colour vision; the darker ones first.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))


@dataclass(frozen=True, slots=True)
class _Axis:
    """Numbers from ``low`` to ``high`` laid over the pixels from ``start`` to ``end``, with a tick every ``tick``."""

    low: float
    high: float
    start: float
    end: float
    tick: float

    def place(self, numbers: Numbers) -> list[float]:
        share = (numbers - self.low) / (self.high - self.low)
        # Rounded, so that a steady curve does not flicker between two rows of pixels.
        return [round(place, 3) for place in (self.start + share * (self.end - self.start)).tolist()]

    def ticks(self) -> list[tuple[float, str]]:
        """Pixel and label of every tick."""
        first, last = math.ceil(self.low / self.tick), math.floor(self.high / self.tick)
        numbers = np.array([count * self.tick for count in range(first, last + 1)])
        decimals = max(0, -math.floor(math.log10(self.tick) + 1e-9))
        short = decimals <= 4 and max(abs(self.low), abs(self.high)) < 1e7
        labels = [f"{number:,.{decimals}f}" if short else f"{number:,.12g}" for number in numbers]
        return list(zip(self.place(numbers), labels, strict=True))


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    steps: Numbers
    values: Numbers
    smooth: Numbers


def draw_losses(log: Path, target: Path, title: str) -> None:
    """Draw the losses of a log below each other, all over the same steps and each on a scale of its own.

    Pale are the logged values, solid is their exponential moving average. Lines that are no whole entry and values that
    are no finite number are left out; where nothing remains, nothing is written. At most 16 curves are drawn.

    Args:
        log: the ``log.jsonl`` of a run; all that it holds beside the steps and the speed is a curve.
        target: the PNG file to write.
        title: printed on top.

    Raises:
        StackganError: the picture cannot be written.
    """
    curves = _curves(log)
    if not curves:
        return
    tops = [_TOP + at * (_HEAD + _PLOT) + _HEAD for at in range(len(curves))]
    downs = [_axis(curve.values, top + _PLOT, top, most=6) for curve, top in zip(curves, tops, strict=True)]
    left = _MARGIN + _GAP + max(_SMALL.getlength(label) for down in downs for _, label in down.ticks())
    steps = np.concatenate([curve.steps for curve in curves])
    across = _axis(steps, left, _WIDTH - _MARGIN, most=8, padding=0, smallest=1)
    bottom = tops[-1] + _PLOT
    page = Image.new("RGB", (_WIDTH, bottom + _FOOT), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, 30 * _FINER), _fitting(title, _LARGE, _WIDTH - 2 * _MARGIN), _INK, _LARGE, "ls")
    draw.text((_MARGIN, 52 * _FINER), "pale: as logged, solid: exponential moving average", _MUTED, _SMALL, "ls")
    for at, (curve, down) in enumerate(zip(curves, downs, strict=True)):
        _draw_frame(draw, curve, across, down)
        _draw_curve(draw, curve, across, down, _COLOURS[at % len(_COLOURS)])
    for place, label in across.ticks():
        draw.text((place, bottom + 20 * _FINER), label, _MUTED, _SMALL, "ms")
    draw.text(((across.start + across.end) / 2, bottom + 42 * _FINER), "step", _MUTED, _SMALL, "ms")
    with atomic_file(target) as temporary:
        page.reduce(_FINER).save(temporary, "PNG")


def _curves(log: Path) -> list[_Curve]:
    if not log.is_file():
        return []
    points: defaultdict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            entry = _entry(line)
            step = entry.pop("step", None)
            entry.pop("images_per_second", None)
            if isinstance(step, float):
                for name, value in entry.items():
                    if isinstance(value, float):
                        points[name][0].append(step)
                        points[name][1].append(value)
    curves = (_curve(name, np.array(steps), np.array(values)) for name, (steps, values) in points.items())
    return [curve for curve in curves if len(curve.steps)][:_MOST_CURVES]


def _entry(line: str) -> dict[str, object]:
    try:
        entry = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _curve(name: str, steps: Numbers, values: Numbers) -> _Curve:
    drawable = (np.abs(steps) < _LARGEST) & (np.abs(values) < _LARGEST)
    # A step that was trained twice counts as it was the last time.
    steps, last = np.unique(steps[drawable][::-1], return_index=True)
    values = values[drawable][::-1][last]
    smooth, shown = _average(values), _shown(values, most=_WIDTH // _FINER)
    return _Curve(name, steps[shown], values[shown], smooth[shown])


def _average(values: Numbers) -> Numbers:
    """The exponential moving average, corrected at its beginning as Adam corrects its moments."""
    decay = 1 - 1 / max(1.0, len(values) * _AVERAGED_OVER)
    total = weight = 0.0
    averages = []
    for value in values.tolist():
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        averages.append(total / weight)
    return np.array(averages)


def _shown(values: Numbers, most: int) -> list[int]:
    """Where the points to draw are: the lowest and the highest of each stretch of a long curve, so no spike is lost."""
    if len(values) <= most:
        return list(range(len(values)))
    bounds = np.linspace(0, len(values), most // 2).astype(int).tolist()
    stretches = [(first, values[first:end]) for first, end in pairwise(bounds)]
    extremes = {first + int(place) for first, part in stretches for place in (part.argmin(), part.argmax())}
    return sorted(extremes | {len(values) - 1})


def _axis(
    numbers: Numbers, start: float, end: float, *, most: int, padding: float = 0.06, smallest: float = 0
) -> _Axis:
    """Make an axis that holds all numbers, with about ``most`` ticks at 1, 2 or 5 times a power of ten."""
    low, high = float(numbers.min()), float(numbers.max())
    largest = max(abs(low), abs(high))
    if high - low > max(largest * 1e-12, 1 / _LARGEST):
        around = padding * (high - low)
    else:
        # A number that stays the same has no range of its own.
        around = max(largest / 10, smallest) if largest > 1 / _LARGEST else 1.0
    low, high = low - around, high + around
    rough = max((high - low) / most, smallest)
    power = 10.0 ** math.floor(math.log10(rough))
    tick = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return _Axis(low, high, start, end, tick)


def _draw_frame(draw: ImageDraw.ImageDraw, curve: _Curve, across: _Axis, down: _Axis) -> None:
    for place, label in down.ticks():
        draw.line((across.start, place, across.end, place), _GRID, _FINER)
        draw.text((across.start - _GAP, place), label, _MUTED, _SMALL, "rm")
    for place, _ in across.ticks():
        draw.line((place, down.start, place, down.end), _GRID, _FINER)
    name = _fitting(curve.name, _MIDDLE, (across.end - across.start) * 0.75)
    draw.text((across.start, down.end - _GAP), name, _INK, _MIDDLE, "ls")
    draw.text((across.end, down.end - _GAP), f"latest {curve.values[-1]:,.4g}", _INK, _MIDDLE, "rs")


def _draw_curve(draw: ImageDraw.ImageDraw, curve: _Curve, across: _Axis, down: _Axis, colour: tuple[int, ...]) -> None:
    pale = tuple(255 - round((255 - part) * 0.4) for part in colour)
    steps = across.place(curve.steps)
    logged, solid = (list(zip(steps, down.place(each), strict=True)) for each in (curve.values, curve.smooth))
    draw.line(logged, pale, _FINER, joint="curve")
    draw.line(solid, colour, 2 * _FINER, joint="curve")
    draw.circle(solid[-1], 3.5 * _FINER, colour)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """One line of what can be printed of a text, cut short where it is wider than its room."""
    whole = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    ends = (whole[:length] + "..." for length in range(min(len(whole), 200), -1, -1))
    return whole if font.getlength(whole[:300]) <= room else next(end for end in ends if font.getlength(end) <= room)

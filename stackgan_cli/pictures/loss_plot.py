"""The losses of a run as one picture; matplotlib is imported when one is drawn, and not before."""

from __future__ import annotations

import json
import logging
import warnings
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import StackganError
from stackgan_cli.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

# Whole numbers become floats too, so that a number of a thousand digits is infinite, not an error.
_DECODER = json.JSONDecoder(parse_int=float)
_MOST_CURVES, _MOST_BYTES, _LARGEST = 16, 2_000_000, 1e300
_LONGEST_LINE = 1 << 16
# In inches; a panel is its axes, what stands above them, and the gap to the one above.
_WIDTH, _LEFT, _RIGHT, _ABOVE, _PANEL, _AXES, _BELOW = 9.0, 0.95, 0.15, 0.2, 1.8, 1.4, 0.45
_AVERAGED_OVER = 1 / 20  # of a curve's length
# Okabe and Ito, "Color Universal Design" (2008): told apart with every kind of colour vision; the darker ones first.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREY = dict.fromkeys(("xtick.color", "ytick.color", "axes.labelcolor", "axes.edgecolor"), "#6b6b6b")
_LOOKS = {"text.parse_math": False, "font.size": 9, "axes.grid": True, "grid.color": "#e6e6e6", **_GREY}


def draw_losses(log: Path, target: Path, title: str) -> None:
    """Draw the losses of a log below each other, all over the same steps and each on a scale of its own.

    Pale are the logged values, solid is their exponential moving average. Lines that are no whole entry and values that
    are no finite number are left out; where nothing remains, nothing is written. At most 16 curves are drawn, and of a
    log beyond 2 MB only every second, third ... line is read.

    Args:
        log: the ``log.jsonl`` of a run; all that it holds beside the steps, the speed and the size of the batches is a
            curve.
        target: the PNG file to write.
        title: printed on top.

    Raises:
        StackganError: the picture cannot be written, or matplotlib cannot be used.
    """
    curves = _curves(log)
    if not curves:
        return
    with plain_matplotlib(), atomic_file(target) as temporary:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        height = _ABOVE + _PANEL * len(curves) + _BELOW
        figure = Figure(figsize=(_WIDTH, height), dpi=120)
        figure.suptitle(printable(title), x=0.01, y=1 - 0.06 / height, ha="left", fontsize=13)
        # Every panel is placed here: matplotlib's own layouts take longer than all the drawing.
        panels = figure.subplots(len(curves), sharex=True, squeeze=False)[:, 0]
        for at, (axes, (name, points)) in enumerate(zip(panels, curves.items(), strict=True)):
            bottom = _BELOW + _PANEL * (len(curves) - 1 - at)
            axes.set_position((_LEFT / _WIDTH, bottom / height, 1 - (_LEFT + _RIGHT) / _WIDTH, _AXES / height))
            _draw_curve(axes, name, points, _COLOURS[at % len(_COLOURS)])
        panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
        panels[-1].xaxis.set_major_formatter("{x:,.12g}")
        panels[-1].set_xlabel("step (pale: as logged, solid: exponential moving average)")
        FigureCanvasAgg(figure).print_figure(temporary, format="png")


@contextmanager
def plain_matplotlib() -> Iterator[None]:
    """Matplotlib in its own defaults, whatever a person's ``matplotlibrc`` says, and silent about caches and fonts."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        try:
            import matplotlib.style
        except Exception as error:
            raise StackganError(
                f"Nothing can be plotted, because matplotlib does not start: {error}.",
                hint="Check the variable MPLBACKEND and the file matplotlibrc, or reinstall matplotlib.",
            ) from error
        with warnings.catch_warnings(action="ignore"), matplotlib.style.context(["default", _LOOKS]):
            yield
    finally:
        logger.setLevel(level)


def _draw_curve(axes: Axes, name: str, points: dict[float, float], colour: str) -> None:
    steps = sorted(points)
    values = [points[step] for step in steps]
    smooth = _average(values)
    axes.plot(steps, values, color=colour, alpha=0.35, linewidth=0.8)
    axes.plot(steps, smooth, color=colour, linewidth=1.6)
    axes.plot(steps[-1], smooth[-1], "o", color=colour, markersize=4)
    axes.spines[["right", "top"]].set_visible(False)
    axes.set_title(printable(name), loc="left", fontsize=10)
    axes.set_title(f"latest {values[-1]:,.4g}", loc="right", fontsize=9)


def _curves(log: Path) -> dict[str, dict[float, float]]:
    """Values by step, by name. A step that was trained twice counts as it was the last time."""
    curves: defaultdict[str, dict[float, float]] = defaultdict(dict)
    if log.is_file():
        with log.open(encoding="utf-8", errors="replace") as lines:
            # A longer line is none that this program wrote, and comes in pieces that are no whole entries.
            whole = iter(partial(lines.readline, _LONGEST_LINE), "")
            for line in islice(whole, 0, None, 1 + log.stat().st_size // _MOST_BYTES):
                entry = _entry(line)
                step = entry.pop("step", None)
                for other in ("images_per_second", "batch_size"):
                    entry.pop(other, None)
                for name, value in entry.items():
                    if _drawable(step) and _drawable(value):
                        curves[name][step] = value
    return dict(islice(curves.items(), _MOST_CURVES))


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _drawable(value: object) -> bool:
    return isinstance(value, float) and abs(value) < _LARGEST


def _average(values: list[float]) -> list[float]:
    """The exponential moving average, corrected at its beginning as Adam corrects its moments."""
    decay = 1 - 1 / max(1.0, len(values) * _AVERAGED_OVER)
    total = weight = 0.0
    averages = []
    for value in values:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        averages.append(total / weight)
    return averages


def printable(text: str) -> str:
    """As much of a text as a title holds, without what no font has."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:90])

"""What was asked for by what is seen, as one picture; matplotlib is imported when one is drawn, and not before."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from stackgan_cli.files import atomic_file
from stackgan_cli.pictures.loss_plot import plain_matplotlib, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

_MOST, _ACROSS, _PANEL = 24, 3, 3.6
"""Attributes that are drawn, and beside each other, and the side of each in inches."""
_NUMBERED = 12
"""Values of an attribute up to which there is room for numbers."""


def draw_confusion(counts: Mapping[str, tuple[Sequence[str], Sequence[Sequence[int]]]], target: Path) -> None:
    """Draw counts of each attribute as a square, shaded by the share of what was asked for; at most 24 attributes.

    Args:
        counts: by attribute its values, and for each of them as it was asked for how often each was seen.
        target: the PNG file to write.

    Raises:
        StackganError: the picture cannot be written, or matplotlib cannot be used.
    """
    with plain_matplotlib(), atomic_file(target) as temporary:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        drawn = dict(islice(counts.items(), _MOST))
        across = min(_ACROSS, len(drawn))
        down = -(-len(drawn) // across)
        figure = Figure(figsize=(across * _PANEL, down * _PANEL), dpi=100, layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (name, (values, table)) in zip(panels, drawn.items(), strict=False):
            _draw_panel(axes, name, values, table)
        for axes in panels[len(drawn) :]:
            axes.set_axis_off()
        figure.supxlabel("seen", fontsize=10)
        figure.supylabel("asked for", fontsize=10)
        FigureCanvasAgg(figure).print_figure(temporary, format="png")


def _draw_panel(axes: Axes, name: str, values: Sequence[str], table: Sequence[Sequence[int]]) -> None:
    shares = [[count / max(sum(row), 1) for count in row] for row in table]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set_title(printable(name), loc="left", fontsize=10)
    words = [printable(value)[:16] for value in values]
    axes.set_xticks(range(len(values)), words, rotation=90, fontsize=7)
    axes.set_yticks(range(len(values)), words, fontsize=7)
    if len(values) > _NUMBERED:
        return
    for row, counted in enumerate(table):
        for column, count in enumerate(counted):
            if count:
                colour = "white" if shares[row][column] > 0.5 else "#222222"
                axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=7, color=colour)

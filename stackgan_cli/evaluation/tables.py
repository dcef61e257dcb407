"""Results as people read them, in tables of text: a line for each metric, or for each thing that one tells of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.evaluation.results import Measurement, MetricFacts, Results

_ARROWS = {"lower": "↓", "higher": "↑"}
_SMALL = 0.01
"""Numbers below it are written by their digits, wherever these stand."""


@dataclass(frozen=True, slots=True)
class Table:
    """Text by line and column."""

    title: str
    columns: Sequence[str]
    lines: Sequence[tuple[str, Sequence[str]]]
    """Each with its name."""


def headline(results: Results) -> Table:
    """All metrics of all sets of pictures."""
    lines = [
        (metric_name(facts), [shown(row.metrics.get(name)) for row in results.rows])
        for name, facts in results.metrics.items()
    ]
    return Table("Numbers", [row.pictures for row in results.rows], lines)


def single_things(results: Results) -> list[Table]:
    """A table for each metric that tells of single things, with a column for each set of pictures that it concerns."""
    tables = []
    for name, facts in results.metrics.items():
        rows = {row.pictures: row.metrics[name] for row in results.rows if name in row.metrics}
        parts = dict.fromkeys(part for measured in rows.values() for part in measured.parts)
        lines = [(part.replace("_", " "), [shown(each.parts.get(part)) for each in rows.values()]) for part in parts]
        if lines:
            tables.append(Table(f"{facts.title[0].upper()}{facts.title[1:]}, one by one", list(rows), lines))
    return tables


def metric_name(facts: MetricFacts) -> str:
    """The title of a metric, with an arrow that points to what is better, and under it its short name if it has one."""
    return f"{facts.title} {_ARROWS[facts.better]}\n{facts.short_name}".rstrip()


def shown(measured: Measurement | None) -> str:
    """A number with its deviation beside and its interval under it; empty where there is none."""
    if measured is None or measured.value is None:
        return ""
    if measured.of is not None:
        form = "{:.1%}"
    else:
        size = abs(measured.value)
        form = "{:.2f}" if size >= 1 else "{:.4f}" if size >= _SMALL else "{:.3g}"
    text = _number(measured.value, form)
    if measured.deviation is not None:
        text += f" ± {_number(measured.deviation, form)}"
    if measured.interval is not None:
        text += "\n{}-{}".format(*(form.format(end).rstrip("%") for end in measured.interval))
    return text


def _number(number: float, form: str) -> str:
    """A number in a form, or by its first digits where that form has none of them."""
    text = form.format(number)
    return text if number == 0 or "%" in text or any(digit in "123456789" for digit in text) else f"{number:.2g}"

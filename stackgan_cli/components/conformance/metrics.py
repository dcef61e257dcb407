"""Checks of metrics."""

from __future__ import annotations

import json
from typing import Any

import torch

from stackgan_cli.components.conformance.fitting import COLOURS
from stackgan_cli.components.conformance.subject import Notebook, Subject, require, seeded
from stackgan_cli.components.protocols import METRIC_NEEDS, Observed, Texts

COUNT, WIDTH = 120, 6


def _observed(seed: int) -> Observed:
    draw = torch.Generator().manual_seed(seed)
    colours = [COLOURS[int(at)] for at in torch.randint(len(COLOURS), (COUNT,), generator=draw)]
    features, logits = torch.randn(2, COUNT, WIDTH, generator=draw)
    return Observed(features, logits, {"colour": colours})


def _texts() -> Texts:
    """Captions of as many classes, with everything that may be known of them."""
    colours = [COLOURS[at % len(COLOURS)] for at in range(COUNT)]
    return Texts(
        captions=[f"a {colour} bird, number {at}" for at, colour in enumerate(colours)],
        features=_observed(3).features,
        truth=[{"colour": colour} for colour in colours],
        stated=[["colour"]] * COUNT,
        classes=range(COUNT),
    )


class _MetricRun:
    def __init__(self, subject: Subject) -> None:
        self.metric: Any = subject.build()

    def members(self) -> str:
        title, better, needs = (getattr(self.metric, name, None) for name in ("title", "better", "needs"))
        require(isinstance(title, str) and bool(title), f"title is {title!r}; it should head a column")
        require(better in ("lower", "higher"), f"better is {better!r}; it should be lower or higher")
        require(isinstance(needs, frozenset), f"needs is {needs!r}; it should be a frozenset")
        unknown = sorted(map(str, (needs or frozenset()) - METRIC_NEEDS.keys()))
        require(not unknown, f"it needs {', '.join(unknown)}; there are {', '.join(METRIC_NEEDS)}")
        return f"{title}, {better} is better"

    def measure(self, noise: int = 1) -> str:
        with seeded(noise):
            before = torch.get_rng_state()
            found = self.metric.measure(_observed(1), _observed(2), _texts(), 5)
            require(torch.equal(before, torch.get_rng_state()), "it draws from torch's default generator")
        return json.dumps(dict(found), sort_keys=True, allow_nan=False)

    def value(self) -> str:
        found = json.loads(self.measure())
        value = found.get("value")
        require(type(value) in (int, float), f"value is {value!r}; it should be a number")
        interval = found.get("interval")
        require(interval is None or interval[0] <= value <= interval[1], f"{value} is outside of {interval}")
        return f"value={value:.4g}"

    def repeats(self) -> None:
        require(self.measure(1) == self.measure(2), "the same seed gives another result")


def check_metric(notebook: Notebook, subject: Subject) -> None:
    """Check a metric on made-up pictures of which everything is known."""
    run = _MetricRun(subject)
    if notebook.run("title, better, needs", run.members) and notebook.run("measures", run.value):
        notebook.run("equal seeds, equal results", run.repeats)

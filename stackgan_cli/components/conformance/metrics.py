"""Checks of metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from stackgan_cli.components.conformance.modules import run_twice
from stackgan_cli.components.conformance.samples import drawn
from stackgan_cli.components.conformance.subject import Notebook, Subject, accept, require
from stackgan_cli.components.protocols import CAPTION_NEEDS, AttributeProbabilities, Observation, Texts
from stackgan_cli.components.results import metric_fault

_PICTURES, _WIDTH, _CLASSES = 128, 8, 4
_MEMBERS = ("logits", "attributes", "probabilities", "repeats", "training")
_COLOURS = ("red", "blue", "yellow", "white")


def _observed(*, fitting: bool) -> Observation:
    """Random pictures: those that fit :func:`_texts` and the real ones, or others that have nothing to do with them.

    Of a caption, drawings that fit differ, and the others hardly.
    """
    kinds = torch.arange(_PICTURES) % _CLASSES
    seen = kinds if fitting else (kinds + 1) % _CLASSES
    features = drawn(21, _PICTURES, _WIDTH)
    logits = drawn(23, _PICTURES, _CLASSES) + 8 * torch.eye(_CLASSES)[seen]
    return Observation(
        features if fitting else drawn(22, _PICTURES, _WIDTH) + 5,
        logits=logits,
        attributes={"colour": [_COLOURS[kind] for kind in seen.tolist()]},
        probabilities=AttributeProbabilities([("colour", name) for name in _COLOURS], logits.log_softmax(1)),
        repeats=drawn(24, _PICTURES // 8, 4, _WIDTH) * (1.0 if fitting else 0.01)
        + drawn(25, _PICTURES // 8, 1, _WIDTH),
        training=drawn(26, _PICTURES, _WIDTH),
    )


def _texts() -> Texts:
    kinds = (torch.arange(_PICTURES) % _CLASSES).tolist()
    return Texts(
        [f"a {_COLOURS[kind]} bird, number {number}" for number, kind in enumerate(kinds)],
        features=drawn(21, _PICTURES, _WIDTH),
        truth=[{"colour": _COLOURS[kind]} for kind in kinds],
        stated=[["colour"]] * _PICTURES,
        classes=range(_PICTURES),
    )


class _MetricRun:
    def __init__(self, subject: Subject) -> None:
        self.metric: Any = subject.build()

    def members(self) -> str:
        accept(metric_fault(self.metric))
        return f"{self.metric.title}, {self.metric.better} is better"

    def measure(self, *, fitting: bool = True, texts: Texts | None = None) -> Mapping[str, Any]:
        """Measure with what the metric needs and with nothing else."""
        needs = self.metric.needs

        def shown(observed: Observation) -> Observation:
            kept = {name: getattr(observed, name) for name in _MEMBERS if name in needs}
            return Observation(observed.features, **kept)

        real = shown(_observed(fitting=True)) if needs & {"real", "statistics"} else None
        words = (texts or _texts()) if needs & CAPTION_NEEDS else None
        pictures = shown(_observed(fitting=fitting))
        if "training" in needs and not fitting:
            # What learnt the training pictures by heart.
            pictures = replace(pictures, features=drawn(26, _PICTURES, _WIDTH))
        result = self.metric.measure(pictures, real, words, 5)
        require(isinstance(result, Mapping), f"measure returns {type(result).__name__} instead of a mapping")
        found: Mapping[str, Any] = result
        return found

    def numbers(self) -> str:
        found = self.measure()
        if "value" not in found:
            return f"it says nothing of {_PICTURES} pictures. {found.get('reason', '')}".strip()
        value = found.get("value")
        number = isinstance(value, float) and math.isfinite(value)
        require(number, f"value is {value!r}; it should be a finite float")
        if "interval" in found:
            low, high = found["interval"]
            require(low <= high, f"interval is {found['interval']!r}; it should be low, high")
        deviation = found.get("deviation", 0.0)
        require(deviation >= 0, f"deviation is {deviation!r}, which no deviation is")
        try:
            json.dumps(dict(found), allow_nan=False)
        except (TypeError, ValueError) as error:
            require(False, f"JSON cannot hold what it measures: {error}")
        return f"value={value:.4g}"

    def repeats(self) -> None:
        one, other = run_twice(lambda: json.dumps(dict(self.measure()), sort_keys=True), "seed one of its own")
        require(one == other, f"one seed gives two results: {one[:80]} and {other[:80]}")

    def bare_texts(self) -> None:
        """Features, attributes and classes of texts are there where the data or the extractor has them."""
        self.measure(texts=Texts(_texts().captions))

    def better(self) -> str:
        good, bad = (self.measure(fitting=fitting).get("value") for fitting in (True, False))
        if good is None or bad is None:
            return "it says nothing of these pictures"
        right = good < bad if self.metric.better == "lower" else good > bad
        told = f"pictures that fit measure {good:.4g}, others that do not {bad:.4g}"
        require(right, f"{told}, though {self.metric.better} is better")
        return told


def check_metric(notebook: Notebook, subject: Subject) -> None:
    """Check a metric on random pictures and texts."""
    run = _MetricRun(subject)
    if not notebook.run("title, better and needs", run.members) or not notebook.run("a finite value", run.numbers):
        return
    notebook.run("one seed, one result", run.repeats)
    if "texts" in run.metric.needs and not run.metric.needs & {"stated", "caption_features", "likeness"}:
        notebook.run("texts without features", run.bare_texts)
    if run.metric.needs & {"real", "statistics", "repeats", *CAPTION_NEEDS}:
        notebook.run("better is better", run.better)

"""Checks of components that learn from the data at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.modules import check_round_trip, same
from stackgan_cli.components.conformance.subject import Subject, require, seeded
from stackgan_cli.components.fitting import learnt_options

CAPTIONS = (
    "a small red bird with a short beak",
    "this bird is blue and has a long tail",
    "a yellow bird with black wings sits on a branch",
    "the large bird has a white belly",
)
COLOURS = ("red", "blue", "yellow", "white")
PICTURES = 8


class SampleData:
    """Eight small pictures in four classes, with two captions each: what ``fit`` gets in a check."""

    captions: Sequence[Sequence[str]] = [
        (CAPTIONS[index % 4], f"a {COLOURS[index % 4]} bird") for index in range(PICTURES)
    ]
    classes: Sequence[int] = [index % 4 for index in range(PICTURES)]
    attributes: Sequence[Mapping[str, str]] | None = [{"colour": COLOURS[index % 4]} for index in range(PICTURES)]

    stated: Sequence[Sequence[Sequence[str]]] | None = [[["colour"], ["colour"]] for _ in range(PICTURES)]

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Draw plain pictures whose brightness tells their class; uint8 (batch, 3, resolution, resolution)."""
        levels = torch.tensor([index % 4 * 60 for index in indices], dtype=torch.uint8)
        return levels[:, None, None, None].expand(-1, 3, resolution, resolution).contiguous()


def fit(component: Any) -> dict[str, float]:
    """Fit a component to the sample data and check what it returns and reports."""
    reports: list[tuple[int, int, str]] = []

    def report(done: int, total: int, words: str) -> None:
        reports.append((done, total, words))

    measured = component.fit(SampleData(), seed=3, report=report)
    require(isinstance(measured, dict), f"fit returns {type(measured).__name__}, not a dict of measurements")
    wrong = [name for name, value in measured.items() if not isinstance(name, str) or type(value) not in (int, float)]
    require(not wrong, f"fit measures {wrong[:2]}, which is no number by name")
    for done, total, words in reports:
        fine = isinstance(done, int) and isinstance(total, int) and 0 <= done <= total and isinstance(words, str)
        require(fine, f"fit reports {(done, total, words)!r}; it should be done, total, words")
    return dict(measured)


def check_fit(subject: Subject, run: Callable[[Any], Tensor]) -> str:
    """Fitting repeats itself under a seed, and what was learnt survives saving and loading."""
    results = []
    fitted: Any = None
    measured: dict[str, float] = {}
    for noise in (1, 2):
        fitted = subject.build(seed=9)
        require(
            isinstance(fitted, nn.Module), "what it learns cannot be saved: a component with fit is a torch.nn.Module"
        )
        with seeded(noise):
            measured = fit(fitted)
        fitted.eval()
        results.append(run(fitted))
    same(results[0], results[1], "fitting twice with one seed gives different results; draw from a seeded generator")
    options = {**subject.options, **learnt_options(fitted)}
    check_round_trip(replace(subject, options=options), fitted, run)
    return ", ".join(f"{name}={value:.3g}" for name, value in measured.items())

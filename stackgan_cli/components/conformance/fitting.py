"""Checks of components that learn from the data at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from stackgan_cli.components.conformance.modules import check_round_trip, same
from stackgan_cli.components.conformance.samples import SampleData
from stackgan_cli.components.conformance.subject import Subject, require, seeded
from stackgan_cli.components.fitting import fit as host_fit
from stackgan_cli.components.fitting import learnt_options


def fit(component: Any, subject: Subject) -> dict[str, float]:
    """Fit a component to the sample data and check what it returns and reports."""
    reports: list[tuple[int, int, str]] = []

    def report(done: int, total: int, words: str) -> None:
        reports.append((done, total, words))

    measured = host_fit(component, subject.described, SampleData(subject.host), seed=3, report=report)
    wrong = [name for name, value in measured.items() if not isinstance(name, str) or type(value) not in (int, float)]
    require(not wrong, f"fit measures {wrong[:2]}, which is no number by name")
    for done, total, words in reports:
        fine = isinstance(done, int) and isinstance(total, int) and 0 <= done <= total and isinstance(words, str)
        require(fine, f"fit reports {(done, total, words)!r}; it should be done, total, words")
    return measured


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
            measured = fit(fitted, subject)
        fitted.eval()
        results.append(run(fitted))
    same(
        results[0],
        results[1],
        "fitting twice with one seed gives different results; draw from torch's generators",
    )
    options = {**subject.options, **learnt_options(fitted)}
    check_round_trip(replace(subject, options=options), fitted, run)
    return ", ".join(f"{name}={value:.3g}" for name, value in measured.items())

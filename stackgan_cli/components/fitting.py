"""Fitting a component to data, under a seed, with whatever it raises laid at its door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import blaming
from stackgan_cli.components.protocols import Fits, LearnsOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stackgan_cli.components.protocols import FittingData


def fit(
    component: Any, described: str, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]
) -> dict[str, float]:
    """Fit a component that learns from data; one that does not is left as it is.

    Args:
        component: an encoder, an extractor or an objective.
        described: it, for the beginning of a sentence.
        data: the training split.
        seed: of everything random, torch's default generator included, which is left as it was before.
        report: told steps done, steps in all and a few words.

    Returns:
        What it measured of itself.

    Raises:
        ComponentError: it fails.
    """
    if not isinstance(component, Fits):
        return {}
    import torch

    with torch.random.fork_rng(devices=[]), blaming(described, "being fitted"):
        torch.manual_seed(seed)
        return dict(component.fit(data, seed=seed, report=report))


def learnt_options(component: Any) -> Mapping[str, Any]:
    """Options that fitting found out, with which a saved copy must be built."""
    return component.learnt_options if isinstance(component, LearnsOptions) else {}

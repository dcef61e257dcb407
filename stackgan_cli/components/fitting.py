"""Fitting a component to data: under a seed, with whatever it raises laid at its door, once for all that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import blaming
from stackgan_cli.components.protocols import Fits, LearnsOptions
from stackgan_cli.components.storage import CONFIG, load_component, save_component
from stackgan_cli.files import atomic_folder
from stackgan_cli.manifests import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stackgan_cli.components.binding import Binding
    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.components.protocols import FittingData

CARD = "card.json"
"""What was measured of a fitted component, and of what it was fitted to."""


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


def fitted_once(
    bound: Binding,
    folder: Path,
    data: FittingData,
    *,
    weights_seed: int,
    card: Mapping[str, Any],
    seed: int,
    report: Callable[[int, int, str], None],
    keep: bool = True,
) -> tuple[Any, ComponentEntry, dict[str, Any]]:
    """Load what was fitted earlier, or fit it now and keep it; what learns nothing from data is only built.

    Args:
        bound: the component with its options.
        folder: where it is kept; its name must tell the component, its options and the data apart from others.
        data: the training split.
        weights_seed: of the weights that it begins with.
        card: what to write down beside its measurements.
        seed: of everything random in fitting.
        report: told steps done, steps in all and a few words.
        keep: whether what is fitted now is kept.

    Returns:
        The component in evaluation mode, its entry, and its card.

    Raises:
        ComponentError: it cannot be built, or fails.
        ModelError: what was kept is damaged.
    """
    if (folder / CONFIG).is_file():
        component, entry = load_component(bound.kind, folder)
        return component, entry, read_json(folder / CARD)
    from torch import nn

    component = bound.build(seed=weights_seed)
    described = dict(card)
    if isinstance(component, Fits):
        described |= fit(component, bound.described, data, seed=seed, report=report)
        if keep:
            with atomic_folder(folder) as target:
                save_component(target, bound.entry(learnt_options(component)), component)
                write_json(target / CARD, described)
    if isinstance(component, nn.Module):
        component.eval()
    return component, bound.entry(learnt_options(component)), described

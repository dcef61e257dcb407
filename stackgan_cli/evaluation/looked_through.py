"""Which feature extractors a model's training looked through: the same ones say too much good of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.components.binding import options_of
from stackgan_cli.components.component import Kind
from stackgan_cli.components.registry import find
from stackgan_cli.errors import StackganError
from stackgan_cli.models.folder import SETTINGS
from stackgan_cli.recipes.loading import load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.recipes.schema import ComponentChoice


def looked_through(model: ModelFolder) -> dict[str, str]:
    """Feature extractors that discriminators and objectives of a model's training looked through.

    They are what stands in the option ``features``, as of ``projected`` and of ``matching``.

    Args:
        model: as far as it keeps the settings of its training; of others nothing is known.

    Returns:
        Names of components that looked, by the ``package:name`` of the extractor.
    """
    found: dict[str, str] = {}
    for stage in model.stages:
        path = model.folder / "training" / f"stage{stage}" / SETTINGS
        try:
            recipe = load_recipe(str(path), stage)
        except StackganError:
            continue
        settings = recipe.stage1 if stage == 1 else recipe.stage2
        if settings is None:
            continue
        for kind, choices in ((Kind.DISCRIMINATOR, settings.judges), (Kind.OBJECTIVE, settings.objectives)):
            for name, extractor in _looking(kind, choices):
                found.setdefault(extractor, name)
    return found


def _looking(kind: Kind, choices: tuple[ComponentChoice, ...]) -> Iterator[tuple[str, str]]:
    """Names of components, and the extractor that each looks through."""
    for choice in choices:
        try:
            component = find(kind, choice.name)
            usual = {option.name: option.default for option in options_of(component)}.get("features")
            features = choice.options.get("features", usual)
            if isinstance(features, str):
                yield component.name, find(Kind.FEATURE_EXTRACTOR, features).full_name
        except StackganError:
            # What is not installed here any more cannot be asked.
            continue

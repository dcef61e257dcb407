"""What a shell offers behind an option: names that are here, found without importing torch or anybody's component.

A shell that asks is in the middle of a line, so whatever goes wrong here offers nothing and says nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ParamSpec, get_args

import typer

if TYPE_CHECKING:
    from stackgan_cli.components.component import Kind, Offer

Given = ParamSpec("Given")


def _quietly(names: Callable[Given, Iterable[str]]) -> Callable[Given, list[str]]:
    @functools.wraps(names)
    def offered(*args: Given.args, **keywords: Given.kwargs) -> list[str]:
        try:
            # What a terminal obeys is no name that anybody types.
            return [name for name in dict.fromkeys(names(*args, **keywords)) if name.isprintable()]
        except Exception:
            return []

    return offered


@_quietly
def complete_model() -> Iterable[str]:
    """Names of models: those of the home folder, those that packages bring, and those fetched from the Hub."""
    from stackgan_cli.components.resources import resources
    from stackgan_cli.home import MANIFEST, names
    from stackgan_cli.models.fetching import hub_names
    from stackgan_cli.models.finding import BUNDLED, GROUP

    mine = names("models", MANIFEST)
    # In the home folder a name means another model.
    return [*mine, *(name for name in _short(resources(GROUP)) if name not in mine), *hub_names(), BUNDLED]


@_quietly
def complete_data() -> Iterable[str]:
    """Names of prepared data."""
    from stackgan_cli.home import DATA_MANIFEST, names

    return names("data", DATA_MANIFEST)


def complete_anything() -> list[str]:
    """Names of models and of prepared data."""
    return list(dict.fromkeys([*complete_model(), *complete_data()]))


@_quietly
def complete_recipe() -> Iterable[str]:
    """Names of recipes."""
    from stackgan_cli.recipes.finding import recipes

    return sorted(_short(recipes()))


@_quietly
def complete_protocol() -> Iterable[str]:
    """Names of protocols."""
    from stackgan_cli.evaluation.protocols.protocol import protocol_names

    return protocol_names()


@_quietly
def complete_crop() -> Iterable[str]:
    """Names of crop rules."""
    from stackgan_cli.pictures.cropping import CropRule

    return get_args(CropRule)


@_quietly
def complete_checkpoint(context: typer.Context) -> Iterable[str]:
    """Checkpoints of the model, and of the stage, that stand on the line."""
    from stackgan_cli.models.fetching import hub_names, is_hub_name
    from stackgan_cli.models.finding import find_model

    name = context.params.get("model")
    if name is not None and is_hub_name(name) and name not in hub_names():
        return ()  # nothing is fetched while somebody types
    model = find_model(name)
    stage = context.params.get("stage") or model.stages[-1]
    return model.checkpoints(stage)


@_quietly
def complete_encoder_of_data(context: typer.Context) -> Iterable[str]:
    """Text encoders of the data that stands on the line; without any, all that are installed."""
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.home import existing_data

    data = context.params.get("data")
    if data is None:
        return complete_encoder()
    return read_manifest(existing_data(data)).encoders


@_quietly
def complete_generator(context: typer.Context) -> Iterable[str]:
    """Generators of the stage that the command trains."""
    from stackgan_cli.components.component import Kind

    return _names(Kind.STAGE2_GENERATOR if str(context.info_name).endswith("2") else Kind.STAGE1_GENERATOR)


@_quietly
def complete_component(context: typer.Context) -> Iterable[str]:
    """Components of the kind that stands on the line, or of every kind."""
    from stackgan_cli.components.component import Kind
    from stackgan_cli.components.registry import available

    wanted = context.params.get("kind")
    kinds = Kind if wanted is None else [Kind.parse(wanted)]
    return sorted(name for kind in kinds for name in _short(available(kind)))


def _of(kind: str) -> Callable[[], list[str]]:
    """Make the function that completes the names of one kind of component."""

    @_quietly
    def complete() -> Iterable[str]:
        from stackgan_cli.components.component import Kind

        return _names(Kind[kind])

    return complete


complete_encoder = _of("TEXT_ENCODER")
complete_discriminator = _of("DISCRIMINATOR")
complete_reader = _of("DATASET_READER")
complete_extractor = _of("FEATURE_EXTRACTOR")
complete_metric = _of("METRIC")


def complete_device() -> list[str]:
    """What people call devices; which of them are here, only torch knows."""
    return ["auto", "cpu", "gpu", "cuda", "mps"]


def complete_precision() -> list[str]:
    """Precisions."""
    return ["auto", "float32", "bfloat16"]


def complete_format() -> list[str]:
    """Formats of pictures."""
    return ["png", "jpeg", "webp", "avif"]


def _names(kind: Kind) -> list[str]:
    from stackgan_cli.components.registry import available

    return sorted(_short(available(kind)))


def _short(offers: Iterable[Offer]) -> set[str]:
    """Bare names, and full ones where two packages offer one name and neither is this package."""
    offers = list(offers)
    bare = [each.name for each in offers]
    built_in = {each.name for each in offers if each.built_in}
    return {each.name if bare.count(each.name) == 1 or each.name in built_in else each.full_name for each in offers}

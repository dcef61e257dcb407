"""Published checkpoints made into a model folder that draws the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import StandsForFeatures, TakesPublished
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import load_weights, save_component
from stackgan_cli.errors import ComponentError, ModelError, SettingsError, UsageError
from stackgan_cli.files import atomic_folder
from stackgan_cli.formats.torch_weights import read_torch_weights
from stackgan_cli.generators.published import holds_both_stages
from stackgan_cli.models.card import write_card
from stackgan_cli.models.finding import find_model, folder_to_write
from stackgan_cli.models.folder import STAGES, TEXT_ENCODER, ModelFolder, hash_of, save_stage, save_text_encoder
from stackgan_cli.models.manifest import DataRecord, StageRecord
from stackgan_cli.recipes.loading import load_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.recipes.schema import Recipe

PUBLISHED_RECIPE = "port"
"""The recipe whose networks are those of the authors' PyTorch code."""
_UNREAD = "precomputed"
"""The text encoder of a model whose own was not given."""
_HOST = ("text_width", "resolution", "input_resolution")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """What to convert, and to what."""

    generator: Path
    """Weights of Stage-I, or of Stage-II with Stage-I inside, as the published code saves them."""
    name: str
    """Name of the model, or the path of its folder; it must be free."""
    encoder: Path | None = None
    """Weights of the text encoder; without them the model draws from ready text features alone."""
    encoder_from: str | None = None
    """Name or path of a model whose text encoder is taken instead."""
    discriminator: Path | None = None
    """Weights of the last stage's discriminator, for training on from there."""
    recipe: str = PUBLISHED_RECIPE
    """Names the components that take the weights."""


@dataclass(frozen=True, slots=True)
class _Network:
    """A network that holds published weights, and the entry that builds it again."""

    network: nn.Module
    entry: ComponentEntry


def convert(request: ConvertRequest) -> ModelFolder:
    """Make a model folder of published weights.

    Raises:
        UsageError: the name is taken or means the bundled model, or two text encoders are given.
        ModelError: a file cannot be read, or its weights are another network's.
        SettingsError: the recipe names no components that take published weights.
        ComponentError: a component is not installed.
        StackganError: a file cannot be written, or something comes to have the name meanwhile.
    """
    target = folder_to_write(request.name)
    if target.exists():
        raise UsageError(f"There is something at {target} already, and it stays.", hint="--name with another name")
    if request.encoder is not None and request.encoder_from is not None:
        raise UsageError("A model has one text encoder.", hint="either --encoder or --encoder-from")
    recipe = load_recipe(request.recipe)
    stages = _generators(recipe, read_torch_weights(request.generator), request.generator)
    width = stages[1].entry.shapes["text_width"]
    judge = None if request.discriminator is None else _discriminator(recipe, max(stages), request.discriminator)
    with atomic_folder(target, new=True) as folder:
        _save_encoder(folder, request, recipe, width)
        for stage, made in stages.items():
            beside = {"discriminator": (judge.network, judge.entry)} if judge and stage == max(stages) else {}
            settings = recipe.stage1 if stage == 1 else recipe.stage2
            record = StageRecord(
                generator=made.entry,
                recipe=request.recipe,
                resolution=made.entry.shapes["resolution"],
                condition="sample" if settings is None else settings.draw_condition,
                stage1=hash_of(folder / "stage1") if stage == 2 else None,
                converted=request.generator.name,
            )
            data = DataRecord(name=target.name)
            save_stage(folder, stage, record, generator=made.network, beside=beside, data=data)
    model = ModelFolder(target)
    # The card of the unfinished folder bore that folder's name.
    write_card(target, model.manifest)
    return model


def _generators(recipe: Recipe, weights: Mapping[str, Tensor], file: Path) -> dict[int, _Network]:
    """Build Stage-I, and Stage-II where the weights hold one."""
    made = {}
    for stage, settings in ((1, recipe.stage1), (2, recipe.stage2)):
        if settings is None:
            raise SettingsError(f"The recipe has no Stage-{'I' * stage}.", hint=f"--recipe {PUBLISHED_RECIPE}")
        try:
            made[stage] = _rebuilt(STAGES[stage], settings.generator.name, weights, str(file))
        except _ForeignError:
            if stage == 1 or holds_both_stages(weights):
                raise
    return made


class _ForeignError(ModelError):
    """The weights are another network's."""


def _rebuilt(kind: Kind, name: str, weights: Mapping[str, Tensor], what: str) -> _Network:
    component = find(kind, name)
    factory = component.factory()
    if not isinstance(factory, TakesPublished):
        raise SettingsError(
            f"{component.described} takes no published weights.", hint=f"--recipe {PUBLISHED_RECIPE}, or without it"
        )
    try:
        found = factory.published_options(weights)
        ours = factory.from_published(weights)
    except ModelError as error:
        raise _ForeignError(f"{what}: {error.message}", error.hint) from error
    host = {key: value for key, value in found.items() if key in _HOST}
    try:
        bound = component.bind(host, {key: value for key, value in found.items() if key not in _HOST})
        network = bound.build()
    except (SettingsError, ComponentError) as error:
        # The options were read off the weights, so it is these that cannot be.
        raise ModelError(
            f"{what} holds weights of shapes that fit no network of this kind. {error.message}",
            hint="the file as the published code saved it",
        ) from error
    load_weights(network, ours, what=what)
    return _Network(network.eval(), bound.entry())


def _discriminator(recipe: Recipe, stage: int, file: Path) -> _Network:
    settings = recipe.stage1 if stage == 1 else recipe.stage2
    assert settings is not None
    return _rebuilt(Kind.DISCRIMINATOR, settings.judges[0].name, read_torch_weights(file), str(file))


def _save_encoder(folder: Path, request: ConvertRequest, recipe: Recipe, width: int) -> None:
    """Put the text encoder into the model's folder.

    Raises:
        ModelError: it reads no sentences, or its sentence vectors are of another width than the generator reads.
    """
    if request.encoder_from is not None:
        model = find_model(request.encoder_from)
        encoder = model.text_encoder()
        if isinstance(encoder, StandsForFeatures):
            raise ModelError(
                f"The model {model.name!r} cannot read sentences either: it has no text encoder.",
                hint="--encoder-from with a model that can, or --encoder with the file of one",
            )
        _refuse_width(encoder.width, width, model.name)
        save_text_encoder(folder, model.encoder_folder)
        return
    network: Any
    if request.encoder is None:
        bound = find(Kind.TEXT_ENCODER, _UNREAD).bind(options={"width": width})
        network, entry = bound.build(), bound.entry()
    else:
        if recipe.encoder is None:
            raise ComponentError(f"The recipe {request.recipe!r} names no text encoder.", hint="--encoder-from MODEL")
        weights = read_torch_weights(request.encoder)
        made = _rebuilt(Kind.TEXT_ENCODER, recipe.encoder, weights, str(request.encoder))
        network, entry = made.network, made.entry
        _refuse_width(network.width, width, request.encoder.name)
    with atomic_folder(folder / TEXT_ENCODER) as place:
        save_component(place, entry, network)


def _refuse_width(given: int, wanted: int, what: str) -> None:
    if given != wanted:
        raise ModelError(
            f"The generator reads sentence vectors of width {wanted}, and those of {what} have {given}.",
            hint="the text encoder that it was trained with",
        )

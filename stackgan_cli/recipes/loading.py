"""From a recipe's name or file and ``--set`` options to checked settings: recipe <- extending file <- options."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from stackgan_cli.components.component import Kind
from stackgan_cli.components.key_values import parse_option
from stackgan_cli.components.registry import find
from stackgan_cli.errors import ComponentError, SettingsError
from stackgan_cli.files import read_bounded
from stackgan_cli.parsing import parse_toml
from stackgan_cli.recipes.finding import recipe_file
from stackgan_cli.recipes.schema import ComponentChoice, Recipe, StageSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Checked = TypeVar("Checked", bound=BaseModel)

_MOST_LAYERS = 10
_MOST_BYTES = 1 << 18
"""Of a recipe; ours have a hundredth of this."""
_EITHER = (("steps", "epochs"), ("discriminator", "discriminators"))
_RUN_FOLDER = re.compile(r"stage([12])(-old-\d+)?")


def load_recipe(name_or_path: str, stage: int = 1) -> Recipe:
    """Read a recipe by its name, or from a TOML file of one's own, together with what it extends.

    Args:
        name_or_path: a name, ``package:name``, or the path of a ``.toml`` file. The ``settings.toml`` of a run is a
            recipe for its stage alone.
        stage: that a ``settings.toml`` is for where the folder it lies in does not tell.

    Raises:
        SettingsError: there is no such recipe, or it says something that no recipe may say.
    """
    path = recipe_file(name_or_path)
    return check(Recipe, _layered(path, stage, ()), what=f"The recipe {path.name}")


def stage_settings(recipe: Recipe, stage: int, changes: Mapping[str, Any], options: Iterable[str]) -> StageSettings:
    """Settings of one stage of a recipe, with changes and then ``key=value`` options on top.

    Args:
        recipe: the recipe.
        stage: 1 or 2.
        changes: values for dotted keys, such as ``{"generator.name": "paper"}``; None leaves a setting as it is.
        options: ``key=value`` texts as people type them; values are TOML, or plain text.

    Raises:
        SettingsError: the recipe lacks that stage, a key is unknown, or a value is none that it takes.
        UsageError: an option is not of the form key=value.
    """
    chosen = recipe.stage1 if stage == 1 else recipe.stage2
    if chosen is None:
        raise SettingsError(
            f"There is nothing for Stage-{'I' * stage} in this recipe: {recipe.summary}.",
            hint="Name another recipe for this stage (stackgan recipes list).",
        )
    settings = chosen.model_dump()
    before = settings["objectives"]
    for key, value in [*((k, v) for k, v in changes.items() if v is not None), *map(parse_option, options)]:
        for part in reversed(key.split(".")):
            value = {part: value}  # noqa: PLW2901
        settings = merge(settings, value)
    alone = chosen.discriminators and settings.get("discriminator") is not None
    if alone and settings["objectives"] == before:
        # The recipe's objectives that concerned some of its discriminators concern the one that stands in their place.
        settings["objectives"] = [{**each, "discriminators": None} for each in settings["objectives"]]
    return check(StageSettings, settings, what="The settings")


def with_full_names(settings: StageSettings, stage: int) -> StageSettings:
    """Write every component of a stage as ``package:name``, which a second package of one bare name cannot change.

    A component that is not installed keeps the name that it has: whoever builds it says so.
    """

    def full(kind: Kind, choice: Any) -> Any:
        return choice.model_copy(update={"name": _full_name(kind, choice)})

    return settings.model_copy(
        update={
            "generator": full(Kind.STAGE1_GENERATOR if stage == 1 else Kind.STAGE2_GENERATOR, settings.generator),
            "discriminator": settings.discriminator and full(Kind.DISCRIMINATOR, settings.discriminator),
            "discriminators": tuple(full(Kind.DISCRIMINATOR, choice) for choice in settings.discriminators),
            "objectives": tuple(full(Kind.OBJECTIVE, choice) for choice in settings.objectives),
        }
    )


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others: tables are merged, lists and all else replaced.

    Another ``name`` takes the options of the component before with it; ``steps`` and ``epochs`` replace each other, and
    so do ``discriminator`` and ``discriminators``.
    """
    merged = dict(base)
    if over.get("name", base.get("name")) != base.get("name"):
        merged.pop("options", None)
    for one, other in _EITHER:
        if one in over or other in over:
            merged.pop(other if one in over else one, None)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: it cannot be read or is no TOML.
    """
    try:
        return parse_toml(read_bounded(path, _MOST_BYTES).decode())
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no readable TOML file: it is not UTF-8.", hint="Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise SettingsError(
            f"{path} is no readable TOML file: {reason}.", hint="Mend that line, or name another."
        ) from error


def check(schema: type[Checked], values: Mapping[str, Any], *, what: str) -> Checked:
    """Check values against a schema.

    Raises:
        SettingsError: naming the first wrong key, why, and what it may be instead.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the settings"
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            beside, wanted = _schema_at(schema, first["loc"][:-1]), str(first["loc"][-1])
            siblings = list(beside.model_fields)
            close = difflib.get_close_matches(wanted, siblings, n=1) or _places_of(beside, wanted)
            hint = f"did you mean {' or '.join(close)}?" if close else f"one of: {', '.join(siblings)}"
            raise SettingsError(f"{what} cannot have {where!r}: there is no such setting.", hint=hint) from error
        if first["type"] == "missing":
            raise SettingsError(f"{what} lacks {where}, which nothing stands in for.", hint=f"Give {where}.") from error
        shown = repr(first["input"])
        shown = shown if len(shown) <= 200 else f"{shown[:200]} ..."
        raise SettingsError(f"{what} cannot have {where} = {shown}: {reason}.", hint=f"Change {where}.") from error


def _full_name(kind: Kind, choice: ComponentChoice) -> str:
    """``package:name`` of a component, where it is installed."""
    try:
        return find(kind, choice.name).full_name
    except ComponentError:
        return choice.name


def _layered(path: Path, stage: int, above: tuple[Path, ...]) -> dict[str, Any]:
    """The values of a recipe file, laid over those that it extends."""
    if path in above:
        raise SettingsError(f"{path} extends itself, by way of {above[-1]}.", hint="Take one 'extends' out.")
    if len(above) >= _MOST_LAYERS:
        raise SettingsError(
            f"{above[0]} extends a recipe that extends another, more than {_MOST_LAYERS} deep.",
            hint="Write what the recipes in between say into fewer files.",
        )
    values = _as_recipe(read_toml(path), path, stage)
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise SettingsError(f"{path} extends {base!r}.", hint="extends = a recipe's name, or the path of a .toml file")
    try:
        below = recipe_file(base, path.parent)
    except SettingsError as error:
        raise SettingsError(f"{path} extends what is not there. {error.message}", error.hint) from error
    return merge(_layered(below, stage, (*above, path)), values)


def _as_recipe(values: dict[str, Any], path: Path, stage: int) -> dict[str, Any]:
    """Make the settings of one stage, as a run keeps them, a recipe for that stage."""
    if values.keys() & {"extends", *Recipe.model_fields} or not values.keys() & StageSettings.model_fields.keys():
        return values
    run = _RUN_FOLDER.fullmatch(path.parent.name)
    return {"summary": f"the settings in {path}", f"stage{run.group(1) if run else stage}": values}


def _schema_at(schema: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    for part in location:
        if isinstance(part, str):
            schema = _model_in(schema.model_fields[part].annotation) or schema
    return schema


def _places_of(schema: type[BaseModel], wanted: str) -> list[str]:
    """Dotted keys of settings of about this name within the tables of a schema, such as those of the two optimisers."""
    places = []
    for name, each in schema.model_fields.items():
        model = None if _is_list(each.annotation) else _model_in(each.annotation)
        if model is not None:
            found = [*difflib.get_close_matches(wanted, model.model_fields, n=1), *_places_of(model, wanted)]
            places += [f"{name}.{key}" for key in found]
    return places


def _is_list(annotation: Any) -> bool:
    return any(get_origin(each) in (list, tuple) for each in (annotation, *get_args(annotation)))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as ``StageSettings | None`` or ``list[ComponentChoice]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)

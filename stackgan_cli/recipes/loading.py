"""From a recipe's name or file and ``--set`` options to checked settings: recipe <- file <- options."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from stackgan_cli.components.binding import parse_option
from stackgan_cli.errors import SettingsError
from stackgan_cli.recipes.schema import Recipe, StageSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Checked = TypeVar("Checked", bound=BaseModel)

_FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by its name, or from a TOML file of one's own.

    Raises:
        SettingsError: there is no such recipe, or it says something that no recipe may say.
    """
    path = _FOLDER / f"{name_or_path}.toml"
    if name_or_path not in recipe_names():
        path = Path(name_or_path).expanduser()
        if path.suffix != ".toml" or not path.is_file():
            raise SettingsError(
                f"There is no recipe called {name_or_path!r}.",
                hint=f"one of {', '.join(recipe_names())}, or the path of a .toml file",
            )
    return check(Recipe, read_toml(path), what=f"The recipe {path.name}")


def stage_settings(recipe: Recipe, stage: int, changes: Mapping[str, Any], options: Iterable[str]) -> StageSettings:
    """Settings of one stage of a recipe, with changes and then ``key=value`` options on top.

    Args:
        recipe: the recipe.
        stage: 1 or 2.
        changes: values for dotted keys, such as ``{"generator.name": "paper"}``; None leaves a setting as it is.
        options: ``key=value`` texts as people type them; values are TOML, or plain text.

    Raises:
        SettingsError: a key is unknown or a value is none that it takes.
        UsageError: an option is not of the form key=value.
    """
    settings = (recipe.stage1 if stage == 1 else recipe.stage2).model_dump()
    for key, value in [*((k, v) for k, v in changes.items() if v is not None), *map(parse_option, options)]:
        _put(settings, key, value)
    return check(StageSettings, settings, what="The settings")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{path} is no readable TOML file: {error}.", hint="Mend that line, or name another."
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
            siblings = _fields_beside(schema, first["loc"])
            close = difflib.get_close_matches(str(first["loc"][-1]), siblings, n=1)
            hint = f"did you mean {close[0]}?" if close else f"one of: {', '.join(siblings)}"
            raise SettingsError(f"{what} cannot have {where!r}: there is no such setting.", hint=hint) from error
        raise SettingsError(
            f"{what} cannot have {where} = {first['input']!r}: {reason}.", hint=f"Change {where}."
        ) from error


def to_toml(settings: BaseModel) -> str:
    """Write settings as TOML that :func:`read_toml` reads back; settings that are None are left out."""
    lines: list[str] = []
    _write_table(lines, settings.model_dump(exclude_none=True), "")
    return "\n".join(lines) + "\n"


def _write_table(lines: list[str], values: Mapping[str, Any], prefix: str) -> None:
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items() if key not in tables]
    for key, table in tables.items():
        if table:
            lines += ["", f"[{prefix}{_key(key)}]"]
            _write_table(lines, table, f"{prefix}{_key(key)}.")


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in escaped) + '"'


def _put(settings: dict[str, Any], key: str, value: Any) -> None:
    if key in ("steps", "epochs"):
        settings["steps"] = settings["epochs"] = None
    *path, last = key.split(".")
    table = settings
    for part in path:
        inner = table.get(part)
        if not isinstance(inner, dict):
            close = difflib.get_close_matches(part, [k for k, v in table.items() if isinstance(v, dict)], n=1)
            raise SettingsError(
                f"There is no group of settings called {part!r} in {key!r}.",
                hint=f"did you mean {close[0]}?" if close else f"one of: {', '.join(table)}",
            )
        table = inner
    if last == "name" and path and table.get("name") != value:
        table["options"] = {}
    table[last] = value


def _fields_beside(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location[:-1]:
        annotation = schema.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        schema = annotation
    return list(schema.model_fields)

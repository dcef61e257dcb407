"""Settings as TOML that is read back equal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import tomli_w
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator


def to_toml(settings: BaseModel) -> str:
    """Write settings as TOML; those that are None are left out, and read back as None."""
    return tomli_w.dumps(settings.model_dump(exclude_none=True))


def explained(settings: BaseModel) -> str:
    """Write settings as TOML, each with what it means where it stands first; those that are None are comments."""
    return "\n".join(_explained(settings, (), set())) + "\n"


def _explained(settings: BaseModel, path: tuple[str, ...], told: set[tuple[type, str]]) -> Iterator[str]:
    tables: dict[str, Any] = {}
    for name, value in settings:
        if isinstance(value, BaseModel) or (value and isinstance(value, dict)) or _is_list_of_tables(value):
            tables[name] = value
            continue
        yield from _meaning(type(settings), name, told)
        # TOML has no word for nothing.
        yield f"# {name} = ..." if value in (None, {}, ()) else tomli_w.dumps({name: value}).rstrip()
    for name, value in tables.items():
        yield ""
        yield from _meaning(type(settings), name, told)
        yield from _table(value, (*path, name), told)


def _table(value: Any, path: tuple[str, ...], told: set[tuple[type, str]]) -> Iterator[str]:
    if isinstance(value, dict):
        for name in reversed(path):
            value = {name: value}
        yield tomli_w.dumps(value).rstrip()
    elif isinstance(value, BaseModel):
        yield f"[{'.'.join(path)}]"
        yield from _explained(value, path, told)
    else:
        for at, each in enumerate(value):
            yield ("\n" if at else "") + f"[[{'.'.join(path)}]]"
            yield from _explained(each, path, told)


def _meaning(schema: type[BaseModel], name: str, told: set[tuple[type, str]]) -> Iterator[str]:
    """What a setting means, as a comment, the first time."""
    description = schema.model_fields[name].description
    if description and (schema, name) not in told:
        told.add((schema, name))
        yield textwrap.fill(description, 100, initial_indent="# ", subsequent_indent="# ")


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, BaseModel) for each in value)

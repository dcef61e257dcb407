"""Manifests: JSON files whose every value is checked, to the bottom, before anything is done with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stackgan_cli.errors import ModelError, StackganError
from stackgan_cli.files import read_bounded, write_text
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = TypeVar("Schema", bound=BaseModel)

LARGEST = 1 << 24
"""Bytes; a manifest of a hundred thousand classes has a third of this."""
_GET_AGAIN = "Get the file again from where it came from."


class Manifest(BaseModel):
    """What all manifests share: nothing is converted, and what a later version adds is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """Plain values, by the names that they have on disk."""
        return self.model_dump(mode="json", by_alias=True)


def checked(
    schema: type[Schema],
    value: Mapping[str, Any],
    *,
    what: str,
    error: type[StackganError] = ModelError,
    hint: str = _GET_AGAIN,
) -> Schema:
    """Check plain values against a schema.

    Args:
        schema: what they should be.
        value: as JSON holds them.
        what: the file for the beginning of a sentence.
        error: raised where they are something else.
        hint: said then.

    Raises:
        StackganError: of the kind ``error``; names the first wrong value.
    """
    try:
        # As JSON, in whose strict mode an object is a model and a list may be a tuple.
        return schema.model_validate_json(json.dumps(value))
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise error(f"{what} is malformed: {f'{where}: ' if where else ''}{reason}.", hint=hint) from problem
    except (ValueError, RecursionError, OverflowError) as problem:
        raise error(f"{what} is malformed: a value is nested too deeply, or no number.", hint=hint) from problem


def read_json(
    path: Path, *, error: type[StackganError] = ModelError, hint: str = _GET_AGAIN, most: int = LARGEST
) -> dict[str, Any]:
    """Read a JSON object from a regular file of bounded size.

    Raises:
        StackganError: of the kind ``error``; the file is missing, no regular one, far too large, or holds something
            else.
    """
    try:
        value = parse_json(read_bounded(path, most))
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}.", hint=hint) from problem
    except ValueError as problem:
        raise error(f"{path} cannot be read: {problem}.", hint=hint) from problem
    if not isinstance(value, dict):
        raise error(f"{path} holds no JSON object.", hint=hint)
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object for people and programs to read, whole or not at all.

    Raises:
        StackganError: it cannot be written.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

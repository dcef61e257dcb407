"""Settings as people type them: ``key=value`` on the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from stackgan_cli.errors import UsageError
from stackgan_cli.parsing import parse_toml

_DEEPEST_LIST = 8


def parse_option(text: str) -> tuple[str, Any]:
    """Read ``key=value`` from the command line; the value is TOML, and a bare word is a string.

    Raises:
        UsageError: there is no ``=``, no key before it, or a value that cannot be taken in.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"{text!r} does not set anything.", "Write options as key=value, for example width=256.")
    key, value = key.strip(), value.strip()
    try:
        text.encode()
        values = parse_toml(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    except ValueError as error:
        raise UsageError(f"The value of the option {key!r} cannot be taken in: {error}.", "Check it.") from error
    # A line break in the value could begin another TOML key.
    return key, values["value"] if len(values) == 1 else value


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether JSON holds a value as it is: numbers, text, paths, nothing, or lists of these."""
    if value is None or isinstance(value, bool | int | float | str | Path):
        return True
    return (
        isinstance(value, list | tuple) and depth < _DEEPEST_LIST and all(is_plain(each, depth + 1) for each in value)
    )

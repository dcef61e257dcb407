"""JSON and TOML that may come from anybody: whatever is wrong with them is one kind of error."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

_DEEPEST = 32
"""Tables or lists within one another; nothing of ours is nested so deeply."""
_MOST_DOTS = 64
"""Parts of one dotted key: the time that the parser takes over a key grows with the square of their number."""
_BETWEEN_KEYS = re.compile(r"[=,{}\[\]\n]")
_TOO_MUCH = "a number in it is too large, or it is nested too deeply"


def parse_json(text: str | bytes) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is no JSON, is nested deeper than anything that is meant, or holds a whole number beyond 64 bits.
    """
    try:
        value = json.loads(text)
        _refuse_extremes(value, 0)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(_TOO_MUCH) from error
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML.

    Raises:
        ValueError: it is no TOML (then it is a ``TOMLDecodeError``), is nested deeper than any settings are, or holds a
            number beyond the 64 bits that TOML promises.
    """
    try:
        if any(part.count(".") > _MOST_DOTS for part in _BETWEEN_KEYS.split(text)):
            raise ValueError
        values = tomllib.loads(text)
        _refuse_extremes(values, 0)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(_TOO_MUCH) from error
    return values


def _refuse_extremes(value: object, depth: int) -> None:
    if depth > _DEEPEST or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        raise ValueError
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _refuse_extremes(inner, depth + 1)

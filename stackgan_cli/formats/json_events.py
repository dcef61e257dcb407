"""What stands in a file of JSON, one piece after the other, in memory that stays flat however large the file is."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import ijson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEPS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
_DEEPEST = 500
_CHUNK, _LONGEST = 1 << 16, 1 << 22
"""Bytes read at a time, and bytes of one text or number after which a file is given up: the parser holds all of it."""


class DamagedJson(Exception):  # noqa: N818
    """The rest of a file cannot be read; the message says in half a sentence what the file is or does."""


def json_events(path: Path, encoding: str) -> Iterator[tuple[str, Any]]:
    """Yield the beginnings and ends of objects and lists, the names of members, and plain values.

    Args:
        path: of the file.
        encoding: of its text; bytes that are damaged become U+FFFD.

    Yields:
        Pairs such as ``("map_key", "images")``, as ijson has them: ``start_map``, ``end_map``, ``start_array``,
        ``end_array``, ``map_key``, ``string``, ``number``, ``boolean`` and ``null``. Whatever comes before damage is
        yielded before the error.

    Raises:
        DamagedJson: it is no JSON, is nested too deeply, or holds something of more than four megabytes in one piece.
        OSError: it cannot be opened.
    """
    depth = 0
    for kind, value in _parsed(path, encoding):
        depth += _STEPS.get(kind, 0)
        if depth > _DEEPEST:
            raise DamagedJson("is nested too deeply")
        yield kind, value


def _parsed(path: Path, encoding: str) -> Iterator[tuple[str, Any]]:
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    damage, size, waiting = None, 0, 0
    for data in _chunks(path, encoding):
        size += len(data)
        try:
            parser.send(data)
        except (ijson.JSONError, ValueError) as error:
            damage = error
        waiting = 0 if events else waiting + len(data)
        yield from events
        events.clear()
        if damage:
            raise DamagedJson(f"is no JSON: {_words(damage)}") from damage
        if waiting > _LONGEST:
            raise DamagedJson(f"has something of more than {_LONGEST >> 20} MiB in one piece")
    try:
        parser.close()
    except (ijson.JSONError, ValueError) as error:
        raise DamagedJson("ends too early: it is not whole JSON" if size else "is empty") from error
    # A number at the very end is one only when nothing follows.
    yield from events


def _chunks(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the file piece by piece, in UTF-8."""
    with path.open("rb") as file:
        text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
        while piece := text.read(_CHUNK):
            yield piece.encode("utf-8", "replace")


def _words(error: Exception) -> str:
    """Say in a few words what ijson found: its message goes on to show the place, over several lines."""
    found = re.search(r"error: ([^\n\\]+)", str(error))
    return (found[1] if found else str(error))[:100].strip(" .")

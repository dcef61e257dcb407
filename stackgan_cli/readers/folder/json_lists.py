"""One JSON file for many pictures: a list of records, or an object whose members are named after the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.formats.json_events import DamagedJson, json_events
from stackgan_cli.readers.captions import MAX_LINE
from stackgan_cli.readers.columns import KEY, BadRow, Columns, plainly
from stackgan_cli.readers.encodings import json_encoding
from stackgan_cli.readers.split_names import split_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Item = dict[str, Any] | BadRow
    _Events = Iterator[tuple[str, Any]]

_MOST_PARTS = 20_000
"""Names, values and ends in one entry; what has more describes no picture."""
_FEW = 20
"""Members without a list that an object with a list of records may begin with, such as its author and its date."""
_AGAIN = "Get the file again, or write it again: a list of records with file_name and caption, or names and captions."


def json_rows(path: Path) -> Iterator[tuple[int, Item]]:
    """Yield the entries of a file with their numbers, counted from one.

    An entry is a record; a name and its captions; a list of a name and captions; or what stands in a list, or under the
    name of a split, of the object around everything. Whatever comes before damage is yielded before the error.

    Raises:
        DataError: it is no JSON, or no list and no object.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        encoding, _ = json_encoding(file)
    count = 0
    try:
        events = json_events(path, encoding)
        for count, item in enumerate(_entries(events), start=1):
            yield count, item
        # Damage behind the end is damage.
        next(events, None)
    except DamagedJson as error:
        where = f" (after entry {count:,})" if count else ""
        raise DataError(f"{path} {error}{where}.", _AGAIN) from error


def _entries(events: _Events) -> Iterator[Item]:
    kind, _ = next(events)
    if kind == "start_array":
        yield from _in_list(events, {})
    elif kind == "start_map":
        yield from _in_object(events, {})
    else:
        raise DamagedJson("is neither a list nor an object")


def _in_list(events: _Events, said: dict[str, Any]) -> Iterator[Item]:
    for kind, value in events:
        if kind == "end_array":
            return
        yield _entry(_built(events, kind, value), said)


def _in_object(events: _Events, said: dict[str, Any]) -> Iterator[Item]:
    """Yield the entries of an object; what it says beside a list of records that name pictures is about the list."""
    waiting: list[Item] = []
    many = listed = False
    for kind, name in events:
        if kind == "end_map":
            break
        split = None if said else split_named(name)
        known = said | ({"split": split} if split else {KEY: name})
        begun, value = next(events)
        if begun == "start_map" and split:
            yield from _in_object(events, known)
            continue
        value = _built_unless_records(events, begun, value)
        if isinstance(value, _Records):
            first = _entry(value.first, known)
            listed = listed or (isinstance(first, dict) and first.get(KEY) != name)
            yield first
            yield from _in_list(events, known)
        elif many:
            yield _member(value, name, known)
        elif not listed:
            waiting.append(_member(value, name, known))
            many = len(waiting) > _FEW
            yield from waiting if many else ()
    if not listed and not many:
        yield from waiting


def _entry(value: Any, known: dict[str, Any]) -> Item:
    """Make a record of what stands in a list: a record, or a name and captions."""
    if isinstance(value, dict):
        record = plainly(value)
        known = {name: each for name, each in known.items() if name != KEY or Columns().file_name(record) is None}
        return known | record
    if isinstance(value, list) and len(value) > 1 and isinstance(value[0], str):
        return known | {KEY: value[0], "captions": value[1:]}
    return value if isinstance(value, BadRow) else BadRow("it is no JSON object")


def _member(value: Any, name: str, known: dict[str, Any]) -> Item:
    """Make a record of what stands under a name: a record, or captions."""
    if isinstance(value, dict):
        return known | {KEY: name} | plainly(value)
    return value if isinstance(value, BadRow) else known | {KEY: name, "captions": value}


@dataclass(frozen=True, slots=True)
class _Records:
    """A list of records or lists of which the first has been taken."""

    first: Any


def _built_unless_records(events: _Events, kind: str, value: Any) -> Any:
    if kind != "start_array":
        return _built(events, kind, value)
    first = next(events)
    if first[0] in ("start_map", "start_array"):
        return _Records(_built(events, *first))
    return _built(chain([first], events), kind, value)


def _built(events: _Events, kind: str, value: Any) -> Any:
    """Build a value that has begun, or a BadRow where it is too large; nothing after it is taken."""
    outermost: list[Any] = []
    within: list[Any] = [outermost]
    names = [""]
    parts = size = 0
    while True:
        parts += 1
        size += len(value) if isinstance(value, str) else 0
        if kind == "map_key":
            names[-1] = value
        elif kind in ("end_map", "end_array"):
            within.pop()
            names.pop()
        else:
            new = {} if kind == "start_map" else [] if kind == "start_array" else value
            if parts <= _MOST_PARTS and size <= MAX_LINE:
                _put(within[-1], names[-1], new)
            if kind in ("start_map", "start_array"):
                within.append(new)
                names.append("")
        if len(within) == 1:
            break
        kind, value = next(events)
    return outermost[0] if parts <= _MOST_PARTS and size <= MAX_LINE else BadRow("it is larger than any record")


def _put(place: dict[str, Any] | list[Any], name: str, value: Any) -> None:
    if isinstance(place, dict):
        place[name] = value
    else:
        place.append(value)

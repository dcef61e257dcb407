"""Rows to Arrow files: the one place that writes any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    Row = Mapping[str, Any]

_GROUP_BYTES = 4 << 20
_GROUP_ROWS = 256


def write_rows(path: Path, rows: Iterable[Row], columns: pa.Schema) -> int:
    """Write an Arrow stream, which ``datasets`` reads too.

    Args:
        path: file to write.
        rows: a value for every column of each.
        columns: names and types.

    Returns:
        How many rows there were.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa

    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, columns) as writer:
        for group in _groups(rows):
            values = [pa.array([row[column.name] for row in group], column.type) for column in columns]
            writer.write_batch(pa.record_batch(values, schema=columns))
            count += len(group)
    return count


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Gather rows into groups; whoever streams holds some groups of each file, so all are small in bytes."""
    group: list[Row] = []
    held = 0
    for row in rows:
        group.append(row)
        held += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if len(group) == _GROUP_ROWS or held >= _GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group

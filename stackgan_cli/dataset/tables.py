"""Arrow files of prepared data: which columns they have, how rows are written, and files mapped and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stackgan_cli.errors import DataError
from stackgan_cli.files import atomic_file, open_regular, reach_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    Row = Mapping[str, Any]

_GROUP_BYTES = 4 << 20
_GROUP_ROWS = 256


def split_columns(resolutions: Iterable[int]) -> pa.Schema:
    """Columns of a split with pictures at these resolutions."""
    text, data = pa.string(), pa.binary()
    columns = {
        "name": text,
        "captions": pa.list_(text),
        "class": pa.int64(),
        "attributes": text,
        "stated": pa.list_(pa.list_(text)),
        "digest": data,
    }
    return pa.schema(columns | {f"picture_{size}": data for size in resolutions})


def write_rows(path: Path, rows: Iterable[Row], columns: pa.Schema) -> int:
    """Write an Arrow stream, which ``datasets`` reads too; returns how many rows there were.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, columns) as writer:
        for group in _groups(rows):
            values = [pa.array([row[column.name] for row in group], column.type) for column in columns]
            writer.write_batch(pa.record_batch(values, schema=columns))
            count += len(group)
    return count


def add_columns(path: Path, before: Path) -> bool:
    """Put the columns of an older file of the same rows before the new ones of a file.

    Args:
        path: of the file with new columns, which is replaced.
        before: the older file, whose columns stay as they are.

    Returns:
        Whether both hold the same pictures and captions, and so belong together; else nothing is done.

    Raises:
        OSError: a file cannot be read or written.
    """
    table, new = (pa.ipc.open_stream(pa.memory_map(str(each))).read_all() for each in (before, path))
    if any(not table.column(name).equals(new.column(name)) for name in ("name", "captions", "digest")):
        return False
    for field in new.schema:
        if field.name not in table.schema.names:
            table = table.append_column(field, new.column(field.name))
    with atomic_file(path) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            # Batches of both files end where one of either does, so none is larger than those were.
            for batch in table.to_batches():
                writer.write_batch(batch)
        reach_disk(temporary)
    return True


def open_table(files: Sequence[Path], columns: pa.Schema, hint: str) -> pa.Table:
    """Map Arrow streams into memory, one after the other; no picture is read before it is asked for.

    Args:
        files: perhaps none.
        columns: names and types; a file may have more.
        hint: what to do about a file that is refused.

    Raises:
        DataError: a file is missing, cut short or damaged, or lacks a column or some of its values.
    """
    tables = [_mapped(path, columns, hint) for path in files]
    return pa.concat_tables(tables) if tables else columns.empty_table()


def refuse_other_columns(what: str, found: pa.Schema, wanted: pa.Schema, hint: str) -> None:
    """Refuse columns that are missing or of another type than they should be; ``what`` has them.

    Raises:
        DataError: naming the first such column.
    """
    for column in wanted:
        place = found.get_field_index(column.name)
        if place < 0:
            raise DataError(f"{what} has no column {column.name!r}.", hint=hint)
        kind = found.field(place).type
        if kind != column.type:
            raise DataError(f"{what} has {kind} in column {column.name!r}, not {column.type}.", hint=hint)


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


def _mapped(path: Path, columns: pa.Schema, hint: str) -> pa.Table:
    try:
        with open_regular(path):
            table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        # Places of values are looked at too: Arrow reads wherever a damaged one leads, beyond the file.
        table.validate(full=True)
    except Exception as error:  # damaged files make pyarrow raise nearly anything
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"{path} is missing or cut short, or cannot be read: {reason}.", hint=hint) from error
    refuse_other_columns(str(path), table.schema, columns, hint)
    table = table.select(columns.names)
    for name in columns.names:
        if table.column(name).null_count:
            raise DataError(f"{path} lacks values in column {name!r}.", hint=hint)
    return table

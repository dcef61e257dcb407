"""Arrow tables of prepared data: which columns they have, and their files mapped into memory, checked before use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


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


def open_table(files: Sequence[Path], columns: pa.Schema, hint: str) -> pa.Table:
    """Map files of rows into memory, one after the other; nothing of the rows is read before it is asked for.

    Args:
        files: Arrow streams, perhaps none.
        columns: names and types; a file may have more.
        hint: what to do about a file that is refused.

    Raises:
        DataError: a file is missing, cut short or damaged, or lacks a column or some of its values.
    """
    tables = [_mapped(path, columns, hint) for path in files]
    return pa.concat_tables(tables) if tables else columns.empty_table()


def refuse_other_columns(what: str, found: pa.Schema, wanted: pa.Schema, hint: str) -> None:
    """Refuse columns that are missing or of another type than they should be.

    Args:
        what: the file or place for the beginning of a sentence.
        found: columns that are there.
        wanted: columns that should be.
        hint: what to do about it.

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


def _mapped(path: Path, columns: pa.Schema, hint: str) -> pa.Table:
    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        table.validate()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"{path} is missing or cut short, or cannot be read: {reason}.", hint=hint) from error
    refuse_other_columns(str(path), table.schema, columns, hint)
    table = table.select(columns.names)
    for name in columns.names:
        if table.column(name).null_count:
            raise DataError(f"{path} lacks values in column {name!r}.", hint=hint)
    return table

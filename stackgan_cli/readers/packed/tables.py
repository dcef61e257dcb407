"""Rows of Parquet and Arrow files, a few at a time, read as strangers' files are."""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ROWS_AT_ONCE = 32
"""Rows in memory at once."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one split, wherever they are."""

    name: str
    prefix: str
    """What the names of its pictures begin with."""
    split: str | None
    schema: Callable[[], Any]
    """Gives the columns, as pyarrow describes them."""
    batches: Callable[[Sequence[str]], Iterator[Any]]
    """Gives record batches of some columns, from the first row on."""


def _opened(path: Path) -> tuple[Any, mmap.mmap]:
    """Open a Parquet or Arrow file, whatever it is called, and return it with its bytes."""
    from pyarrow import ipc, parquet, py_buffer

    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if mapped[:4] == b"PAR1":
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20), mapped
    return (ipc.open_file if mapped[:6] == b"ARROW1" else ipc.open_stream)(py_buffer(mapped)), mapped


def schema_of(path: Path) -> Any:
    """Give the columns of a file, as pyarrow describes them; raises whatever pyarrow raises."""
    table, _ = _opened(path)
    return table.schema_arrow if hasattr(table, "schema_arrow") else table.schema


def batches_of(path: Path, names: Sequence[str]) -> Iterator[Any]:
    """Yield record batches of some columns of a file; raises whatever pyarrow raises."""
    table, mapped = _opened(path)
    if hasattr(table, "iter_batches"):
        yield from table.iter_batches(ROWS_AT_ONCE, columns=list(names), use_threads=False)
        return
    count = getattr(table, "num_record_batches", None)
    for batch in table if count is None else map(table.get_batch, range(count)):
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            yield batch.slice(start, ROWS_AT_ONCE)
            if hasattr(mapped, "madvise"):
                # Pages that were read would count as memory of this process until the system wants them back.
                mapped.madvise(mmap.MADV_DONTNEED)


class DamagedTable(Exception):  # noqa: N818
    """The rest of a table cannot be read; the message is a short reason."""


@contextmanager
def telling_damage() -> Iterator[None]:
    """Turn whatever goes wrong in a file into a DamagedTable."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # damaged files make pyarrow raise nearly anything
        raise DamagedTable((str(error) or type(error).__name__).partition("\n")[0][:200]) from error


def rows_of(table: Table, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield rows, in which text is bytes because it may be damaged; raise DamagedTable where they cannot be read."""
    with telling_damage():
        for batch in table.batches(names):
            arrays = {name: columns.text_as_bytes(batch.column(name)) for name in names}
            for row in range(batch.num_rows):
                yield {name: array[row].as_py() for name, array in arrays.items()}

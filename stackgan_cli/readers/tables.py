"""Rows of Parquet and Arrow files, a few at a time, read as strangers' files are."""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers.columns import BadRow, label_names

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

    @classmethod
    def of_file(cls, path: Path, name: str, prefix: str, split: str | None) -> Table:
        """Describe a Parquet or Arrow file, which is opened when its schema or its rows are asked for."""
        return cls(name, prefix, split, partial(_schema_of, path), partial(_batches_of, path))

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield rows of some columns.

        Text is bytes, because it may be damaged. A number that has a name, as those of Hugging Face's ``ClassLabel``
        have, is that name, or None where there is none of this number.

        Raises:
            DamagedTable: they cannot be read.
        """
        with telling_damage():
            labels = label_names(self.schema())
            for batch in self.batches(names):
                arrays = {name: _with_text_as_bytes(batch.column(name)) for name in names}
                for row in range(batch.num_rows):
                    yield {name: _labelled(array[row].as_py(), labels.get(name)) for name, array in arrays.items()}


def _labelled(value: Any, names: list[str] | None) -> Any:
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


class DamagedTable(Exception):  # noqa: N818
    """The rest of a table cannot be read; the message is a short reason."""


@contextmanager
def telling_damage() -> Iterator[None]:
    """Turn whatever goes wrong in a file into a DamagedTable."""
    try:
        yield
    except (DataError, BadRow):
        raise
    except Exception as error:  # damaged files make pyarrow raise nearly anything
        raise DamagedTable((str(error) or type(error).__name__).partition("\n")[0][:200].rstrip(".")) from error


def _opened(path: Path) -> tuple[Any, mmap.mmap, bool]:
    """Open a file, whatever it is called, and return it with its bytes, and whether it is Parquet and not Arrow."""
    from pyarrow import ipc, parquet, py_buffer

    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if mapped[:4] == b"PAR1":
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20), mapped, True
    return (ipc.open_file if mapped[:6] == b"ARROW1" else ipc.open_stream)(py_buffer(mapped)), mapped, False


def _schema_of(path: Path) -> Any:
    table, _, is_parquet = _opened(path)
    return table.schema_arrow if is_parquet else table.schema


def _batches_of(path: Path, names: Sequence[str]) -> Iterator[Any]:
    from pyarrow import ipc

    table, mapped, is_parquet = _opened(path)
    if is_parquet:
        yield from table.iter_batches(ROWS_AT_ONCE, columns=list(names), use_threads=False)
        return
    indexed = isinstance(table, ipc.RecordBatchFileReader)
    for batch in map(table.get_batch, range(table.num_record_batches)) if indexed else table:
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            yield batch.slice(start, ROWS_AT_ONCE)
            if hasattr(mapped, "madvise"):
                # Pages that were read would count as memory of this process until the system wants them back.
                mapped.madvise(mmap.MADV_DONTNEED)


def _with_text_as_bytes(array: Any) -> Any:
    """Turn text in an array of pyarrow into bytes, which need not be UTF-8, and check that all of it lies inside.

    Raises:
        pyarrow.ArrowException: it does not, or is damaged otherwise.
    """
    from pyarrow import types

    if types.is_dictionary(array.type):
        array.validate(full=True)
        array = array.dictionary_decode()
    array.validate()
    array = array.cast(_with_bytes(array.type))
    array.validate(full=True)
    return array


def _with_bytes(kind: Any) -> Any:
    import pyarrow
    from pyarrow import types

    # A column of nulls too: pyarrow loses count of one inside a part of a struct where its type stays.
    if types.is_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return pyarrow.binary()
    if types.is_large_string(kind):
        return pyarrow.large_binary()
    if types.is_list(kind) or types.is_large_list(kind):
        return (pyarrow.list_ if types.is_list(kind) else pyarrow.large_list)(_with_bytes(kind.value_type))
    return pyarrow.struct([(field.name, _with_bytes(field.type)) for field in kind]) if types.is_struct(kind) else kind

"""Reading binary files of Torch 7 that come from strangers: numbers, text, booleans, tables and tensors, and no code.

The layout is that of torch7's ``File.lua``, ``generic/Tensor.c`` and ``generic/Storage.c``: little-endian, with a
``long`` of 8 bytes. Every length is compared with what is left of the file before anything is made of it.
"""

from __future__ import annotations

import math
import re
import stat
import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


MOST_BYTES = 1 << 32
"""Largest file that is read unless another limit is asked for, in bytes."""

_NIL, _TABLE, _OBJECT = 0, 3, 4
_FUNCTIONS = (6, 7, 8)
_DEEPEST = 100
_MOST_DIMENSIONS = 32
_SHORTEST_ENTRY = 12
"""Bytes of the shortest entry of a table: an empty text as its key (8) and nil as its value (4)."""
_COPIES, _ROOM = 4, 1 << 22
_LONGEST_NAME_SHOWN = 60
_CONFUSED = "it takes one object for another"

_ELEMENTS = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "Int": "<i4",
    "Long": "<i8",
    "Short": "<i2",
    "Byte": "|u1",
    "Char": "|i1",
}
_CUDA_ELEMENTS = {"Cuda": "<f4", **{f"Cuda{name}": code for name, code in _ELEMENTS.items() if name != "Float"}}
_DTYPES = {f"torch.{name}": np.dtype(code) for name, code in {**_ELEMENTS, **_CUDA_ELEMENTS}.items()}
_CLASS = re.compile(r"(torch\.\w+)(Tensor|Storage)", re.ASCII)

_Kind = TypeVar("_Kind")

_AGAIN = "Get the file again, and copy it in binary mode."
_IN_BINARY = "Save it again with Torch 7 in binary mode, which is what it does unless told otherwise."


class UnreadableTorch7(DataError):  # noqa: N818
    """A file is no binary file of Torch 7, not a whole one, or holds more than data.

    Args:
        file: the file.
        reason: a few words without a full stop, such as ``it is empty``.
        hint: what to do about it.
    """

    def __init__(self, file: Path, reason: str, hint: str = _AGAIN) -> None:
        super().__init__(f"{file} cannot be read as a binary Torch-7 file: {reason}.", hint)
        self.reason = reason


def load_torch7(path: Path, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read the first object of a binary Torch-7 file.

    Numbers become floats. Text is decoded as UTF-8, with U+FFFD for damaged bytes. A table becomes a list where its
    keys are 1 to n, and otherwise a dict whose keys are text, integers or floats; an empty one becomes a dict. Tensors
    and storages, those of CUDA too, become contiguous arrays of the same type. What is one object in the file is one
    object in the result, and a table may hold itself; tensors that share a storage become arrays apart.

    Expanded and overlapping tensors are written out in full, so a file may ask for more memory than it fills: all
    arrays of a file together may take four times its size and 4 MiB more.

    Args:
        path: the file.
        most_bytes: a larger file is refused.

    Raises:
        UnreadableTorch7: the file cannot be opened, is too large, damaged or hostile, in ASCII mode, from a big-endian
            machine, or holds a function or an object of a class other than tensors and storages.
    """
    try:
        data = _content(path, most_bytes)
        if foreign := _foreign(data):
            raise UnreadableTorch7(path, *foreign)
        return _Parser(data).read()
    except _DamageError as damage:
        raise UnreadableTorch7(path, str(damage)) from None
    except MemoryError:
        raise UnreadableTorch7(path, "it is too large for the memory", "Free some memory.") from None
    except OSError as error:
        raise UnreadableTorch7(path, f"it cannot be opened ({error.strerror or error})", "Check the file.") from error


def _content(path: Path, most_bytes: int) -> bytes:
    # Before it is opened, because opening a pipe waits for somebody to write into it.
    if not stat.S_ISREG(path.stat().st_mode):
        raise _DamageError("it is not a file")
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > most_bytes:
            raise _DamageError(f"it is larger than {most_bytes:,} bytes")
        return file.read(size)


def _foreign(data: bytes) -> tuple[str, str] | None:
    """Say why the beginning is not that of a binary file, and what to do, or return None."""
    if not data:
        return "it is empty", _AGAIN
    if re.match(rb"[0-8]\r?\n", data):
        return "it is in ASCII mode", _IN_BINARY
    if data.startswith((b"PK\x03\x04", b"\x80\x02")):
        return "PyTorch saved it, not Torch 7", _AGAIN
    if len(data) >= 4 and data[:3] == b"\0\0\0" and 0 < data[3] <= max(_FUNCTIONS):
        return "it comes from a big-endian machine", "Save it again on a usual machine, which is little-endian."
    if len(data) >= 4 and int.from_bytes(data[:4], "little") > max(_FUNCTIONS):
        return "it does not begin like one", _AGAIN
    return None


class _DamageError(Exception):
    """The file is damaged or refused; the message is a short reason."""


@dataclass(eq=False, slots=True)
class _Table:
    """A table while the file is read; what becomes of it is known when all of it is there."""

    pairs: dict[str | float, Any] = field(default_factory=dict)
    made: dict[str | float, Any] | list[Any] = field(default_factory=dict)


class _Storage:
    """Numbers where they lie in the file."""

    def __init__(self, numbers: NDArray[Any]) -> None:
        self.numbers = numbers

    @cached_property
    def copy(self) -> NDArray[Any]:
        return _native(self.numbers)


class _Parser:
    """Reads one object after the other, from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0
        self._room = _COPIES * len(data) + _ROOM
        self._known: dict[int, _Table | _Storage | NDArray[Any]] = {}
        self._tables: list[_Table] = []
        self._readers: dict[int, Callable[[], Any]] = {
            _NIL: lambda: None,
            1: lambda: self._number("<d"),
            2: self._text,
            _TABLE: self._table,
            _OBJECT: self._object,
            5: lambda: self._integer() != 0,
        }

    def read(self) -> Any:
        """Read the whole object, tables and all."""
        content = self._value()
        for table in self._tables:
            count = len(table.pairs)
            is_list = count > 0 and all(place in table.pairs for place in range(1, count + 1))
            table.made = [None] * count if is_list else {}
        for table in self._tables:
            if isinstance(table.made, list):
                table.made[:] = (_finished(table.pairs[place]) for place in range(1, len(table.pairs) + 1))
            else:
                table.made.update((key, _finished(value)) for key, value in table.pairs.items())
        return _finished(content)

    def _value(self) -> Any:
        code = self._integer()
        if code in _FUNCTIONS:
            raise _DamageError("it holds a function, and functions are not read")
        if code not in self._readers:
            raise _DamageError(f"there is no type {code} of objects (at byte {self._at - 4:,})")
        return self._readers[code]()

    def _take(self, length: int) -> int:
        """Move on by a length, and return where it begins."""
        if not 0 <= length <= len(self._data) - self._at:
            raise _DamageError("it ends too early, or a length in it is wrong")
        start = self._at
        self._at += length
        return start

    def _number(self, form: str) -> Any:
        return struct.unpack_from(form, self._data, self._take(struct.calcsize(form)))[0]

    def _integer(self) -> int:
        return int(self._number("<i"))

    def _longs(self, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}q", self._data, self._take(8 * count))

    def _text(self) -> str:
        start = self._take(self._integer())
        return self._data[start : self._at].decode("utf-8", "replace")

    def _table(self) -> _Table:
        index = self._integer()
        if index in self._known:
            return self._same(index, _Table)
        table = self._known[index] = _Table()
        self._tables.append(table)
        count = self._integer()
        if not 0 <= count * _SHORTEST_ENTRY <= len(self._data) - self._at:
            raise _DamageError("a table in it claims more entries than the file holds")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _DamageError(f"its tables are nested more than {_DEEPEST} deep")
        for _ in range(count):
            key = self._key()
            table.pairs[key] = self._value()
        self._depth -= 1
        return table

    def _key(self) -> str | float:
        key = self._value()
        if isinstance(key, str):
            return key
        # Python takes True for 1, so a table of both would lose one of them.
        if not isinstance(key, float):
            raise _DamageError("a table in it has a key that is neither text nor a number")
        return int(key) if key.is_integer() else key

    def _object(self) -> _Storage | NDArray[Any]:
        index = self._integer()
        if index in self._known:
            known = self._known[index]
            if isinstance(known, _Table):
                raise _DamageError(_CONFUSED)
            return known
        dtype, kind = self._class()
        made = self._tensor(dtype) if kind == "Tensor" else self._storage(dtype)
        self._known[index] = made
        return made

    def _same(self, index: int, kind: type[_Kind]) -> _Kind:
        known = self._known[index]
        if not isinstance(known, kind):
            raise _DamageError(_CONFUSED)
        return known

    def _class(self) -> tuple[np.dtype[Any], str]:
        name = self._text()
        if re.fullmatch(r"V -?\d+", name, re.ASCII):
            name = self._text()
        match = _CLASS.fullmatch(name)
        if match is None or match[1] not in _DTYPES:
            shown = ascii(name[:_LONGEST_NAME_SHOWN])
            raise _DamageError(f"it holds an object of the class {shown}, and only tensors and storages are read")
        return _DTYPES[match[1]], match[2]

    def _storage(self, dtype: np.dtype[Any]) -> _Storage:
        (count,) = self._longs(1)
        start = self._take(count * dtype.itemsize)
        return _Storage(np.frombuffer(self._data, dtype, count, start) if count else np.empty(0, dtype))

    def _storage_of(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read the storage that follows a tensor: nil, one from before, or a new one of the tensor's own type."""
        code = self._integer()
        if code == _NIL:
            return np.empty(0, dtype)
        if code != _OBJECT:
            raise _DamageError("a tensor in it has no storage")
        index = self._integer()
        if index in self._known:
            storage = self._same(index, _Storage)
        else:
            found, kind = self._class()
            if kind != "Storage":
                raise _DamageError("a tensor in it has no storage")
            storage = self._known[index] = self._storage(found)
        if storage.numbers.dtype != dtype:
            raise _DamageError("a tensor in it has a storage of another type")
        return storage.numbers

    def _tensor(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        dimensions = self._integer()
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise _DamageError(f"a tensor in it has {dimensions:,} dimensions")
        sizes, strides, (offset,) = self._longs(dimensions), self._longs(dimensions), self._longs(1)
        numbers = self._storage_of(dtype)
        if min((0, *sizes, *strides)) < 0:
            raise _DamageError("a tensor in it has a negative size or stride")
        self._room -= math.prod(max(size, 1) for size in sizes) * dtype.itemsize
        if self._room < 0:
            raise _DamageError("its tensors ask for far more memory than the file fills")
        if not sizes or 0 in sizes:
            return np.empty(sizes or (0,), dtype.newbyteorder("="))
        return _view(numbers, sizes, strides, offset - 1)


def _view(numbers: NDArray[Any], sizes: tuple[int, ...], strides: tuple[int, ...], start: int) -> NDArray[Any]:
    last = start + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if start < 0 or last >= numbers.size:
        raise _DamageError("a tensor in it reaches beyond its storage")
    # The stride of a dimension of one is never used, and numpy may not be able to hold it.
    steps = [stride * numbers.itemsize if size > 1 else 0 for size, stride in zip(sizes, strides, strict=True)]
    return _native(np.lib.stride_tricks.as_strided(numbers[start:], sizes, steps, writeable=False))


def _native(numbers: NDArray[Any]) -> NDArray[Any]:
    return numbers.astype(numbers.dtype.newbyteorder("="), order="C")


def _finished(value: Any) -> Any:
    if isinstance(value, _Table):
        return value.made
    return value.copy if isinstance(value, _Storage) else value

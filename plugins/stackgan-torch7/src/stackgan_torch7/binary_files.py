"""Reading binary files of Torch 7 that come from strangers: numbers, text, booleans, tables and tensors, and no code.

The layout is that of torch7's ``File.lua``, ``generic/Tensor.c`` and ``generic/Storage.c``: little-endian, with a
``long`` of 8 bytes. Every length is compared with what is left of the file before anything is made of it.
"""

from __future__ import annotations

import math
import re
import stat
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 1 << 24
"""A larger file is no table of a picture; a published one takes about 60 kB."""

_NIL, _TABLE, _OBJECT, _LAST_TYPE = 0, 3, 4, 8
_DEEPEST = 100
_MOST_DIMENSIONS = 32
_SHORTEST_ENTRY = 12
"""Bytes of the shortest entry of a table: an empty text as its key (8) and nil as its value (4)."""
_COPIES, _ROOM = 4, 1 << 22
_LONGEST_NAME_SHOWN = 60
_CONFUSED = "it takes one object for another"
_NO_STORAGE = "a tensor in it has no storage"

_TYPES = {
    "Float": "f4",
    "Double": "f8",
    "Half": "f2",
    "Int": "i4",
    "Long": "i8",
    "Short": "i2",
    "Byte": "u1",
    "Char": "i1",
}
_CLASS = re.compile(rf"torch\.(Cuda)?({'|'.join(_TYPES)}|)(Tensor|Storage)")
"""A class of Torch; ``torch.CudaTensor`` holds floats."""

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


def load_torch7(path: Path) -> Any:
    """Read the first object of a binary Torch-7 file.

    Numbers become floats. Text is decoded as UTF-8, with U+FFFD for damaged bytes. A table becomes a list where its
    keys are 1 to n, and otherwise a dict whose keys are text, integers or floats; an empty one becomes a dict. Tensors
    and storages, those of CUDA too, become contiguous arrays of the same type. What is one object in the file is one
    object in the result, and a table may hold itself; tensors that share a storage become arrays apart.

    Expanded and overlapping tensors are written out in full, so a file may ask for more memory than it fills: all
    tensors of a file together may take four times its size and 4 MiB more.

    Raises:
        UnreadableTorch7: the file cannot be opened, is too large, damaged or hostile, in ASCII mode, from a big-endian
            machine, or holds a function or an object of a class other than tensors and storages.
    """
    try:
        return _Parser(_content(path)).read()
    except _DamageError as damage:
        raise UnreadableTorch7(path, *damage.args) from None
    except MemoryError:
        raise UnreadableTorch7(path, "it is too large for the memory", "Free some memory.") from None
    except OSError as error:
        raise UnreadableTorch7(path, f"it cannot be opened ({error.strerror or error})", "Check the file.") from error


def _content(path: Path) -> bytes:
    state = path.stat()
    # Before it is opened, because opening a pipe waits for somebody to write into it.
    if not stat.S_ISREG(state.st_mode):
        raise _DamageError("it is not a file")
    if state.st_size > MOST_BYTES:
        raise _DamageError(f"it is larger than {MOST_BYTES:,} bytes")
    with path.open("rb") as file:
        data = file.read(state.st_size)
    if not data:
        raise _DamageError("it is empty")
    if re.match(rb"[0-8]\r?\n", data):
        raise _DamageError("it is in ASCII mode", _IN_BINARY)
    if data.startswith((b"PK\x03\x04", b"\x80\x02")):
        raise _DamageError("PyTorch saved it, not Torch 7")
    if len(data) >= 4 and 0 < int.from_bytes(data[:4], "big") <= _LAST_TYPE:
        raise _DamageError(
            "it comes from a big-endian machine", "Save it again on a usual machine, which is little-endian."
        )
    if len(data) >= 4 and int.from_bytes(data[:4], "little") > _LAST_TYPE:
        raise _DamageError("it does not begin like one")
    return data


class _DamageError(Exception):
    """The file is damaged or refused; what it holds is a short reason and, if it is not to get it again, a hint."""


class _Parser:
    """Reads one object after the other, from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0
        self._room = _COPIES * len(data) + _ROOM
        self._known: dict[int, dict[Any, Any] | NDArray[Any]] = {}
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
        # A table is known to be a list when all of it is there, and others may hold it by then.
        tables = [each for each in self._known.values() if isinstance(each, dict)]
        lists: dict[int, list[Any]] = {
            id(table): [] for table in tables if table and all(place in table for place in range(1, len(table) + 1))
        }
        for table in tables:
            for key, value in table.items():
                table[key] = lists.get(id(value), value)
            if id(table) in lists:
                lists[id(table)] += (table[place] for place in range(1, len(table) + 1))
        return lists.get(id(content), content)

    def _value(self) -> Any:
        code = self._integer()
        if code in self._readers:
            return self._readers[code]()
        if 0 <= code <= _LAST_TYPE:
            raise _DamageError("it holds a function, and functions are not read")
        raise _DamageError(f"there is no type {code} of objects (at byte {self._at - 4:,})")

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

    def _table(self) -> dict[Any, Any]:
        index = self._integer()
        if index in self._known:
            known = self._known[index]
            if not isinstance(known, dict):
                raise _DamageError(_CONFUSED)
            return known
        table = self._known[index] = {}
        count = self._integer()
        if not 0 <= count * _SHORTEST_ENTRY <= len(self._data) - self._at:
            raise _DamageError("a table in it claims more entries than the file holds")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _DamageError(f"its tables are nested more than {_DEEPEST} deep")
        for _ in range(count):
            key = self._key()
            table[key] = self._value()
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

    def _object(self, only: str = "") -> NDArray[Any]:
        """Read a tensor or a storage, new or from before, or ``only`` a new one of the two."""
        index = self._integer()
        if index in self._known:
            known = self._known[index]
            if isinstance(known, dict):
                raise _DamageError(_CONFUSED)
            return known
        dtype, kind = self._class()
        if only not in ("", kind):
            raise _DamageError(_NO_STORAGE)
        made = self._known[index] = self._tensor(dtype) if kind == "Tensor" else self._storage(dtype)
        return made

    def _class(self) -> tuple[np.dtype[Any], str]:
        name = self._text()
        if re.fullmatch(r"V -?\d+", name, re.ASCII):
            name = self._text()
        match = _CLASS.fullmatch(name)
        if match is None or not (match[1] or match[2]):
            shown = ascii(name[:_LONGEST_NAME_SHOWN])
            raise _DamageError(f"it holds an object of the class {shown}, and only tensors and storages are read")
        return np.dtype(_TYPES[match[2] or "Float"]), match[3]

    def _storage(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        (count,) = self._longs(1)
        start = self._take(count * dtype.itemsize)
        little = dtype.newbyteorder("<")
        return np.frombuffer(self._data, little, count, start).astype(dtype) if count else np.empty(0, dtype)

    def _tensor(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        dimensions = self._integer()
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise _DamageError(f"a tensor in it has {dimensions:,} dimensions")
        sizes, strides, (offset,) = self._longs(dimensions), self._longs(dimensions), self._longs(1)
        code = self._integer()
        if code not in (_NIL, _OBJECT):
            raise _DamageError(_NO_STORAGE)
        numbers = np.empty(0, dtype) if code == _NIL else self._object(only="Storage")
        if numbers.ndim != 1 or numbers.dtype != dtype:
            raise _DamageError("a tensor in it has a storage of another type")
        if min((0, *sizes, *strides)) < 0:
            raise _DamageError("a tensor in it has a negative size or stride")
        self._room -= math.prod(max(size, 1) for size in sizes) * dtype.itemsize
        if self._room < 0:
            raise _DamageError("its tensors ask for far more memory than the file fills")
        if not sizes or 0 in sizes:
            return np.empty(sizes or (0,), dtype)
        return _view(numbers, sizes, strides, offset - 1)


def _view(numbers: NDArray[Any], sizes: tuple[int, ...], strides: tuple[int, ...], start: int) -> NDArray[Any]:
    last = start + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if start < 0 or last >= numbers.size:
        raise _DamageError("a tensor in it reaches beyond its storage")
    # The stride of a dimension of one is never used, and numpy may not be able to hold it.
    steps = [stride * numbers.itemsize if size > 1 else 0 for size, stride in zip(sizes, strides, strict=True)]
    return np.lib.stride_tricks.as_strided(numbers[start:], sizes, steps).copy()

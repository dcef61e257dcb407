"""Reading pickles that come from strangers: numbers, text, containers and numpy arrays, and nothing that runs.

The published metadata are Python 2 pickles. No function or class that a pickle names is ever looked up: the few names
that numpy writes are answered with stand-ins from this file, which build plain arrays and refuse all else.

A pickle can ask for the same thing again and again in two bytes, so what is copied is counted, and may be a few times
as much as the file.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_ARRAY_TYPE = object()
_PLAIN_KINDS = "biufcSUO"
_PLAIN = (str, bytes, int, float, complex, type(None), np.generic)
_LONGEST_KEY = 1 << 12
"""Bytes of a key, all parts of a tuple together; it is hashed whenever it is met."""
_LONGEST_TYPE = 32
_MOST_SIDES, _LONGEST_EMPTY_SIDE = 32, 1 << 20
_SMALL = 64
"""Bytes that nobody counts: the instructions that copy them are hardly shorter."""
_COPIES, _ROOM = 4, 1 << 24


class _PlainDtype:
    """Stands for a dtype while a pickle is read; its state may set the byte order and nothing else."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = True) -> None:  # noqa: ARG002
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or len(text) > _LONGEST_TYPE:
            raise pickle.UnpicklingError("an array of records")
        self.dtype = np.dtype(text)
        if self.dtype.kind not in _PLAIN_KINDS or not self.dtype.itemsize:
            raise pickle.UnpicklingError(f"an array of type {text}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, order, subarray, names, fields = state[:5]
        if subarray is not None or names is not None or fields is not None:
            raise pickle.UnpicklingError("an array of records")
        order = order.decode("ascii") if isinstance(order, bytes) else order
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")
        elif order == "<":
            self.dtype = self.dtype.newbyteorder("<")


class _Array(np.ndarray):
    """An array that takes its state from a pickle only together with a plain dtype."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, plain, fortran, data = state
        if not isinstance(plain, _PlainDtype) or type(shape) is not tuple or type(fortran) not in (bool, int):
            raise pickle.UnpicklingError("an array without a type or a shape")
        _refuse_shape(shape)
        # Numpy trusts these lengths, and reads past the end of a list that is too short.
        data, unit = (data, 1) if plain.dtype.hasobject else (_as_bytes(data), plain.dtype.itemsize)
        if type(data) is not (list if plain.dtype.hasobject else bytes) or len(data) != math.prod(shape) * unit:
            raise pickle.UnpicklingError("an array whose data do not fill its shape")
        super().__setstate__((version, shape, plain.dtype, fortran, data))


def _refuse_shape(shape: tuple[Any, ...]) -> None:
    if len(shape) > _MOST_SIDES or any(type(side) is not int or not 0 <= side < 1 << 63 for side in shape):
        raise pickle.UnpicklingError("an array of an impossible shape")
    # Rows of nothing take no memory, and going through them no end.
    if 0 in shape and max(shape) > _LONGEST_EMPTY_SIDE:
        raise pickle.UnpicklingError("an array of an impossible shape")


def _as_bytes(data: Any) -> Any:
    return data.encode("latin1") if isinstance(data, str) else data


def _empty_array(*_: Any) -> _Array:
    return _Array((0,), np.int8)


def _scalar(plain: _PlainDtype, data: str | bytes) -> Any:
    if not isinstance(plain, _PlainDtype) or plain.dtype.hasobject:
        raise pickle.UnpicklingError("an object wrapped as a number")
    return np.frombuffer(_as_bytes(data), plain.dtype, count=1)[0]


def _array_from_buffer(buffer: Any, plain: _PlainDtype, shape: tuple[int, ...], order: str) -> Any:
    if not isinstance(plain, _PlainDtype) or plain.dtype.hasobject or type(shape) is not tuple:
        raise pickle.UnpicklingError("an array without a type or a shape")
    _refuse_shape(shape)
    # A copy: the pickle could change a buffer of its own after the array was made.
    return (
        np.frombuffer(bytes(memoryview(buffer)), plain.dtype)
        .reshape(shape, order="F" if order == "F" else "C")
        .view(_Array)
    )


def _bytes(content: str | bytes = b"", encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding}")
    return content.encode("latin1") if isinstance(content, str) else bytes(memoryview(content))


def as_keys(keys: Any) -> Any:
    """Refuse to look up what holds more than a few plain values: sets within sets can take for ever to compare."""
    for key in keys:
        if (type(key) in (str, bytes) and len(key) <= _LONGEST_KEY) or (type(key) is int and abs(key) < 1 << 64):
            continue
        parts = key if type(key) is tuple else (key,)
        if not all(isinstance(each, _PLAIN) for each in parts[:_LONGEST_KEY]):
            raise pickle.UnpicklingError(f"{type(key).__name__} as a key or within a set")
        if len(parts) + sum(map(_bytes_of, parts[:_LONGEST_KEY])) > _LONGEST_KEY:
            raise pickle.UnpicklingError("a key of many thousand letters")
        # Of longer numbers any amount can have one hash, so that each is compared with all before it.
        if any(isinstance(each, int) and abs(each) >> 64 for each in parts):
            raise pickle.UnpicklingError("a key with a number of more than 64 bits")
    return keys


def _bytes_of(value: Any) -> int:
    """Bytes that it takes to copy or to hash a value, without what a container refers to."""
    if isinstance(value, int):
        return value.bit_length() // 8
    if isinstance(value, np.ndarray | np.generic):
        return value.nbytes
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    # What a set takes for each; the few arguments of a function are written anew for each call.
    return 64 * max(len(value) - 8, 0) if isinstance(value, list | tuple | dict | set | frozenset) else 0


class Builder:
    """A function that a pickle may call and cannot change, as it could change a function's own attributes."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *arguments: Any) -> Any:
        """Build what the pickle asks for."""
        return self._build(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change to a function")


def _plain_names() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _ARRAY_TYPE,
        ("numpy", "dtype"): Builder(_PlainDtype),
        ("_codecs", "encode"): Builder(_bytes),
    }
    for package in ("numpy.core", "numpy._core"):
        table[f"{package}.multiarray", "_reconstruct"] = Builder(_empty_array)
        table[f"{package}.multiarray", "scalar"] = Builder(_scalar)
        table[f"{package}.numeric", "_frombuffer"] = Builder(_array_from_buffer)
    builders: dict[str, Callable[..., Any]] = {
        "set": lambda items=(): set(as_keys(items)),
        "frozenset": lambda items=(): frozenset(as_keys(items)),
        "complex": complex,
        "bytes": _bytes,
        "bytearray": _bytes,
    }
    for module in ("builtins", "__builtin__"):
        table.update({(module, name): Builder(builder) for name, builder in builders.items()})
    return table


PLAIN_NAMES = _plain_names()
"""What numbers, text, containers and numpy arrays are made of, by module and name."""


class RefusedGlobalError(Exception):
    """A pickle names a function or class that data have no need of."""


def _with_plain_keys(code: bytes, keys: slice, table: Callable[[Any], Any] | None = None) -> Callable[[Any], None]:
    """An instruction that first looks at the keys, which lie at these places of the stack, and at what gains them."""
    obey = pickle._Unpickler.dispatch[code[0]]

    def looking(unpickler: Any) -> None:
        # An entry of an array may be another array, copied each time.
        if table is not None and not isinstance(table(unpickler), dict):
            raise pickle.UnpicklingError("an entry of something else than a dictionary")
        as_keys(unpickler.stack[keys])
        obey(unpickler)

    return looking


def _counted(code: bytes, arguments: Callable[[list[Any]], Any]) -> Callable[[Any], None]:
    """An instruction that first counts what it may copy: its arguments, found in the stack."""
    obey = pickle._Unpickler.dispatch[code[0]]

    def counting(unpickler: Any) -> None:
        unpickler.count(arguments(unpickler.stack))
        obey(unpickler)

    return counting


def _refuse_objects(_: Any) -> None:
    raise pickle.UnpicklingError("an object of a class")


def _refuse_buffers(_: Any) -> None:
    raise pickle.UnpicklingError("a buffer, which no file has beside it")


class RestrictedUnpickler(pickle._Unpickler):
    """Reads one pickle from a file, answers every global from a table and imports nothing.

    The unpickler in Python, because that in C reserves as much memory as a few hostile bytes ask for.

    Args:
        file: it is read from where it stands, and stands behind the pickle afterwards.
        names: what answers a global, by module and name.
    """

    def __init__(self, file: BinaryIO, names: Mapping[tuple[str, str], Any]) -> None:
        whole = _Whole(file)
        super().__init__(whole, encoding="latin1")
        self._names = names
        self._room = _COPIES * whole.size + _ROOM

    def count(self, value: Any) -> None:
        """Count a value, and what a tuple refers to, as copied.

        Raises:
            UnpicklingError: far more has been copied than the file holds.
        """
        self._room -= max(_bytes_of(value) - _SMALL, 0)
        if self._room >= 0 and type(value) is tuple:
            self._room -= sum(max(_bytes_of(each) - _SMALL, 0) for each in value)
        if self._room < 0:
            raise pickle.UnpicklingError("it copies the same thing again and again")

    def _load_bytes(self: Any) -> None:
        # The original reserves and clears the stated length before it looks whether the file is that long.
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(length))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytes,
        pickle.SETITEM[0]: _with_plain_keys(pickle.SETITEM, slice(-2, -1), lambda unpickler: unpickler.stack[-3]),
        pickle.SETITEMS[0]: _with_plain_keys(
            pickle.SETITEMS, slice(0, None, 2), lambda unpickler: unpickler.metastack[-1][-1]
        ),
        pickle.DICT[0]: _with_plain_keys(pickle.DICT, slice(0, None, 2)),
        **{code[0]: _with_plain_keys(code, slice(None)) for code in (pickle.ADDITEMS, pickle.FROZENSET)},
        **{code[0]: _counted(code, itemgetter(-1)) for code in (pickle.REDUCE, pickle.BUILD)},
        pickle.INST[0]: _counted(pickle.INST, tuple),
        # Whoever has taken a class by its name has been refused by then.
        **dict.fromkeys((pickle.OBJ[0], pickle.NEWOBJ[0], pickle.NEWOBJ_EX[0]), _refuse_objects),
        **dict.fromkeys((pickle.NEXT_BUFFER[0], pickle.READONLY_BUFFER[0]), _refuse_buffers),
    }

    def find_class(self, module: str, name: str) -> Any:
        """Answer a global from the table.

        Raises:
            RefusedGlobalError: it is not there.
        """
        # Line ends that a transfer turned into CRLF leave a carriage return on both.
        try:
            return self._names[module.strip(), name.strip()]
        except KeyError:
            raise RefusedGlobalError(f"{module.strip()[:100]}.{name.strip()[:100]}") from None


def load_pickle(path: Path, most: int | None = None) -> Any:
    """Read a pickle that holds data alone.

    Text of Python 2 is decoded as latin-1. A text pickle whose line ends became CRLF on the way is read as it was
    before.

    Args:
        path: the file.
        most: bytes that it may have; read, it can take thirty times as much memory.

    Returns:
        What the pickle holds: builtin containers, text, numbers and numpy arrays of numbers, text or such objects.

    Raises:
        DataError: the file cannot be opened, is damaged or too large, or names a function or class other than numpy's
            arrays.
    """
    try:
        if most is not None and path.stat().st_size > most:
            raise DataError(f"{path} is larger than {most >> 20} MiB, which cannot be right.", "Get the file again.")
        with path.open("rb") as file:
            return RestrictedUnpickler(_with_unix_line_ends(file), PLAIN_NAMES).load()
    except DataError:
        raise
    except RefusedGlobalError as refused:
        raise DataError(
            f"{path} is refused: it asks for {refused}, and only numbers, text and numpy arrays are read from pickles.",
            "Nothing in it was run. Get the file again from a source that you trust, or remove it.",
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened: {error.strerror or error}.", "Check the file's permissions."
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        # The unpickler looks every byte up in a table; what it does not find there is no instruction.
        what = f"no instruction {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise DataError(
            f"{path} is not a whole pickle of numbers and text ({what}).",
            "Copy the file again in binary mode; a transfer that changes line ends damages it.",
        ) from error


class _Whole:
    """A file that gives no more than it has: a read that asks for more would reserve the memory first."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        begin = file.tell()
        self.size = file.seek(0, io.SEEK_END)
        file.seek(begin)

    def read(self, count: int) -> bytes:
        if count > self.size - self._file.tell():
            raise EOFError("it ends early")
        return self._file.read(count)

    def readline(self) -> bytes:
        return self._file.readline()


def _with_unix_line_ends(file: BinaryIO) -> BinaryIO:
    """Undo CRLF in a text pickle, which escapes every line end of its own; other files are read as they are."""
    first = file.readline(1024)
    file.seek(0)
    if first.startswith(b"\x80") or not first.endswith(b"\r\n"):
        return file
    data = file.read()
    if data.count(b"\n") != data.count(b"\r\n"):
        file.seek(0)
        return file
    return io.BytesIO(data.replace(b"\r\n", b"\n"))

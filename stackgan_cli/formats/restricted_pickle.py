"""Reading pickles that come from strangers: numbers, text, containers and numpy arrays, and nothing that runs.

The published metadata are Python 2 pickles. No function or class that a pickle names is ever looked up: the few names
that numpy writes are answered with stand-ins from this file, which build plain arrays and refuse all else.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ARRAY_TYPE = object()
_PLAIN_KINDS = "biufcSUO"
_PLAIN = (str, bytes, int, float, complex, type(None), np.generic)


class _PlainDtype:
    """Stands for a dtype while a pickle is read; its state may set the byte order and nothing else."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = True) -> None:  # noqa: ARG002
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str):
            raise pickle.UnpicklingError("an array of records")
        self.dtype = np.dtype(text)
        if self.dtype.kind not in _PLAIN_KINDS:
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
        if any(type(side) is not int or side < 0 for side in shape):
            raise pickle.UnpicklingError("an array of an impossible shape")
        # Numpy trusts these lengths, and reads past the end of a list that is too short.
        data, unit = (data, 1) if plain.dtype.hasobject else (_as_bytes(data), plain.dtype.itemsize)
        if type(data) is not (list if plain.dtype.hasobject else bytes) or len(data) != math.prod(shape) * unit:
            raise pickle.UnpicklingError("an array whose data do not fill its shape")
        super().__setstate__((version, shape, plain.dtype, fortran, data))


def _as_bytes(data: Any) -> Any:
    return data.encode("latin1") if isinstance(data, str) else data


def _empty_array(*_: Any) -> _Array:
    return _Array((0,), np.int8)


def _scalar(plain: _PlainDtype, data: str | bytes) -> Any:
    if plain.dtype.hasobject:
        raise pickle.UnpicklingError("an object wrapped as a number")
    return np.frombuffer(_as_bytes(data), plain.dtype, count=1)[0]


def _array_from_buffer(buffer: Any, plain: _PlainDtype, shape: tuple[int, ...], order: str) -> Any:
    if plain.dtype.hasobject:
        raise pickle.UnpicklingError("objects in a buffer")
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


def _as_keys(keys: Any) -> Any:
    """Refuse to look up what holds more than a few plain values: sets within sets can take for ever to compare."""
    for key in keys:
        if not all(isinstance(each, _PLAIN) for each in (key if type(key) is tuple else (key,))):
            raise pickle.UnpicklingError(f"{type(key).__name__} as a key or within a set")
    return keys


class _Builder:
    """A function that a pickle may call and cannot change, as it could change a function's own attributes."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *arguments: Any) -> Any:
        return self._build(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change to a function")


def _allowed_globals() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _ARRAY_TYPE,
        ("numpy", "dtype"): _Builder(_PlainDtype),
        ("_codecs", "encode"): _Builder(_bytes),
    }
    for package in ("numpy.core", "numpy._core"):
        table[f"{package}.multiarray", "_reconstruct"] = _Builder(_empty_array)
        table[f"{package}.multiarray", "scalar"] = _Builder(_scalar)
        table[f"{package}.numeric", "_frombuffer"] = _Builder(_array_from_buffer)
    builders: dict[str, Callable[..., Any]] = {
        "set": lambda items=(): set(_as_keys(items)),
        "frozenset": lambda items=(): frozenset(_as_keys(items)),
        "complex": complex,
        "bytes": _bytes,
        "bytearray": _bytes,
    }
    for module in ("builtins", "__builtin__"):
        table.update({(module, name): _Builder(builder) for name, builder in builders.items()})
    return table


_ALLOWED = _allowed_globals()


class _RefusedGlobalError(Exception):
    """A pickle names a function or class that data have no need of."""


def _with_plain_keys(code: bytes, keys: slice) -> Callable[[Any], None]:
    """An instruction that first looks at the keys, which lie at these places of the stack."""
    obey = pickle._Unpickler.dispatch[code[0]]

    def looking(unpickler: Any) -> None:
        _as_keys(unpickler.stack[keys])
        obey(unpickler)

    return looking


class _RestrictedUnpickler(pickle._Unpickler):
    """Answers every global from the table above and imports nothing.

    The unpickler in Python, because that in C reserves as much memory as a few hostile bytes ask for.
    """

    def _load_bytes(self: Any) -> None:
        # The original reserves and clears the stated length before it looks whether the file is that long.
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(length))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytes,
        pickle.SETITEM[0]: _with_plain_keys(pickle.SETITEM, slice(-2, -1)),
        **{code[0]: _with_plain_keys(code, slice(0, None, 2)) for code in (pickle.SETITEMS, pickle.DICT)},
        **{code[0]: _with_plain_keys(code, slice(None)) for code in (pickle.ADDITEMS, pickle.FROZENSET)},
    }

    def find_class(self, module: str, name: str) -> Any:
        # Line ends that a transfer turned into CRLF leave a carriage return on both.
        try:
            return _ALLOWED[module.strip(), name.strip()]
        except KeyError:
            raise _RefusedGlobalError(f"{module.strip()}.{name.strip()}") from None


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
            return _RestrictedUnpickler(_Whole(_with_unix_line_ends(file)), encoding="latin1").load()
    except DataError:
        raise
    except _RefusedGlobalError as refused:
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
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, count: int) -> bytes:
        if count > self._size - self._file.tell():
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

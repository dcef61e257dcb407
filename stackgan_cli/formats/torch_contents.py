"""What a file of PyTorch's asks for, found with stand-ins before PyTorch makes anything of it.

PyTorch's own reader runs no code of a file, but it takes the file's word for how long a tensor is, and calls what makes
a terabyte of zeros. Here the pickle in the file is read by :mod:`~stackgan_cli.formats.restricted_pickle`, in which a
tensor is a few numbers; what it asks for is compared with what the file holds.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from stackgan_cli.formats.restricted_pickle import (
    PLAIN_NAMES,
    Builder,
    RefusedGlobalError,
    RestrictedUnpickler,
    as_keys,
)

if TYPE_CHECKING:
    from pathlib import Path

_ARCHIVE = b"PK\x03\x04"
_NUMBER = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."
"""A pickle, after its two bytes of protocol, that files of before version 1.6 begin with (``torch/serialization.py``,
``MAGIC_NUMBER``)."""
_LONGEST_PICKLE = 2 << 20
"""Bytes; that of a network of a thousand tensors has a tenth of this."""
_COPIES, _ROOM = 4, 1 << 20
"""Tensors may share what they hold, and be larger than it."""
_MOST_SIDES = 64
_STORAGES = {
    f"{name}Storage": width
    for width, names in (
        (16, "ComplexDouble"),
        (8, "Double Long ComplexFloat"),
        (4, "Float Int"),
        (2, "Half BFloat16 Short"),
        (1, "Char Byte Bool Untyped"),
    )
    for name in names.split()
}
_TYPES = {
    name: width
    for width, names in (
        (16, "complex128"),
        (8, "float64 int64 uint64 complex64"),
        (4, "float32 int32 uint32"),
        (2, "float16 bfloat16 int16 uint16"),
        (1, "int8 uint8 bool"),
    )
    for name in names.split()
}
"""Bytes of a number."""


class ContentsError(Exception):
    """A file of PyTorch's is damaged, or asks for what it does not hold; its text is half a sentence."""


def refuse_hostile(path: Path) -> None:
    """Refuse a file that PyTorch should not even begin to read.

    Args:
        path: a regular file.

    Raises:
        ContentsError: it is no archive and no pickle of PyTorch's, is damaged, asks for something else than tensors and
            plain values, or for more than it holds.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(2 + len(_NUMBER))
            if begin.startswith(_ARCHIVE):
                _look_into_archive(file)
            elif begin.endswith(_NUMBER):
                _look_into_pickles(file)
            else:
                raise ContentsError("it does not begin as one")
    except (ContentsError, OSError, MemoryError):
        raise
    except RefusedGlobalError as refused:
        raise ContentsError(f"it asks for {refused}, and only tensors are taken") from None
    except Exception as error:  # a damaged pickle or archive can raise nearly anything
        raise ContentsError(str(error) or type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class _Storage:
    """Stands for numbers in a row."""

    count: int
    width: int


class _Opaque:
    """Stands for a tensor, or a device."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        raise ContentsError("it changes a tensor")


class _Ordered(dict[Any, Any]):
    """Stands for an ordered dictionary, whose own attributes are of no interest."""

    def __setstate__(self, state: Any) -> None:
        pass


def _ordered(items: Any = ()) -> _Ordered:
    if not isinstance(items, dict):
        as_keys(key for key, _ in items)
    return _Ordered(items)


@dataclass(slots=True)
class _Contents:
    """Collects what a pickle asks for."""

    storages: dict[str, int] = field(default_factory=dict)
    """Bytes of each storage, by its key."""
    tensors: int = 0
    """Bytes of all tensors, if each were written out."""

    def storage(self, identity: Any) -> _Storage:
        """Answer a persistent identity: kind, type, key, device, numbers, and in old files a part of another one."""
        if type(identity) is not tuple or not 5 <= len(identity) <= 6 or identity[0] not in ("storage", b"storage"):
            raise ContentsError("it refers to something outside the file")
        width, key, count = identity[1], identity[2], identity[4]
        if type(width) is not int or type(count) is not int or not isinstance(key, str | int) or count < 0:
            raise ContentsError("a storage in it is malformed")
        part = identity[5] if len(identity) == 6 else None
        if part is not None:
            if type(part) is not tuple or len(part) != 3 or any(type(each) is not int for each in part[1:]):
                raise ContentsError("a storage in it is malformed")
            if part[1] < 0 or part[2] < 0 or part[1] + part[2] > count:
                raise ContentsError("a storage in it reaches beyond another")
        size = self.storages.setdefault(str(key), count * width)
        if size != count * width:
            raise ContentsError("a storage in it is of two sizes")
        return _Storage(count if part is None else part[2], width)

    def tensor(self, storage: Any, offset: Any, sizes: Any, steps: Any, *_: Any) -> _Opaque:
        """Answer a tensor: where it begins in its storage, how many numbers a side has, and how far apart they are."""
        if not isinstance(storage, _Storage) or type(sizes) is not tuple or type(steps) is not tuple:
            raise ContentsError("a tensor in it is malformed")
        numbers = (offset, *sizes, *steps)
        if len(sizes) != len(steps) or len(sizes) > _MOST_SIDES or any(type(each) is not int for each in numbers):
            raise ContentsError("a tensor in it is malformed")
        if min(numbers) < 0 or max(numbers) >= 1 << 63:
            raise ContentsError("a tensor in it is malformed")
        count = math.prod(sizes)
        last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
        if count and last >= storage.count:
            raise ContentsError("a tensor in it reaches beyond its storage")
        self.tensors += count * storage.width
        return _Opaque()

    def typed_tensor(
        self, storage: Any, offset: Any, sizes: Any, steps: Any, _grad: Any, _hooks: Any, width: Any, *_: Any
    ) -> _Opaque:
        """Answer a tensor that says its type itself, in a storage that counts bytes."""
        if not isinstance(storage, _Storage) or type(width) is not int:
            raise ContentsError("a tensor in it is malformed")
        return self.tensor(_Storage(storage.count * storage.width // width, width), offset, sizes, steps)

    def refuse(self, room: int) -> None:
        """Refuse storages that are larger than what holds them, and tensors that are far larger than that.

        Args:
            room: bytes that hold the storages.
        """
        if sum(self.storages.values()) > room:
            raise ContentsError("it ends early")
        if self.tensors > _COPIES * room + _ROOM:
            raise ContentsError("its tensors ask for far more memory than the file fills")


class _Unpickler(RestrictedUnpickler):
    def __init__(self, file: BinaryIO, contents: _Contents) -> None:
        super().__init__(file, _names(contents))
        self._contents = contents

    def persistent_load(self, pid: Any) -> _Storage:
        return self._contents.storage(pid)


def _names(contents: _Contents) -> dict[tuple[str, str], Any]:
    """Name what a state dictionary and the plain values beside it are made of."""
    names: dict[tuple[str, str], Any] = dict(PLAIN_NAMES)
    names["collections", "OrderedDict"] = names["collections", "Counter"] = Builder(_ordered)
    names["torch", "Size"] = Builder(tuple)
    names["torch", "device"] = Builder(_Opaque)
    rebuilt = {"tensor": contents.tensor, "tensor_v2": contents.tensor, "tensor_v3": contents.typed_tensor}
    rebuilt |= dict.fromkeys(("parameter", "parameter_with_state"), lambda tensor, *_: tensor)
    names |= {("torch._utils", f"_rebuild_{name}"): Builder(build) for name, build in rebuilt.items()}
    names |= {("torch", name): width for name, width in _TYPES.items()}
    for module in ("torch", "torch.cuda", "torch.storage"):
        names |= {(module, name): width for name, width in _STORAGES.items()}
    return names


def _look_into_archive(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        sizes = {member.filename: member.file_size for member in members}
        if len(sizes) != len(members):
            raise ContentsError("it has two parts of one name")
        # PyTorch packs nothing; what is packed can unpack to a thousand times as much.
        if any(each.compress_type != zipfile.ZIP_STORED or each.compress_size != each.file_size for each in members):
            raise ContentsError("its parts are compressed, which PyTorch does not do")
        if sum(sizes.values()) > file.seek(0, io.SEEK_END):
            raise ContentsError("its parts are together larger than the file")
        pickles = [name for name in sizes if name.endswith("/data.pkl")]
        if len(pickles) != 1 or pickles[0].count("/") != 1 or sizes[pickles[0]] > _LONGEST_PICKLE:
            raise ContentsError("it is an archive of something else")
        contents = _Contents()
        with archive.open(pickles[0]) as part:
            _Unpickler(io.BytesIO(part.read()), contents).load()
    place = pickles[0].removesuffix("data.pkl")
    for key, size in contents.storages.items():
        if size > sizes.get(f"{place}data/{key}", 0):
            raise ContentsError(f"its part data/{key[:20]} is missing, or too short")
    contents.refuse(sum(contents.storages.values()))


def _look_into_pickles(file: BinaryIO) -> None:
    """Look into a file of before version 1.6: pickles one after the other, and then the storages."""
    contents = _Contents()
    before = file.tell()
    head = io.BytesIO(file.read(_LONGEST_PICKLE))
    for _ in ("version", "machine", "content", "keys of storages"):
        _Unpickler(head, contents).load()
    contents.refuse(file.seek(0, io.SEEK_END) - before - head.tell())

"""Shards as tar files: their members' headers one after the other, however damaged, and what the members hold."""

from __future__ import annotations

import gzip
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from stackgan_cli.pictures.decoding import UnreadablePicture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CUT_SHORT = "it is cut short"
_MAX_HEADER = 1 << 15
"""Bytes; tarfile reads at once as much as a header asks for, and no honest name is longer."""
_MAX_PICTURE = 1 << 28
"""Bytes; no encoded picture is larger."""
_MAX_UNPACKED = 1 << 32
"""Bytes; a compressed shard has to be unpacked to get past a member, which may be nothing but a few bytes repeated."""


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """An encoded picture inside an uncompressed shard."""

    path: Path
    offset: int
    """Where it begins, in bytes."""
    size: int
    """In bytes."""

    def __call__(self) -> bytes:
        """Fetch it.

        Raises:
            UnreadablePicture: the shard ends before the picture does.
            OSError: the shard cannot be opened.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise UnreadablePicture("the shard ends in the middle of it", self.path)
        return data


class DamagedShard(Exception):  # noqa: N818
    """The rest of a shard cannot be read; the message is a short reason."""


class _Bounded:
    """A file for tarfile to read headers from, that gives no more at once than a header may hold."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.last = b""
        """What was read last; where tarfile ended, the block that it took for the end."""
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise DamagedShard("it has a header that says it is longer than any name")
        self.last = self._file.read(size)
        return self.last


@dataclass(frozen=True, slots=True)
class Shard:
    """An open shard."""

    path: Path
    file: BinaryIO
    size: int | None
    """In bytes; None for a compressed one."""

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield headers.

        Raises:
            DamagedShard: there may be more, and they cannot be read.
        """
        source, reached = _Bounded(self.file), -1
        archive = None
        while True:
            try:
                if archive is None:
                    archive = tarfile.open(fileobj=cast("Any", source), mode="r:", encoding="utf-8")  # noqa: SIM115
                member = archive.next()
            except DamagedShard:
                raise
            except Exception as error:  # damaged headers make tarfile raise nearly anything
                raise DamagedShard(f"it is no tar file, or damaged ({str(error) or type(error).__name__})") from error
            if member is None:
                _check_end(source.last)
                return
            # Tarfile would keep the headers of all members.
            archive.members = []  # type: ignore[attr-defined]
            if archive.offset <= reached:
                raise DamagedShard("it has a header that leads back to an earlier one")
            reached = archive.offset
            if self.size is None and member.size > _MAX_UNPACKED:
                raise DamagedShard(f"it has a member that says it is {member.size:,} bytes long")
            yield member

    def read(self, member: tarfile.TarInfo) -> bytes:
        """Return what a member holds.

        Raises:
            DamagedShard: it cannot be read to its end.
        """
        try:
            self.file.seek(member.offset_data)
            data = self.file.read(member.size)
        except Exception as error:  # so do damaged compressed files
            raise DamagedShard(f"it is damaged ({str(error) or type(error).__name__})") from error
        if len(data) < member.size:
            raise DamagedShard(_CUT_SHORT)
        return data

    def fault_of(self, member: tarfile.TarInfo) -> str | None:
        """Say why a member cannot be read; None where it can."""
        if member.issym() or member.islnk():
            return "a link, which is not followed"
        if member.issparse() or not member.isreg():
            return "no ordinary file"
        if not 0 <= member.size <= _MAX_PICTURE:
            return f"of an impossible size (it says {member.size:,} bytes)"
        if self.size is not None and member.offset_data + member.size > self.size:
            return "cut off by the end of the shard"
        return None


def _check_end(block: bytes) -> None:
    if not block:
        raise DamagedShard("it ends without the mark of its end, so it may have been cut short")
    if block.strip(b"\0"):
        raise DamagedShard(_CUT_SHORT if len(block) < tarfile.BLOCKSIZE else "it has a damaged header")


@contextmanager
def open_shard(path: Path) -> Iterator[Shard]:
    """Open a shard, compressed or not.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        size = None if compressed else file.seek(0, 2)
        file.seek(0)
        if not compressed:
            yield Shard(path, file, size)
            return
        with gzip.open(file) as unpacked:
            yield Shard(path, cast("BinaryIO", unpacked), None)

"""What has come of a file so far, on disk: enough to go on after a broken connection, a kill or a full disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.downloads.addresses import RemoteFile

PIECE = 1 << 20
"""Bytes held in memory at most."""


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Turn what goes wrong on the disk into a DataError, so that it is not taken for trouble of the network."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"The disk is full: {path} could not be written.", "Make room and run it again.") from error
        raise DataError(
            f"{path} could not be read or written: {error.strerror or error}.", "Check its permissions."
        ) from error


def difference(file: RemoteFile, path: Path, digest: str | None = None) -> str | None:
    """Say in a clause how a file differs from the published one, or return None."""
    with on_disk(path):
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"it has {size:,} bytes and not {file.size:,}"
        if file.checksum is None:
            return None
        kind, _, wanted = file.checksum.partition(":")
        found = digest or file_digest(path, kind)
    return None if found == wanted.lower() else f"its {kind} sum is {found} and not {wanted}"


def file_digest(path: Path, kind: str) -> str:
    """Hash a file piece by piece.

    Args:
        path: the file.
        kind: ``sha256`` or ``md5``.

    Returns:
        The digest in hexadecimal.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file of a server something is the beginning of."""

    address: str
    size: int | None
    """Bytes of the whole file, where the server said so."""
    validator: str | None
    """What the server tells one version of the file by: an ETag or a time, as it came."""

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read the note beside a partial file; None where it is damaged."""
        try:
            note = json.loads(text)
            address, size, validator = note["address"], note["size"], note["validator"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        sound = isinstance(address, str) and (size is None or (type(size) is int and size > 0))
        header = validator is None or (isinstance(validator, str) and validator.isascii() and validator.isprintable())
        return cls(address, size, validator) if sound and header else None


class PartialFile:
    """What has come of a file, on disk, held by one process at a time; a context manager.

    Args:
        file: what is fetched.
        target: where the whole file will be; what has come lies beside it.

    Raises:
        DataError: on any use: it cannot be written, or another process holds it.
    """

    def __init__(self, file: RemoteFile, target: Path) -> None:
        self._file, self._target = file, target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._kind = (file.checksum or "sha256").partition(":")[0]
        self.size = 0
        """Bytes that have come, those of earlier runs included."""
        self.received = 0
        """Bytes that have come in this run."""
        self.origin: Origin | None = None

    def __enter__(self) -> Self:
        with on_disk(self.path):
            self._handle = self.path.open("ab", buffering=PIECE)
        if not _locked(self._handle.fileno(), self.path):
            self._handle.close()
            raise DataError(f"{self.path} is being written by another run.", "Wait until that one is done.")
        self.size = self._handle.tell()
        with suppress(OSError, UnicodeDecodeError):
            self.origin = Origin.from_json(self._note.read_text(encoding="utf-8"))
        self._digest = None if self.size else hashlib.new(self._kind, usedforsecurity=False)
        if self.size and not self._can_go_on():
            self.start_over()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._handle.close()

    def _can_go_on(self) -> bool:
        origin, file = self.origin, self._file
        if origin is None or origin.address != file.address or self.size > (origin.size or self.size):
            return False
        # Without either nothing would tell pieces of two versions of the file.
        return origin.validator is not None or file.checksum is not None

    @property
    def whole(self) -> bool:
        """Whether all of it has come."""
        return self.origin is not None and self.size == self.origin.size

    @property
    def joined(self) -> bool:
        """Whether it came in more than one piece."""
        return self._digest is None

    def begin(self, origin: Origin) -> None:
        """Forget what came before: from here on it is the beginning of this file."""
        self.start_over()
        self.origin = origin
        with on_disk(self._note):
            self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def start_over(self) -> None:
        """Throw away what has come."""
        if self.size:
            with on_disk(self.path):
                self._handle.truncate(0)
        self.size, self.origin = 0, None
        self._digest = hashlib.new(self._kind, usedforsecurity=False)

    def go_on(self, total: int | None) -> None:
        """Take what comes next as the rest of the file."""
        self._digest = None
        if self.origin:
            self.origin = replace(self.origin, size=total)

    def write(self, data: bytes) -> None:
        """Append what came."""
        with on_disk(self.path):
            self._handle.write(data)
        self.size += len(data)
        self.received += len(data)
        if self._digest:
            self._digest.update(data)

    def complete(self) -> None:
        """Know that nothing is to follow."""
        self.origin = replace(self.origin or Origin(self._file.address, None, None), size=self.size)

    def flushed_digest(self) -> str | None:
        """Put everything on disk; return its digest where it came in one piece."""
        with on_disk(self.path):
            self._handle.flush()
            os.fsync(self._handle.fileno())
        return self._digest.hexdigest() if self._digest else None

    def publish(self) -> None:
        """Give the file its own name."""
        with on_disk(self._target):
            if os.name == "nt":  # where no open file can be renamed; elsewhere the lock is kept until that is done
                self._handle.close()
            self.path.replace(self._target)
            self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove it and its note."""
        with on_disk(self.path):
            self._handle.close()
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)


def _locked(handle: int, path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows lets nobody rename or remove a file that is open
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems know no locks
        return True
    try:
        # Whoever held the lock a moment ago may have renamed the file.
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False

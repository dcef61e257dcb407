"""One process at a time: whoever comes second is told who is at it."""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import StackganError
from stackgan_cli.files import followed, not_written, open_regular
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

_LOCK, _HOLDER = ".lock", ".holder"
_INSIDE = ".stackgan"
"""What a lock is called that lies within its folder."""
_HOLDER_BYTES = 4096
_PATIENCE = 0.2
"""Seconds."""


@contextmanager
def only_one(target: Path, doing: str) -> Iterator[None]:
    """Let one process at a time do something to a folder, which need not exist; a process that dies lets go.

    The lock lies beside the folder, which may be renamed or replaced meanwhile; only where nothing can be written there
    it lies inside.

    Args:
        target: the folder.
        doing: to it, such as ``writing``.

    Raises:
        StackganError: another process is at it, which is named; or nothing can be written.
    """
    from filelock import FileLock, Timeout

    real = followed(target)
    beside = os.access(real.parent, os.W_OK) or not real.exists()
    place = real.with_name(f".{real.name}") if beside else real / _INSIDE
    files = place.with_name(f"{place.name}{_HOLDER}"), place.with_name(f"{place.name}{_LOCK}")
    made = [each for each in (place.parent, *place.parent.parents) if not each.exists()]
    lock = FileLock(files[1], mode=0o666)
    try:
        held = _acquired(lock, place.parent)
    except Timeout:
        raise StackganError(
            f"Another process is {doing} {target}{_who_holds(files[0])}.",
            hint="Wait until it has ended, or stop it first.",
        ) from None
    except OSError as error:
        raise not_written(target, error) from error
    if not held:
        yield
        return
    try:
        _sign(files[0])
        yield
    finally:
        # While it is still held: whoever comes next makes a new one.
        for path in files:
            with suppress(OSError):
                path.unlink()
        lock.release()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def is_lock(path: Path) -> bool:
    """Whether a file within a folder is what keeps other processes away from it."""
    return path.name in (_INSIDE + _LOCK, _INSIDE + _HOLDER)


def _acquired(lock: BaseFileLock, folder: Path) -> bool:
    """Take a lock as good as at once, or raise; say whether there can be one."""
    for last in (*[False] * 19, True):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Whoever lets go of it at this moment takes the file away, too, and the next try makes another.
            lock.acquire(timeout=_PATIENCE, poll_interval=_PATIENCE / 4)
        except (FileNotFoundError, FileExistsError):
            # Whoever held it before has just removed the folder that it had made; mkdir tells either.
            if last:
                raise
        except RuntimeError:
            # Some network drives know no locks; there the person has to take care.
            return False
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # Where nothing can be written, nothing can be spoilt.
            return False
        else:
            break
    return True


def _sign(path: Path) -> None:
    """Write down who holds a lock; whoever is refused reads it."""
    words = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:1000],
    }
    with suppress(OSError):
        path.write_text(json.dumps(words), encoding="utf-8")


def _who_holds(path: Path) -> str:
    """Say what :func:`_sign` wrote down; nothing where it cannot be read."""
    try:
        with open_regular(path) as file:
            words: dict[str, Any] = parse_json(file.read(_HOLDER_BYTES))
        since = datetime.fromisoformat(words["since"]).astimezone()
        number, host, command = int(words["process"]), str(words["host"]), str(words["command"])
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return ""
    return f": process {number} on {host}, since {since:%Y-%m-%d %H:%M} ({command})"

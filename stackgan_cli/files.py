"""Files and folders written whole or not at all, one process at a time, under paths that lead where they should."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError, StackganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTIAL, _OLD, _LOCK = ".partial", ".old", ".lock"


def given_path(path: str) -> Path:
    """Make a path that a person gave absolute, and follow its links.

    Raises:
        UsageError: it cannot be a path here, or cannot be written down in any file.
    """
    try:
        path.encode()
        return followed(Path(path).expanduser())
    except UnicodeEncodeError:
        raise UsageError(f"The path {path!r} is not UTF-8.", hint="Rename the folder, or copy it elsewhere.") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The path {path!r} cannot be followed: {reason}.",
            hint="Check how it is written, and where its links lead.",
        ) from error


def followed(path: Path) -> Path:
    """Make a path absolute and follow its links, to something that need not be there.

    Raises:
        OSError: the links lead in a circle. What `Path.resolve` does then depends on the version of Python.
    """
    real = Path(os.path.realpath(path))
    try:
        real.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "its links lead in a circle", str(path)) from None
    return real


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``target`` when the block ends well, and vanishes otherwise.

    An existing ``target`` is replaced only then, when everything in the new one has reached the disk.

    Raises:
        StackganError: something cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_PARTIAL, dir=target.parent))
        try:
            temporary.chmod(0o755)
            yield temporary
            _put_in_place(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise _not_written(target, error) from error


@contextmanager
def resumable_folder(target: Path) -> Iterator[Path]:
    """Give the folder that becomes ``target`` when the block ends well, with whatever an unfinished run left in it.

    It vanishes with a :class:`DataError`, which another try would meet again, and stays after every other end. No two
    processes are ever inside for the same target.

    Raises:
        StackganError: something cannot be written, or another process is inside.
    """
    work = target.parent / f".{target.name}{_PARTIAL}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with only_one(work, f"another process is writing {target}"):
            try:
                yield work
            except DataError:
                shutil.rmtree(work, ignore_errors=True)
                raise
            _put_in_place(work, target)
            (target / _LOCK).unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(target, error) from error


@contextmanager
def only_one(folder: Path, otherwise: str) -> Iterator[None]:
    """Let one process at a time do something to a folder; a process that dies lets go.

    Args:
        folder: it gains a hidden file.
        otherwise: what to say to a second process.

    Raises:
        StackganError: another process is inside.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StackganError(
            f"{otherwise[0].upper()}{otherwise[1:]}.", hint="Wait until it has ended, or stop it first."
        ) from None
    except RuntimeError:
        # Some network drives know no locks; there the person has to take care.
        yield
        return
    try:
        yield
    finally:
        # While it is still held: nobody waits for it, and whoever comes next makes a new one.
        (folder / _LOCK).unlink(missing_ok=True)
        lock.release()


def _put_in_place(new: Path, target: Path) -> None:
    for path in [*new.rglob("*"), new]:
        reach_disk(path)
    replace_folder(new, target)
    reach_disk(target.parent)


def sweep(folder: Path) -> None:
    """Undo what killed processes left half written or half replaced in a folder that nobody else writes to."""
    for old in folder.glob(f".*{_OLD}"):
        for path in old.iterdir():
            # The process died between the two renames of replace_folder.
            if not (folder / path.name).exists():
                path.rename(folder / path.name)
    for suffix in (_PARTIAL, _OLD):
        for path in folder.glob(f".*{suffix}"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder ``new`` in the place of ``target``; at no moment is ``target`` half written."""
    if not target.exists():
        new.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_OLD, dir=target.parent))
    target.rename(old / target.name)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that becomes ``path`` when the block ends well, and vanishes otherwise.

    Raises:
        StackganError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        StackganError: the file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def bytes_in(folder: Path) -> int:
    """Count the bytes of all regular files of a folder; links are not followed, what cannot be seen counts nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                status = os.lstat(os.path.join(place, name))  # noqa: PTH118  # a hundred thousand paths are slow to make
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def size_text(count: int) -> str:
    """A number of bytes as people say it, such as ``12.3 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def reach_disk(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk, where the system can tell."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _not_written(path: Path, error: OSError) -> StackganError:
    return StackganError(
        f"{path} could not be written: {error.strerror or error}.",
        hint="Check the folder's permissions, and whether the disk is full.",
    )


def relative_name(name: str) -> str | None:
    """Normalise a name given by a file to a POSIX path, or return None where it leads out of the folder."""
    posix = name.replace("\\", "/")
    if posix.startswith("/") or posix[1:2] == ":" or "\0" in posix:
        return None
    normal = posixpath.normpath(posix)
    return None if normal in (".", "..") or normal.startswith("../") else normal

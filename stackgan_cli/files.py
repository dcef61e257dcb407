"""Files and folders written whole or not at all, under paths that lead where they should."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import secrets
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError, StackganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

_PARTIAL, _OLD = ".partial", ".old"
_OURS = re.compile(r"\.(?P<name>.+)\.(\d+|[a-z0-9_]{8})\.(partial|old)")
"""Hidden names that hold what is half written or half replaced, with eight letters of their own."""


def given_path(path: str) -> Path:
    """Make a path that a person gave absolute, and follow its links.

    Raises:
        UsageError: it cannot be a path here, or cannot be written down in any file.
    """
    try:
        real = followed(Path(path).expanduser())
        # A relative path is within a folder that may be the one at fault.
        str(real).encode()
        return real
    except UnicodeEncodeError:
        raise UsageError(f"The path {path!r} is not UTF-8.", hint="Rename the folder, or copy it elsewhere.") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The path {path!r} cannot be followed: {str(reason).rstrip('.')}.",
            hint="Check how it is written, and where its links lead.",
        ) from error


def at_home(path: str | Path) -> Path:
    """Put the folder of a person in place of a ``~`` at a path's beginning.

    Raises:
        UsageError: there is no such person, or their folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"The path {str(path)!r} cannot be followed: {str(error).rstrip('.')}.", hint="Check how it is written."
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
def atomic_folder(target: Path, *, new: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes ``target`` when the block ends well, and vanishes otherwise.

    An existing ``target`` is replaced only then, when everything in the new one has reached the disk.

    Args:
        target: the folder.
        new: never replace anything but an empty folder.

    Raises:
        StackganError: something cannot be written, or a new folder's name is taken by then.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_PARTIAL, dir=target.parent))
        try:
            temporary.chmod(0o755)
            yield temporary
            _put_in_place(temporary, target, new=new)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise not_written(target, error) from error


@contextmanager
def resumable_folder(target: Path) -> Iterator[Path]:
    """Give the folder that becomes ``target`` when the block ends well, with whatever an unfinished run left in it.

    It vanishes with a :class:`DataError`, which another try would meet again, and stays after every other end. Whoever
    calls this keeps others away (see :func:`stackgan_cli.locks.only_one`).

    Raises:
        StackganError: something cannot be written.
    """
    work = unfinished(target)
    try:
        work.mkdir(parents=True, exist_ok=True)
        try:
            yield work
        except DataError:
            shutil.rmtree(work, ignore_errors=True)
            raise
        _put_in_place(work, target)
    except OSError as error:
        raise not_written(target, error) from error


def unfinished(target: Path) -> Path:
    """Return where :func:`resumable_folder` keeps what is to become ``target``."""
    return target.parent / f".{target.name}{_PARTIAL}"


def _put_in_place(whole: Path, target: Path, *, new: bool = False) -> None:
    for path in [*whole.rglob("*"), whole]:
        reach_disk(path)
    if new:
        try:
            whole.rename(target)
        except OSError as error:
            if not target.exists():
                raise
            raise StackganError(
                f"{target} exists by now, so it is left alone.", hint="Name a folder that does not exist yet."
            ) from error
    else:
        replace_folder(whole, target)
    reach_disk(target.parent)


def sweep(folder: Path) -> None:
    """Undo what killed processes left half written or half replaced in a folder that nobody else writes to."""
    for path in folder.glob(".*"):
        ours = _OURS.fullmatch(path.name)
        if ours is None:
            continue
        if path.suffix == _OLD:
            inside = [each.name for each in path.iterdir()] if path.is_dir() else None
            if inside not in ([], [ours["name"]]):
                # No folder of this kind that we make looks like this.
                continue
            if inside and not (folder / ours["name"]).exists():
                # The process died between the two renames of replace_folder.
                (path / ours["name"]).rename(folder / ours["name"])
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Delete a folder; wherever the process dies, it is there whole or :func:`sweep` finds what is left.

    Raises:
        OSError: it cannot be renamed.
    """
    grave = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_PARTIAL, dir=folder.parent))
    folder.rename(grave / folder.name)
    shutil.rmtree(grave, ignore_errors=True)


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder ``new`` in the place of ``target``.

    At no moment is ``target`` half written, and where the system can exchange two names, at none is it missing.
    """
    if not target.exists():
        with suppress(OSError):
            new.rename(target)
            return
        # Another process has put one there since.
    if _exchange(new, target):
        shutil.rmtree(new, ignore_errors=True)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_OLD, dir=target.parent))
    target.rename(old / target.name)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one moment; say whether this system and this disk can."""
    import ctypes

    # Whoever watches what is done to files learns of it as of every other renaming.
    sys.audit("os.rename", str(one), str(other), -1, -1)
    names = os.fsencode(one), os.fsencode(other)
    try:
        system = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(system.renamex_np(*names, 2) == 0)  # RENAME_SWAP, see rename(2) there
        here = -100  # AT_FDCWD
        return bool(system.renameat2(here, names[0], here, names[1], 2) == 0)  # RENAME_EXCHANGE, see rename(2)
    except (AttributeError, OSError, TypeError):
        return False


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that becomes ``path`` when the block ends well, and vanishes otherwise.

    Raises:
        StackganError: the file cannot be written.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def create_file(path: Path, content: bytes) -> None:
    """Write a new file whole or not at all; nothing that is there, or comes there meanwhile, is replaced.

    Raises:
        FileExistsError: something has this name.
        StackganError: the file cannot be written.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        named = _named_anew(temporary, path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if not named:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _named_anew(temporary: Path, path: Path) -> bool:
    """Give a file a name that nothing has; say whether it was free."""
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            # This disk knows no second names for a file.
            path.touch(exist_ok=False)
            temporary.replace(path)
    except FileExistsError:
        return False
    return True


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PARTIAL}")


def read_bounded(path: Path, most: int) -> bytes:
    """Read a regular file of no more than so many bytes.

    Raises:
        OSError: it cannot be read, has more, or is a folder, a pipe or a device, which could wait or go on for ever.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {size_text(most)}, which cannot be right", str(path))
    return content


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read it.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe or a device, which could wait or go on for ever.
    """
    # Opening a pipe would otherwise wait for somebody to write into it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device", str(path))
    return os.fdopen(handle, "rb")


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


def not_written(path: Path, error: OSError) -> StackganError:
    """Describe why something cannot be written."""
    return StackganError(f"{path} could not be written: {error.strerror or error}.", hint=remedy(error))


def remedy(error: OSError) -> str:
    """What to do about what the system refused."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "Make room on the disk, or choose a folder on another one."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Check the permissions, or choose a folder where you may write."
        case errno.ENAMETOOLONG:
            return "Choose a shorter name."
        case errno.ENOTDIR | errno.EISDIR | errno.ENOENT | errno.ELOOP:
            return "Check the path, and what lies there."
        case errno.EMFILE | errno.ENFILE:
            return "Close other programs, or allow more open files (ulimit -n)."
        case _:
            return "Check the path, and the disk that it leads to."


def relative_name(name: str) -> str | None:
    """Normalise a name given by a file to a POSIX path, or return None where it leads out of the folder."""
    posix = name.replace("\\", "/")
    if posix.startswith("/") or posix[1:2] == ":" or "\0" in posix:
        return None
    normal = posixpath.normpath(posix)
    return None if normal in (".", "..") or normal.startswith("../") else normal

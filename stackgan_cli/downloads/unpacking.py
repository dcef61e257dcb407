"""Unpacking a ``.zip`` or ``.tar`` archive that a stranger may have made, or one folder of it: all of that, or nothing.

Nothing is written outside the folder, nothing grows beyond belief, and links and devices are refused.
"""

from __future__ import annotations

import bz2
import errno
import glob
import gzip
import json
import lzma
import shutil
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING, Self, cast

from stackgan_cli.errors import DataError
from stackgan_cli.files import atomic_folder, relative_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

STAMP = ".unpacked.json"
"""The file in an unpacked folder that says which archive it came from."""

_MOST_ENTRIES = 1_000_000
_MOST_GROWTH = 200
"""What grows more than this while being unpacked is no collection of pictures and texts."""
_ALWAYS_ALLOWED = 64 << 20
_LARGEST_HEADER = _PIECE = 1 << 20
_COMPRESSED: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115
}
"""How a compressed tar is opened, by its first bytes."""
_TAR_MARK = slice(257, 262)
_LONGEST_REASON = 300
"""Characters of what is wrong with an archive that a message holds; names in it may be of any length."""
_UNFIT = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR)
"""What the system says of names that cannot be in one folder, whatever disk that is on."""
_LEFT_BEHIND = ("__MACOSX", ".DS_Store")
"""What macOS adds to archives."""


def is_archive(path: Path) -> bool:
    """Say whether a file looks like an archive that `unpack` takes, by its content.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(_TAR_MARK.stop)
    return start.startswith(tuple(_COMPRESSED)) or start[_TAR_MARK] == b"ustar" or zipfile.is_zipfile(path)


def unpack(
    archive: Path, folder: Path, checksum: str, report: Callable[[int, int], None], *, whole: bool = False
) -> None:
    """Unpack the folder of an archive that has the same name as the new folder, or the whole archive.

    Args:
        archive: the file; its kind is told from its content.
        folder: the folder to make.
        checksum: what tells this archive from others, as in ``RemoteFile.checksum``.
        report: called with the bytes done so far and those in all.
        whole: unpack everything, but for what macOS adds.

    Raises:
        DataError: the archive is damaged or none, or holds what must not be unpacked.
        stackgan_cli.errors.StackganError: the folder cannot be written.
    """
    for left_by_a_killed_run in folder.parent.glob(f".{glob.escape(folder.name)}.*.partial"):
        shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
    with atomic_folder(folder) as temporary:
        try:
            top = None if whole else folder.name
            (_unzip if zipfile.is_zipfile(archive) else _untar)(archive, temporary, top, report)
            if not any(temporary.iterdir()):
                raise ValueError("it holds no file" if whole else f"it holds no file in a folder {folder.name}")
        except Exception as error:  # a damaged archive can raise nearly anything
            if isinstance(error, OSError) and error.errno not in (None, *_UNFIT):
                raise
            raise DataError(
                f"{archive} is damaged, or no archive to be trusted: {_reason(error)}. Nothing of it was kept.",
                "Unpack it yourself if you trust it, and give the folder to --source."
                if whole
                else "Remove it, and get it again from a source that you trust.",
            ) from error
        stamp = {"archive": archive.name, "checksum": checksum}
        (temporary / STAMP).write_text(json.dumps(stamp), encoding="utf-8")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _UNFIT:
        return f"it holds a name that cannot be in the folder ({error.strerror})"
    return (str(error) or type(error).__name__)[:_LONGEST_REASON]


def is_unpacked(folder: Path, checksum: str) -> bool:
    """Say whether a folder is what `unpack` made of the archive with this checksum."""
    stamp = folder / STAMP
    return stamp.is_file() and json.dumps(checksum) in stamp.read_text(encoding="utf-8", errors="replace")


def _check(archive: Path, entries: int, size: int) -> None:
    """Refuse more entries or bytes than an archive can honestly hold."""
    packed = archive.stat().st_size
    if entries > _MOST_ENTRIES:
        raise ValueError(f"it has more than {_MOST_ENTRIES:,} entries")
    if size > max(_ALWAYS_ALLOWED, _MOST_GROWTH * packed):
        raise ValueError(f"its {packed:,} bytes would become {size:,} or more, as in a trap")


def _place(name: str, top: str | None, is_file: bool) -> str | None:
    """Return where an entry goes, relative to the folder; None for one that is left out."""
    path = relative_name(name)
    if path is None:
        raise ValueError(f"{name!r} leads out of the folder")
    first, _, rest = path.partition("/")
    if top is None:
        first, rest = "", "" if first in _LEFT_BEHIND or path.endswith(_LEFT_BEHIND) else path
    if first != (top or "") or rest in ("", STAMP):
        return None
    if not is_file:
        raise ValueError(f"{name!r} is neither a file nor a folder")
    return rest


def _unzip(archive: Path, folder: Path, top: str | None, report: Callable[[int, int], None]) -> None:
    with zipfile.ZipFile(archive) as package:
        files = [info for info in package.infolist() if not info.is_dir()]
        done, total = 0, sum(info.file_size for info in files)
        _check(archive, len(files), total)
        for info in files:
            # The upper half holds the mode, where the archive was made on Unix.
            place = _place(info.filename, top, stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG))
            if place is not None:
                info.filename = place
                package.extract(info, folder)
            done += info.file_size
            report(done, total)


class _Header(tarfile.TarInfo):
    """A header of a tar that asks tarfile to take no more into memory than the longest name needs."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.size > _LARGEST_HEADER and not header.isreg()):
            raise ValueError("it has an entry with an impossible size")
        return header


def _decompressed(file: BinaryIO) -> BinaryIO:
    start = file.read(len(max(_COMPRESSED, key=len)))
    file.seek(0)
    return next((opened(file) for mark, opened in _COMPRESSED.items() if start.startswith(mark)), file)


def _check_end(file: BinaryIO) -> None:
    """Refuse a tar without the zeros at its end, the only sign that it is whole."""
    file.seek(-min(tarfile.BLOCKSIZE, file.seek(0, 2)), 2)
    if any(file.read()):
        raise ValueError("it is cut short")


def _untar(archive: Path, folder: Path, top: str | None, report: Callable[[int, int], None]) -> None:
    size = archive.stat().st_size

    def chosen(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for entries, member in enumerate(tar, 1):
            _check(archive, entries, plain.tell() + member.size)
            report(packed.tell(), size)
            # A folder is made when a file is put into it.
            place = None if member.isdir() else _place(member.name, top, member.isreg() and not member.issparse())
            if place is not None:
                yield member.replace(name=place, deep=False)

    with archive.open("rb") as packed, _decompressed(packed) as plain:
        # Read as a stream, in which no header can send tarfile back.
        with tarfile.open(fileobj=plain, mode="r|", tarinfo=_Header) as tar:
            tar.extractall(folder, chosen(tar), filter="data")
        if plain is packed:
            _check_end(packed)
        while plain.read(_PIECE):  # only at its end a compressed one is known to be undamaged
            _check(archive, 0, plain.tell())
    report(size, size)

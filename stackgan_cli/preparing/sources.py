"""What a person names as a source, and what of it is read: a folder or a file, the folder of a list, an archive."""

from __future__ import annotations

import hashlib
import re
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.downloads.unpacking import STAMP, is_archive, is_unpacked, unpack
from stackgan_cli.files import given_path
from stackgan_cli.progress import Phases
from stackgan_cli.readers.folder.list_rows import LIST_SUFFIXES, NAMES
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary
from stackgan_cli.readers.tree import files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stackgan_cli.errors import StackganError
    from stackgan_cli.progress import Progress

_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
LIST_OPTION = "captions"
"""The option of readers that names a list."""
_PEEK = 5000
"""Files that are looked at to see whether there are pictures in a folder."""


def folder_of_list(source: Path) -> tuple[Path, str | None] | None:
    """Return the folder of the pictures that a file lists, and how the list is called there; None for other files.

    The name is None for lists that are found without it. Where there are no pictures in the folder of the list, those
    of the folder above it are meant.
    """
    if source.suffix.lower() not in LIST_SUFFIXES or not source.is_file():
        return None
    above = source.parent.parent
    folder = source.parent if _has_pictures(source.parent) or not _has_pictures(above) else above
    plain = source.name in NAMES and folder == source.parent
    return folder, None if plain else source.relative_to(folder).as_posix()


def _has_pictures(folder: Path) -> bool:
    files = files_below(folder, Boundary(folder), lambda _: True)
    return any(Path(name).suffix.lower() in PICTURE_SUFFIXES for name, _ in islice(files, _PEEK))


def unpacked(source: Path, data: Path, fits: Callable[[Path], bool], progress: Progress) -> Path:
    """Return the folder to read in place of an archive, which is unpacked where it is not yet; all else stays.

    It lies beside the prepared data, whose lock keeps others away, until `forget_unpacked`.

    Args:
        source: what a person named.
        data: folder of the prepared data.
        fits: says whether a folder can be read. What lies alone in what was unpacked is asked about, too.
        progress: told what is done.

    Raises:
        DataError: the archive is damaged, or holds what must not be unpacked.
        StackganError: it cannot be written.
    """
    if not source.is_file() or not is_archive(source):
        return source
    about = source.stat()
    checksum = hashlib.sha256(f"{source} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()
    folder = _unpacked_place(source, data)
    if not is_unpacked(folder, checksum):
        forget_unpacked(data)
        progress.say(f"{source.name} is an archive, and is unpacked until its pictures are prepared.")
        with Phases(progress) as phases:

            def report(done: int, total: int) -> None:
                phases.report("Unpacking (MB)", done // 10**6, total // 10**6)

            unpack(source, folder, checksum, report, whole=True)
    return next(filter(fits, _nested(folder)), folder)


def _nested(folder: Path) -> Iterator[Path]:
    """Yield a folder, and each that is all there is in the one before."""
    while True:
        yield folder
        inside = [each for each in folder.iterdir() if each.name != STAMP and not each.name.startswith(".")]
        if len(inside) != 1 or inside[0].is_symlink() or not inside[0].is_dir():
            return
        folder = inside[0]


def told_of_archive(error: StackganError, source: Path | str | None, data: Path) -> None:
    """Let an error speak of an archive that a person named, and not of the folder that it was unpacked to."""
    if source is None:
        return
    archive = given_path(str(source))
    folder = str(_unpacked_place(archive, data))
    error.message = error.message.replace(folder, str(archive))
    error.args = (error.message,)
    error.hint = error.hint and error.hint.replace(folder, str(archive))


def _unpacked_place(archive: Path, data: Path) -> Path:
    return _workshop(data) / (_ARCHIVE.sub("", archive.name) or archive.name)


def forget_unpacked(data: Path) -> None:
    """Delete what was unpacked to prepare data of this folder."""
    shutil.rmtree(_workshop(data), ignore_errors=True)


def _workshop(data: Path) -> Path:
    return data.parent / f".{data.name}.unpacked"

"""Unpacking a .zip, .tar or .tgz into a new folder: whole or not at all, and nothing outside that folder.

Archives come from strangers. The archive libraries only read: this module writes every file itself, links become copies
of the files that they stand for, and neither owners nor permissions are taken over.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
import posixpath
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING

from stackgan_cli.downloads.partial_file import PIECE, file_digest, on_disk
from stackgan_cli.errors import DataError
from stackgan_cli.files import atomic_folder, relative_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STAMP = ".unpacked.json"
"""The file in an unpacked folder that says which archive it came from."""

_MOST_ENTRIES = 1_000_000
_LONGEST_NAME = 1_000
_MOST_GROWTH = 200
"""What grows more than this while being unpacked is no collection of pictures and texts."""
_ALWAYS_ALLOWED = 64 << 20
_LARGEST_HEADER = 4 << 20
_LARGEST_TAIL = 64 << 20


class _RefusedError(Exception):
    """An archive holds what must not be unpacked; the message is a clause."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of an archive."""

    name: str
    size: int = 0
    open: Callable[[], IO[bytes] | None] | None = None
    """None for folders and links."""
    link: str | None = None
    """For a link, the file that it stands for, named from the top of the archive."""


def unpack(
    archive: Path,
    folder: Path,
    *,
    report: Callable[[int, int | None], None],
    inside: str | None = None,
    checksum: str | None = None,
) -> Path:
    """Unpack an archive into a new folder, unless it is unpacked there already.

    Args:
        archive: the file; its kind is told from its content.
        folder: the folder to make.
        report: called with the bytes done so far and those in all.
        inside: the top folder of the archive that becomes ``folder``, without the rest; everything where None.
        checksum: what tells this archive from others, as in ``RemoteFile.checksum``, where the caller has verified it.
            Its SHA-256 sum is computed where None.

    Returns:
        ``folder``: what was in the archive, and a stamp.

    Raises:
        DataError: the archive is damaged or none, holds what must not be unpacked, or does not fit on the disk; or
            ``folder`` exists and is something else.
        stackgan_cli.errors.StackganError: the folder cannot be written.
    """
    if checksum is None:
        with on_disk(archive):
            checksum = f"sha256:{file_digest(archive, 'sha256')}"
    if is_unpacked(folder, checksum, inside):
        return folder
    if folder.exists() or folder.is_symlink():
        raise DataError(
            f"{folder} exists already, and is not what {archive.name} unpacks to.", "Move it away, and run it again."
        )
    for left_by_a_killed_run in folder.parent.glob(f".{glob.escape(folder.name)}.*.partial"):
        shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
    with atomic_folder(folder) as temporary:
        with on_disk(archive), _told(archive):
            target = _Target(temporary, inside, archive.stat().st_size)
            _fill(target, archive, report)
        stamp = {"archive": archive.name, "checksum": checksum, "inside": inside, "files": target.files}
        (temporary / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return folder


def is_unpacked(folder: Path, checksum: str, inside: str | None = None) -> bool:
    """Say whether a folder is what `unpack` made of the archive with this checksum."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(stamp, dict) and stamp.get("checksum") == checksum and stamp.get("inside") == inside


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except _RefusedError as refused:
        raise DataError(
            f"{archive} is not unpacked: {refused}. Nothing of it was kept.",
            "Get the archive again from a source that you trust.",
        ) from None
    except Exception as error:  # a damaged archive can raise nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{archive} is damaged, or no archive ({str(error) or type(error).__name__}). Nothing of it was kept.",
            "Remove it, and download it again.",
        ) from error


def _fill(target: _Target, archive: Path, report: Callable[[int, int | None], None]) -> None:
    with archive.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith((b"PK\3\4", b"PK\5\6")):
            with zipfile.ZipFile(file) as package:
                total = sum(info.file_size for info in package.infolist() if target.takes(info.filename))
                target.check_room(total)
                target.write_all(_zip_entries(package), lambda: report(target.written, total))
        elif start.lstrip()[:5].lower() in (b"<html", b"<!doc"):
            raise _RefusedError("it is a web page and no archive")
        else:
            size = archive.stat().st_size
            with gzip.GzipFile(fileobj=file) if start.startswith(b"\x1f\x8b") else file as plain:
                target.write_all(_tar_entries(plain, target.root), lambda: report(file.tell(), size))


def _zip_entries(package: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in package.infolist():
        name = info.filename
        # The upper half holds the mode, where the archive was made on Unix.
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 1:
            raise _RefusedError("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _RefusedError(f"{name!r} is packed in a way that is not read here")
        if info.is_dir() or kind == stat.S_IFDIR:
            yield _Entry(name)
        elif kind == stat.S_IFLNK:
            if info.file_size > _LONGEST_NAME:
                raise _RefusedError(f"{name!r} is a link to nowhere")
            yield _Entry(name, link=posixpath.join(posixpath.dirname(name), package.read(info).decode()))
        elif kind in (0, stat.S_IFREG):
            yield _Entry(name, info.file_size, partial(package.open, info))
        else:
            raise _RefusedError(f"{name!r} is neither a file nor a folder")


class _Bounded(io.BufferedIOBase):
    """What tarfile reads from: no header may be endless, and the last bytes that were read are remembered."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile) -> None:
        self._source = source
        self._left = _LARGEST_HEADER
        self.last = b""

    def allow(self, count: int) -> None:
        """Let this many bytes be read from now on."""
        self._left = count

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self._left:
            raise _RefusedError("it has an entry with an impossible size")
        self._left -= size
        self.last = self._source.read(size)
        return self.last

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()


def _tar_entries(plain: IO[bytes] | gzip.GzipFile, root: Path) -> Iterator[_Entry]:
    source = _Bounded(plain)
    with tarfile.open(fileobj=source, mode="r:") as tar:
        while (member := tar.next()) is not None:
            _check_kind(member, root)
            source.allow(member.size + _LARGEST_HEADER)
            if member.isreg():
                yield _Entry(member.name, member.size, partial(tar.extractfile, member))
            elif member.isdir():
                yield _Entry(member.name)
            else:
                base = "" if member.islnk() else posixpath.dirname(member.name)
                yield _Entry(member.name, link=posixpath.join(base, member.linkname))
            source.allow(_LARGEST_HEADER)
    if source.last != bytes(tarfile.BLOCKSIZE):
        # tarfile takes a damaged header for the end, and a cut for it too.
        raise EOFError("it ends in the middle")
    left = _LARGEST_TAIL
    while piece := plain.read(PIECE):  # only at its end a .tgz is known to be undamaged
        left -= len(piece)
        if left < 0:
            raise _RefusedError("more follows after its end")


def _check_kind(member: tarfile.TarInfo, root: Path) -> None:
    known = member.isreg() or member.isdir() or member.issym() or member.islnk()
    if not known or member.issparse() or member.size < 0:
        raise _RefusedError(f"{member.name!r} is neither a file nor a folder")
    second_opinion = getattr(tarfile, "data_filter", None)  # which Python has since 3.11.4
    if second_opinion is not None:
        try:
            second_opinion(member, str(root))
        except tarfile.TarError:
            raise _RefusedError(f"{member.name!r} leads out of the folder") from None


@dataclass(slots=True)
class _Target:
    """The folder that an archive is written into, and what has gone into it."""

    root: Path
    inside: str | None
    archive_size: int
    files: int = 0
    written: int = 0
    """Bytes."""
    _stated: int = 0
    _entries: int = 0
    _places: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By what file systems may compare: each path, and whether it is a folder."""
    _links: list[tuple[str, str]] = field(default_factory=list)

    def takes(self, name: str) -> bool:
        """Whether an entry of this name is unpacked."""
        return self._place(name) is not None

    def write_all(self, entries: Iterator[_Entry], tell: Callable[[], None]) -> None:
        """Write every entry, and the links when all files are there.

        Raises:
            _RefusedError: an entry, or all of them together, must not be unpacked.
        """
        for entry in entries:
            self._entries += 1
            if self._entries > _MOST_ENTRIES:
                raise _RefusedError(f"it has more than {_MOST_ENTRIES:,} entries")
            place = self._place(entry.name)
            if place is not None:
                self._write(entry, place, tell)
        for place, link in self._links:
            self._copy(place, link)
            tell()
        if not self.files:
            raise _RefusedError("it holds no file" + (f" in a folder {self.inside}" if self.inside else ""))
        tell()

    def check_room(self, stated: int) -> None:
        """Refuse more bytes than the archive can honestly hold, or than the disk has room for.

        Raises:
            _RefusedError: the archive grows beyond belief.
            DataError: the disk is too small.
        """
        if stated > max(_ALWAYS_ALLOWED, _MOST_GROWTH * self.archive_size):
            raise _RefusedError(f"its {self.archive_size:,} bytes would become {stated:,} or more, as in a trap")
        free = shutil.disk_usage(self.root).free + self.written
        if stated > free:
            raise DataError(
                f"The disk of {self.root.parent} has too little room: {stated:,} bytes or more are to be unpacked, and "
                f"{free:,} are free.",
                "Make room, or choose a folder on another disk.",
            )

    def _place(self, name: str) -> str | None:
        """Return where an entry goes, relative to the folder; None for one that is left out."""
        if posixpath.normpath(name.replace("\\", "/")) == ".":
            return None
        path = relative_name(name)
        if path is None:
            raise _RefusedError(f"{name!r} leads out of the folder")
        if len(path) > _LONGEST_NAME:
            raise _RefusedError(f"it has a name of {len(path):,} characters")
        if self.inside is not None:
            top, _, path = path.partition("/")
            if top != self.inside:
                return None
        return path if path not in ("", STAMP) else None

    def _claim(self, place: str, is_folder: bool) -> None:
        parts = place.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            here = (path, is_folder or depth < len(parts))
            key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            there = self._places.setdefault(key, here)
            if there[0] != path:
                raise _RefusedError(f"{there[0]!r} and {path!r} are one and the same name on many disks")
            if there is not here and not (there[1] and here[1]):
                raise _RefusedError(f"it holds {path!r} twice")

    def _count(self, size: int) -> None:
        self._stated += size
        self.check_room(self._stated)
        self.files += 1

    def _write(self, entry: _Entry, place: str, tell: Callable[[], None]) -> None:
        path = self.root / place
        self._claim(place, entry.open is None and entry.link is None)
        if entry.link is not None:
            self._links.append((place, entry.link))
            return
        if entry.open is None:
            with on_disk(path):
                path.mkdir(parents=True, exist_ok=True)
            return
        self._count(entry.size)
        before, told = self.written, self.written
        with on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb", buffering=0)
        with file, entry.open() or io.BytesIO() as source:
            while piece := source.read(PIECE):
                if self.written - before + len(piece) > entry.size:
                    raise _RefusedError(f"{entry.name!r} is larger than it says")
                with on_disk(path):
                    _write_whole(file, piece)
                self.written += len(piece)
                if self.written >= told + PIECE:
                    told = self.written
                    tell()
        if self.written - before != entry.size:
            raise EOFError(f"{entry.name!r} is shorter than it says")
        tell()

    def _copy(self, place: str, link: str) -> None:
        source = self._place(link)
        if source is None or not (self.root / source).is_file():
            raise _RefusedError(f"{place!r} is a link to {link!r}, which is no file in it")
        size = (self.root / source).stat().st_size
        self._count(size)
        with on_disk(self.root / place):
            (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / source, self.root / place)
        self.written += size


def _write_whole(file: io.FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]

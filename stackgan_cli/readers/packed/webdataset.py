"""WebDataset shards: tar files in which the members of one key are a picture and its captions."""

from __future__ import annotations

import gzip
import re
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from stackgan_cli.components.protocols import Example
from stackgan_cli.files import relative_name
from stackgan_cli.parsing import parse_json
from stackgan_cli.pictures.decoding import UnreadablePicture
from stackgan_cli.readers.captions import MAX_CAPTION_FILE, UnreadableCaptions, captions_in_lines, decode_text, oddity
from stackgan_cli.readers.columns import BadRow, Columns, class_in, class_of, plainly
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, LayoutReader, printable
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.packed.files import PackedFile, likely_files, packed_files, packed_source
from stackgan_cli.readers.split_names import tell_open_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should be, or hold, tar files with members such as 0001.jpg and 0001.txt (one caption per line) or 0001.json, "
    "the members of one key one after the other."
)
_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_TEXTS = ("txt", "text", "caption", "captions")
# The key is everything up to the first dot of the last part of a name: the definition of the webdataset library.
_KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")
_CUT_SHORT = "it is cut short"
_TOGETHER = " (the members of one key have to stand together, as tar --sort=name puts them)"
_PEEK = 64
"""Members looked at to recognise a shard."""
_MAX_HEADER = 1 << 15
"""Bytes; tarfile reads at once as much as a header asks for, and no honest name is longer."""
_MAX_PICTURE = 1 << 28
"""Bytes; no encoded picture is larger."""
_MAX_UNPACKED = 1 << 32
"""Bytes; a compressed shard has to be unpacked to get past a member, which may be nothing but a few bytes repeated."""


class WebdatasetReader(LayoutReader):
    """Reads the shards of a WebDataset, one of them or a folder of them.

    A picture's captions are the lines of the text of the same key, else those that its JSON object has; its class is
    the name that the object has, else what the member ``cls`` says. The split is that which the name of the shard or
    of its folder speaks of. Nothing is extracted to disk, and pictures stay where they are until they are wanted, but
    for those of compressed shards.
    """

    file_suffixes = _SUFFIXES
    layout = _LAYOUT
    recipe = "modern"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def root_of(self, source: Path | None) -> Path:
        """Return the source, a file or a folder."""
        return packed_source(source, _LAYOUT)

    def evidence(self, source: Path) -> str | None:
        """Look at names, and at the first headers of the first shard."""
        shard = next(likely_files(source, _SUFFIXES), None)
        try:
            pair = None if shard is None else _first_pair(shard)
        except _DamagedShard:
            return None
        return None if shard is None or pair is None else f"{shard.name} holds {pair[0]} and {pair[1]}"

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, shard by shard in the order of their names, and what had to be left out."""
        left_out = LeftOut()
        yield from _examples(packed_files(root, _SUFFIXES, _LAYOUT, left_out), left_out)


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


def _first_pair(path: Path) -> tuple[str, str] | None:
    """Return the first picture and the text of the same key that stands together with it."""
    key, names = "", {}
    with _opened(path) as shard:
        for item in _keyed("", islice(shard.members(), _PEEK), LeftOut()):
            if item.key != key:
                key, names = item.key, dict[bool, str]()
            kind = _kind(item.extension)
            if kind is not None:
                names[kind == "picture"] = f"{item.key}.{item.extension}"
                if len(names) == 2:
                    return names[True], names[False]
    return None


def _kind(extension: str) -> str | None:
    last = extension.rpartition(".")[2]
    if "." + last in PICTURE_SUFFIXES:
        return "picture"
    return "text" if last in _TEXTS else {"json": "record", "cls": "class"}.get(extension)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A member that has a key."""

    key: str
    extension: str
    header: tarfile.TarInfo


class _DamagedShard(Exception):  # noqa: N818
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
            raise _DamagedShard("it has a header that says it is longer than any name")
        self.last = self._file.read(size)
        return self.last


@dataclass(frozen=True, slots=True)
class _Shard:
    """An open shard."""

    path: Path
    file: BinaryIO
    size: int | None
    """In bytes; None for a compressed one."""

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield headers.

        Raises:
            _DamagedShard: there may be more, and they cannot be read.
        """
        source, reached = _Bounded(self.file), -1
        archive = None
        while True:
            try:
                if archive is None:
                    archive = tarfile.open(fileobj=cast("Any", source), mode="r:", encoding="utf-8")  # noqa: SIM115
                member = archive.next()
            except _DamagedShard:
                raise
            except Exception as error:  # damaged headers make tarfile raise nearly anything
                raise _DamagedShard(f"it is no tar file, or damaged ({str(error) or type(error).__name__})") from error
            if member is None:
                _check_end(source.last)
                return
            # Tarfile would keep the headers of all members.
            archive.members = []  # type: ignore[attr-defined]
            if archive.offset <= reached:
                raise _DamagedShard("it has a header that leads back to an earlier one")
            reached = archive.offset
            if self.size is None and member.size > _MAX_UNPACKED:
                raise _DamagedShard(f"it has a member that says it is {member.size:,} bytes long")
            yield member

    def read(self, member: tarfile.TarInfo) -> bytes:
        """Return what a member holds.

        Raises:
            _DamagedShard: it cannot be read to its end.
        """
        try:
            self.file.seek(member.offset_data)
            data = self.file.read(member.size)
        except Exception as error:  # so do damaged compressed files
            raise _DamagedShard(f"it is damaged ({str(error) or type(error).__name__})") from error
        if len(data) < member.size:
            raise _DamagedShard(_CUT_SHORT)
        return data


def _check_end(block: bytes) -> None:
    if not block:
        raise _DamagedShard("it ends without the mark of its end, so it may have been cut short")
    if block.strip(b"\0"):
        raise _DamagedShard(_CUT_SHORT if len(block) < tarfile.BLOCKSIZE else "it has a damaged header")


@contextmanager
def _opened(path: Path) -> Iterator[_Shard]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        size = None if compressed else file.seek(0, 2)
        file.seek(0)
        if not compressed:
            yield _Shard(path, file, size)
            return
        with gzip.open(file) as unpacked:
            yield _Shard(path, cast("BinaryIO", unpacked), None)


def _fault(member: tarfile.TarInfo, shard: _Shard) -> str | None:
    if member.issym() or member.islnk():
        return "a link, which is not followed"
    if member.issparse() or not member.isreg():
        return "no ordinary file"
    if not 0 <= member.size <= _MAX_PICTURE:
        return f"of an impossible size (it says {member.size:,} bytes)"
    if shard.size is not None and member.offset_data + member.size > shard.size:
        return "cut off by the end of the shard"
    return None


@dataclass(slots=True)
class _Sample:
    """The members of one key."""

    key: str
    image: StoredPicture | bytes | None = None
    extension: str = ""
    others: int = 0
    """Further pictures."""
    captions: list[str] = field(default_factory=list)
    record: Mapping[str, Any] = field(default_factory=dict)
    class_name: str | None = None
    odd: str | None = None
    """What is odd about its captions, in half a sentence."""
    picture_fault: str | None = None
    text_fault: str | None = None

    def take(self, item: _Keyed, shard: _Shard) -> None:
        """Add a member.

        Raises:
            _DamagedShard: it cannot be read to its end.
        """
        extension, member = item.extension, item.header
        kind, fault = _kind(extension), _fault(member, shard)
        if kind == "picture":
            if fault is not None:
                self.picture_fault = f"its picture is {fault}"
            elif self._is_better(extension):
                self.extension = extension
                stored = StoredPicture(shard.path, member.offset_data, member.size)
                self.image = stored if shard.size is not None else shard.read(member)
        elif kind is not None:
            if fault is None and member.size > MAX_CAPTION_FILE:
                fault = "larger than a megabyte"
            if fault is not None:
                self.text_fault = f"its {extension} is {fault}"
            else:
                self._read_words(kind, shard.read(member))

    def _is_better(self, extension: str) -> bool:
        if self.image is None:
            return True
        self.others += 1
        # key.mask.png is something beside the picture key.jpg, wherever it stands.
        return "." in self.extension and "." not in extension

    def _read_words(self, kind: str, data: bytes) -> None:
        text = decode_text(data)
        if kind == "record":
            try:
                record = parse_json(text)
            except ValueError:
                record = None
            self.record = plainly(record) if isinstance(record, dict) else {}
            if not isinstance(record, dict):
                self.text_fault = "its json is damaged, or no object"
        elif kind == "class":
            self.class_name = class_in(text)
        else:
            try:
                captions, odd = captions_in_lines(data)
            except UnreadableCaptions as problem:
                self.text_fault = str(problem)
                return
            self.captions += captions
            self.odd = odd or self.odd


def _examples(shards: list[PackedFile], left_out: LeftOut) -> Iterator[Example | Skipped]:
    for shard in shards:
        keys: set[str] = set()
        for sample in _samples(shard, left_out):
            made = _example(shard, sample, sample.key in keys)
            if isinstance(made, Example):
                keys.add(sample.key)
                if sample.odd is not None:
                    left_out.add(made.name, "keys", sample.odd)
                if sample.others:
                    left_out.add(made.name, "keys", "kept with the first of its pictures; the others were left out")
                yield made
            elif made is not None:
                left_out.add(f"{shard.prefix}/{sample.key}", "keys", made)
    tell_open_parts(((shard.name, shard.split) for shard in shards), "shards", left_out)
    yield from left_out.lines()


def _samples(packed: PackedFile, left_out: LeftOut) -> Iterator[_Sample]:
    """Gather the members of each key, which stand together."""
    sample: _Sample | None = None
    problem = ""
    try:
        with _opened(packed.path) as shard:
            for item in _keyed(packed.prefix, shard.members(), left_out):
                if sample is None or sample.key != item.key:
                    if sample is not None:
                        yield sample
                    sample = _Sample(item.key)
                sample.take(item, shard)
    except _DamagedShard as error:
        problem = str(error)
    except OSError as error:
        problem = f"it cannot be opened ({error.strerror or error})"
    if sample is not None:
        yield sample
    if problem:
        left_out.add(packed.name, "shards", f"not read to its end: {problem}")


def _keyed(prefix: str, members: Iterable[tarfile.TarInfo], left_out: LeftOut) -> Iterator[_Keyed]:
    for member in members:
        shown = printable(member.name)
        inner = relative_name(member.name)
        match = None if member.isdir() else _KEY.fullmatch(inner or "")
        if shown != member.name:
            left_out.add(f"{prefix}/{shown}", "members", "its name is not UTF-8")
        elif inner is None and not member.isdir():
            left_out.add(f"{prefix}/{shown}", "members", "its name leads out of the shard")
        elif match is not None:
            yield _Keyed(match[1], match[2].lower(), member)


def _example(shard: PackedFile, sample: _Sample, repeated: bool) -> Example | str | None:
    """Return an example, or why there is none, or None for members that have nothing to do with captioned pictures."""
    captions = tuple(sample.captions)
    if not captions:
        try:
            captions, damaged = Columns().captions(sample.record)
            sample.odd = oddity(damaged, None)
        except BadRow as error:
            sample.text_fault = str(error)
    if sample.image is None:
        if not captions and sample.picture_fault is None:
            return None
        return sample.picture_fault or f"there is no picture beside its caption{_TOGETHER}"
    if not captions:
        return sample.text_fault or f"there is no caption beside it{_TOGETHER}"
    if repeated:
        return "the same key came earlier in the shard"
    class_name = class_of(sample.record, sample.class_name)
    return Example(f"{shard.prefix}/{sample.key}", sample.image, captions, shard.split, class_name)

"""WebDataset shards: tar files in which the members of one key are a picture and its captions."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example
from stackgan_cli.files import relative_name
from stackgan_cli.parsing import parse_json
from stackgan_cli.readers.captions import MAX_CAPTION_FILE, UnreadableCaptions, captions_in_lines, decode_text, oddity
from stackgan_cli.readers.columns import BadRow, Columns, class_in, class_of, plainly
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, LayoutReader, printable
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.packed.captions_elsewhere import CaptionsElsewhere
from stackgan_cli.readers.packed.files import PackedFile, likely_files, packed_files, packed_source
from stackgan_cli.readers.packed.shards import DamagedShard, Shard, StoredPicture, open_shard
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
_TOGETHER = " (the members of one key have to stand together, as tar --sort=name puts them)"
_REPEATED = "the same key came earlier in the shard"
_PEEK = 64
"""Members looked at to recognise a shard."""


class WebdatasetReader(LayoutReader):
    """Reads the shards of a WebDataset, one of them or a folder of them.

    A picture's captions are the lines of the text of the same key, else those that its JSON object has; its class is
    the name that the object has, else what the member ``cls`` says. The split is that which the name of the shard or
    of its folder speaks of. Nothing is extracted to disk, and pictures stay where they are until they are wanted, but
    for those of compressed shards.

    Args:
        captions: a list of captions or a folder of caption files, relative to the source or absolute, that speak of
            pictures by their keys, with or without the name of the shard before them; those in the shards are then not
            used. What else they say of a picture, its class or its split, goes before what the shards say.
    """

    file_suffixes = _SUFFIXES
    layout = _LAYOUT
    recipe = "modern"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def __init__(self, *, captions: str | None = None) -> None:
        self._captions = captions

    def root_of(self, source: Path | None) -> Path:
        """Return the source, a file or a folder."""
        return packed_source(source, _LAYOUT)

    def evidence(self, source: Path) -> str | None:
        """Look at names, and at the first headers of the first shard."""
        shard = next(likely_files(source, _SUFFIXES), None)
        # Pictures alone in one tar file may be of any layout, and are unpacked.
        alone = self._captions is not None and source.is_dir()
        try:
            found = None if shard is None else _first_sample(shard, alone=alone)
        except DamagedShard:
            return None
        return None if shard is None or found is None else f"{shard.name} holds {' and '.join(found)}"

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, shard by shard in the order of their names, and what had to be left out."""
        left_out = LeftOut()
        folder = root if root.is_dir() else root.parent
        elsewhere = None
        if self._captions is not None:
            elsewhere = CaptionsElsewhere(folder / self._captions, Columns(), left_out)
        yield from _examples(packed_files(root, _SUFFIXES, _LAYOUT, left_out), elsewhere, left_out)


def _first_sample(path: Path, *, alone: bool) -> tuple[str, ...] | None:
    """Return the first picture and the text of the same key that stands together with it, or a picture alone."""
    key, names = "", {}
    with open_shard(path) as shard:
        for item in _keyed("", islice(shard.members(), _PEEK), LeftOut()):
            if item.key != key:
                key, names = item.key, dict[bool, str]()
            kind = _kind(item.extension)
            if kind is not None:
                names[kind == "picture"] = f"{item.key}.{item.extension}"
                if len(names) == 2:
                    return names[True], names[False]
                if alone and True in names:
                    return (names[True],)
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


@dataclass(slots=True)
class _Sample:
    """The members of one key."""

    key: str
    image: StoredPicture | bytes | None = None
    extension: str = ""
    others: int = 0
    """Further pictures."""
    captions: list[str] = field(default_factory=list)
    letters: int = 0
    """Characters of all captions, those that are left out among them."""
    record: Mapping[str, Any] = field(default_factory=dict)
    class_name: str | None = None
    odd: str | None = None
    """What is odd about its captions, in half a sentence."""
    picture_fault: str | None = None
    text_fault: str | None = None

    def take(self, item: _Keyed, shard: Shard) -> None:
        """Add a member.

        Raises:
            DamagedShard: it cannot be read to its end.
        """
        extension, member = item.extension, item.header
        kind, fault = _kind(extension), shard.fault_of(member)
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
        if kind == "text":
            self._read_captions(data)
        elif kind == "class":
            self.class_name = class_in(decode_text(data))
        else:
            try:
                record = parse_json(decode_text(data))
            except ValueError:
                record = None
            self.record = plainly(record) if isinstance(record, dict) else {}
            if not isinstance(record, dict):
                self.text_fault = "its json is damaged, or no object"

    def _read_captions(self, data: bytes) -> None:
        try:
            captions, odd = captions_in_lines(data)
        except UnreadableCaptions as problem:
            self.text_fault = str(problem)
            return
        # A packed shard may hold the same text for ever, all of one key.
        self.letters += sum(map(len, captions))
        if self.letters > MAX_CAPTION_FILE:
            self.odd = "kept with the first of its captions; what is beyond a megabyte was left out"
        else:
            self.captions += captions
            self.odd = odd or self.odd


def _examples(
    shards: list[PackedFile], elsewhere: CaptionsElsewhere | None, left_out: LeftOut
) -> Iterator[Example | Skipped]:
    for shard in shards:
        keys: set[str] = set()
        for sample in _samples(shard, left_out):
            made = _example(shard, sample, sample.key in keys, elsewhere)
            if isinstance(made, Example):
                keys.add(sample.key)
                if sample.odd is not None:
                    left_out.add(made.name, "keys", sample.odd)
                if sample.others:
                    left_out.add(made.name, "keys", "kept with the first of its pictures; the others were left out")
                yield made
            elif made is not None:
                left_out.add(f"{shard.prefix}/{sample.key}", "keys", made)
    if elsewhere is not None:
        elsewhere.tell_unused()
    tell_open_parts(((shard.name, shard.split) for shard in shards), "shards", left_out)
    yield from left_out.lines()


def _samples(packed: PackedFile, left_out: LeftOut) -> Iterator[_Sample]:
    """Gather the members of each key, which stand together."""
    sample: _Sample | None = None
    problem = ""
    try:
        with open_shard(packed.path) as shard:
            for item in _keyed(packed.prefix, shard.members(), left_out):
                if sample is None or sample.key != item.key:
                    if sample is not None:
                        yield sample
                    sample = _Sample(item.key)
                sample.take(item, shard)
    except DamagedShard as error:
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


def _example(
    shard: PackedFile, sample: _Sample, repeated: bool, elsewhere: CaptionsElsewhere | None
) -> Example | str | None:
    """Return an example, or why there is none, or None for members that have nothing to do with captioned pictures."""
    if elsewhere is not None:
        return _captioned_elsewhere(shard, sample, repeated, elsewhere)
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
        return _REPEATED
    class_name = class_of(sample.record, sample.class_name)
    return Example(f"{shard.prefix}/{sample.key}", sample.image, captions, shard.split, class_name)


def _captioned_elsewhere(
    shard: PackedFile, sample: _Sample, repeated: bool, elsewhere: CaptionsElsewhere
) -> Example | str | None:
    if sample.image is None or repeated:
        return _REPEATED if repeated else sample.picture_fault
    name = f"{shard.prefix}/{sample.key}"
    try:
        said = elsewhere.of(name, name, sample.key)
    except UnreadableCaptions as problem:
        return str(problem)
    # The one line that is told of a key.
    sample.odd = next(said.oddities(), None)
    class_name = said.class_name or class_of(sample.record, sample.class_name)
    split = said.split or (None if said.odd_split else shard.split)
    return Example(name, sample.image, said.captions, split, class_name)

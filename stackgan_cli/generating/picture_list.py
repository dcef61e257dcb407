"""The list of the pictures in a folder, ``pictures.jsonl``: a line for each, added when its file is written."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.files import not_written, open_regular
from stackgan_cli.parsing import parse_json
from stackgan_cli.pictures.decoding import load_picture
from stackgan_cli.pictures.picture_files import read_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "pictures.jsonl"
_LONGEST_LINE = 1 << 20
_SAID = {"file": str, "prompt": str, "seed": int, "model": str, "fingerprint": str, "stage": int}
"""What every line says, beside what was chosen."""
_DECIDING = ("prompt", "seed", "fingerprint", "stage", "condition", "checkpoint", "truncation", "upscale")
"""What two files of one picture have in common, beside their format."""
_NUMBER = re.compile(r"-\d+(?=\.[a-z]+$)", re.ASCII)
"""What a file is called beyond the name that it was to have, where that was taken."""
_BY_LOT = "seed_by_lot"
"""The first seed of each prompt where a run drew it by lot, so that another can go on with it."""


class PictureList:
    """The list of the pictures in a folder.

    Args:
        folder: which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._folder = folder / NAME, folder

    @property
    def foreign(self) -> bool:
        """Whether something has this name that is no such list, and is to be left alone."""
        if not os.path.lexists(self.path):
            return False
        try:
            with open_regular(self.path) as file:
                first = file.readline(_LONGEST_LINE)
        except OSError:
            return True
        return first != b"" and _entry(first) is None

    def add(self, file: Path, facts: Mapping[str, Any], by_lot: int | None) -> None:
        """Add a picture that was written; others may add theirs at the same time.

        Args:
            file: in the folder.
            facts: of the picture.
            by_lot: first seed of each prompt, where it was drawn by lot.

        Raises:
            StackganError: the list cannot be written.
        """
        entry = {"file": file.name, **facts} | ({} if by_lot is None else {_BY_LOT: by_lot})
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                size = os.fstat(handle).st_size
                os.lseek(handle, max(size - 1, 0), os.SEEK_SET)
                # Whoever wrote last may have been killed in the middle of it.
                os.write(handle, line if os.read(handle, 1) in (b"", b"\n") else b"\n" + line)
            finally:
                os.close(handle)
        except OSError as error:
            raise not_written(self.path, error) from error

    def seed_by_lot(self) -> int | None:
        """The first seed of the last run that drew it by lot; None where there is none."""
        last = None
        for entry in self._entries():
            if type(entry.get(_BY_LOT)) is int:
                last = entry[_BY_LOT]
        return last

    def last_seed(self) -> int | None:
        """The seed of the last picture; None where there is none."""
        last = None
        for entry in self._entries():
            last = entry["seed"]
        return last

    def finished(self) -> Finished:
        """Give the pictures whose files are there, too."""
        found: dict[bytes, list[str]] = {}
        unlisted = set[str]()
        with suppress(OSError):
            unlisted = {path.name for path in self._folder.iterdir()}
        for entry in self._entries():
            name = entry["file"]
            unlisted.discard(name)
            if name == Path(name).name and self._is_whole(name):
                found.setdefault(_digest(entry, Path(name).suffix), []).append(name)
        return Finished(self._folder, found, unlisted)

    def _is_whole(self, name: str) -> bool:
        path = self._folder / name
        return path.is_file() and path.stat().st_size > 0

    def _entries(self) -> Iterator[dict[str, Any]]:
        """Give all lines that are whole."""
        try:
            with open_regular(self.path) as file:
                while line := file.readline(_LONGEST_LINE):
                    entry = _entry(line)
                    if entry is not None:
                        yield entry
        except OSError:
            return


class Finished:
    """Pictures that are there, each to be taken once.

    Args:
        folder: of their files.
        names: of their files, by what decides how the pictures look.
        unlisted: files beside them that no list has: whoever is killed when he has written a picture cannot list it.
    """

    def __init__(self, folder: Path, names: dict[bytes, list[str]], unlisted: set[str]) -> None:
        self._folder, self._names, self._unlisted = folder, names, unlisted
        self._called: dict[str, list[str]] = {}
        """Those files by the name that they have, or would have had if it had been free."""
        for name in sorted(unlisted):
            for wanted in {name, _NUMBER.sub("", name)}:
                self._called.setdefault(wanted, []).append(name)

    def take(self, facts: Mapping[str, Any], suffix: str) -> Path | None:
        """Give the file of a picture, and none the next time; None where it is not there.

        Args:
            facts: of the picture, as its file has them.
            suffix: of its file.
        """
        names = self._names.get(_digest(facts, suffix))
        return self._folder / names.pop(0) if names else None

    def take_unlisted(self, facts: Mapping[str, Any], stem: str, suffix: str) -> tuple[Path, dict[str, Any]] | None:
        """Give a file that says of itself that it is a picture, and all that it says; None where there is none.

        Args:
            facts: of the picture, as its file has them.
            stem: of its file's name.
            suffix: likewise.
        """
        for path in self._unlisted_as(f"{stem}{suffix}"):
            with suppress(DataError):
                found = {"file": path.name} | read_facts(path) | {"file": path.name}
                if _is_entry(found) and _digest(found, suffix) == _digest(facts, suffix):
                    # Half a picture says as much of itself.
                    load_picture(path)
                    self._unlisted.remove(path.name)
                    return path, found
        return None

    def take_same(self, content: bytes, stem: str, suffix: str) -> Path | None:
        """Give a file that no list has and whose content is this; None where there is none."""
        for path in self._unlisted_as(f"{stem}{suffix}"):
            with suppress(OSError):
                if path.stat().st_size == len(content) and path.read_bytes() == content:
                    self._unlisted.remove(path.name)
                    return path
        return None

    def _unlisted_as(self, wanted: str) -> list[Path]:
        return [self._folder / name for name in self._called.get(wanted, ()) if name in self._unlisted]


def _digest(facts: Mapping[str, Any], suffix: str) -> bytes:
    """Sum up what decides how a picture looks in few bytes, because there may be any number."""
    words = json.dumps([suffix, *(facts.get(name) for name in _DECIDING)])
    return blake2b(words.encode(), digest_size=16).digest()


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = parse_json(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and _is_entry(entry) else None


def _is_entry(found: Mapping[str, Any]) -> bool:
    return all(type(found.get(name)) is kind for name, kind in _SAID.items())

"""Caption files: one caption per line, in whatever encoding they were saved."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stackgan_cli.readers.encodings import Decoded, decoded, file_encoding, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.readers.layout import Boundary
    from stackgan_cli.readers.left_out import LeftOut

MAX_CAPTION_FILE = 1 << 20
"""Bytes; a text file larger than this is no caption file."""
MAX_LINE = 1 << 22
"""Characters; a line longer than this is not kept in memory."""
_USUAL = 1 << 14
"""Bytes; few caption files are larger."""

_SIBLINGS = 200
"""Files beside one that is not UTF-8 that are looked at to tell what they are: a single caption is too short."""
_NOTHING = frozenset(("", "nan", "null", "none", "<na>"))
"""What tables have in cells that hold nothing, in any case."""
_DAMAGE = re.compile("[ \t]*[\0\ufffd\ud800-\udfff]+[ \t]*")


class UnreadableCaptions(Exception):  # noqa: N818
    """A caption file holds no captions; the message is a short reason."""


def decode_text(data: bytes) -> str:
    """Decode a text file, its encoding told by `stackgan_cli.readers.encodings.decoded`; damage becomes U+FFFD."""
    return decoded(data).text


def bounded_lines(file: BinaryIO) -> Iterator[str | None]:
    r"""Yield the lines of a text file of any size, holding no more than one of them.

    Args:
        file: the file at its start; its encoding is told by its content, and damage becomes U+FFFD.

    Yields:
        Each line with ``\n`` for whatever ended it, or None in place of one longer than `MAX_LINE`.
    """
    return lines_of(file, file_encoding(file)[0], MAX_LINE)


def mended(text: str) -> tuple[str, bool]:
    """Put a space where characters are damaged, as the published files have it; strip, and say whether any was."""
    clean, count = _DAMAGE.subn(" ", text)
    return clean.strip(), count > 0


def text_lines(text: str) -> list[str]:
    """Split at line ends of Unix, Windows and old Macs, and at nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_nothing(text: str) -> bool:
    """Say whether text is one of those that tables and programs write where there is nothing, such as ``NaN``."""
    return text.strip().lower() in _NOTHING


def captions_in_lines(data: bytes | Decoded) -> tuple[tuple[str, ...], str | None]:
    """Read a text with a caption on each line: the captions, stripped, and what is odd about it, in half a sentence.

    Raises:
        UnreadableCaptions: it is no text.
    """
    text, guessed = decoded(data) if isinstance(data, bytes) else data
    if text.count("\0") * 4 > len(text):
        raise UnreadableCaptions("its caption file is not text")
    pairs = [mended(line) for line in text_lines(text)]
    captions = tuple(caption for caption, _ in pairs if not is_nothing(caption))
    return captions, oddity(any(damage for _, damage in pairs), guessed)


def oddity(damaged: bool, guessed: str | None) -> str | None:
    """Say what is odd about text that is kept; None where nothing is."""
    if guessed is not None:
        return f"kept; it is not UTF-8 and was read as {guessed} (--encoding decides otherwise)"
    return "kept; damaged characters were read as spaces" if damaged else None


class CaptionFiles:
    """Reads caption files, and tells which of them were damaged, or in which encoding they were."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._guessed: str | None = None

    def read(self, path: Path, name: str, boundary: Boundary | None = None) -> tuple[str, ...]:
        """Return the captions of a file, which messages call ``name``: its lines, stripped, without the empty ones.

        Raises:
            UnreadableCaptions: it is a link that leads out of the boundary, cannot be opened, or is empty, too large,
                no text, or no regular file.
        """
        captions, odd = captions_in_lines(self.text(path, boundary))
        if not captions:
            raise UnreadableCaptions("its caption file holds no caption")
        self.tell(name, odd)
        return captions

    def tell(self, name: str, odd: str | None) -> None:
        """Note what is odd about a file that is kept, if anything is."""
        if odd is not None:
            self._left_out.add(name, "caption files", odd)

    def text(self, path: Path, boundary: Boundary | None = None) -> Decoded:
        """Return what a file holds, as `read` does before it looks for captions."""
        if boundary is not None and not boundary.holds(path):
            raise UnreadableCaptions("its caption file is a link that leads out of the folder")
        try:
            data = _content(path)
        except OSError as error:
            raise UnreadableCaptions(f"its caption file cannot be opened: {error.strerror or error}") from error
        if len(data) > MAX_CAPTION_FILE:
            raise UnreadableCaptions("its caption file is larger than a megabyte")
        text = decoded(data, self._guessed, lambda: _beside(path))
        self._guessed = text.guessed or self._guessed
        return text


def _content(path: Path) -> bytes:
    # Opening a pipe would wait for somebody to write into it.
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableCaptions("its caption file is no regular file")
    with path.open("rb") as file:
        # A read reserves all that it asks for.
        data = file.read(_USUAL)
        return data + file.read(MAX_CAPTION_FILE + 1 - _USUAL) if len(data) == _USUAL else data


def _beside(path: Path) -> bytes:
    """Return the beginnings of files of the same kind in the same folder that can be opened, by name."""
    with os.scandir(path.parent) as entries:
        names = sorted(each.name for each in entries if each.is_file(follow_symlinks=False))
    data = []
    for name in islice((name for name in names if Path(name).suffix == path.suffix), _SIBLINGS):
        with suppress(OSError), (path.parent / name).open("rb") as file:
            data.append(file.read(_USUAL))
    return b"\n".join(data)

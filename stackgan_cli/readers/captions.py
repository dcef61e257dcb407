"""Caption files: one caption per line, in whatever encoding they were saved."""

from __future__ import annotations

import codecs
import io
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from stackgan_cli.readers.layout import Boundary
    from stackgan_cli.readers.left_out import LeftOut

MAX_CAPTION_FILE = 1 << 20
"""Bytes; a text file larger than this is no caption file."""
MAX_LINE = 1 << 22
"""Characters; a line longer than this is not kept in memory."""
_USUAL = 1 << 14
"""Bytes; few caption files are larger."""

# The mark of UTF-32 begins with that of UTF-16, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 4096
"""Bytes at the start of a file by which its encoding is told."""
# In UTF-16 these begin a character of any alphabet from Latin to Arabic; no text in UTF-8 is full of them.
_HIGH_BYTES = bytes(range(9))
_DAMAGE = re.compile("[ \t]*[\0\ufffd\ud800-\udfff]+[ \t]*")


class UnreadableCaptions(Exception):  # noqa: N818
    """A caption file holds no captions; the message is a short reason."""


def text_encoding(start: bytes) -> str:
    """Tell the encoding of a text from its first bytes.

    UTF-16 and UTF-32 are known by their byte order mark. UTF-16 without one is known by the zeros, or other bytes below
    9, that nearly every second byte is in the alphabets from Latin to Arabic. All else is taken for UTF-8.
    """
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    even, odd = (_share_of_high_bytes(start[first:_SAMPLE:2]) for first in (0, 1))
    if odd > 0.75 and even < 0.1:
        return "utf-16-le"
    if even > 0.75 and odd < 0.1:
        return "utf-16-be"
    return "utf-8-sig"


def _share_of_high_bytes(data: bytes) -> float:
    return 1 - len(data.translate(None, _HIGH_BYTES)) / len(data) if data else 0.0


def decode_text(data: bytes) -> str:
    """Decode a text file, its encoding told by `text_encoding`; damage becomes U+FFFD."""
    return data.decode(text_encoding(data), errors="replace")


def bounded_lines(file: BinaryIO) -> Iterator[str | None]:
    r"""Yield the lines of a text file of any size, holding no more than one of them.

    Args:
        file: the file at its start; its encoding is told by `text_encoding`, and damage becomes U+FFFD.

    Yields:
        Each line with ``\n`` for whatever ended it, or None in place of one longer than `MAX_LINE`.
    """
    encoding = text_encoding(file.read(_SAMPLE))
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline=None)
    while line := text.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(MAX_LINE)
        yield None


def mended(text: str) -> tuple[str, bool]:
    """Put a space where characters are damaged, as the published files have it; strip, and say whether any was."""
    clean, count = _DAMAGE.subn(" ", text)
    return clean.strip(), count > 0


def text_lines(text: str) -> list[str]:
    """Split at line ends of Unix, Windows and old Macs, and at nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def captions_in_lines(data: bytes) -> tuple[tuple[str, ...], bool]:
    """Read a text with a caption on each line: the captions, stripped, and whether anything was damaged.

    Raises:
        UnreadableCaptions: it is no text.
    """
    text = decode_text(data)
    if text.count("\0") * 4 > len(text):
        raise UnreadableCaptions("its caption file is not text")
    pairs = [mended(line) for line in text_lines(text)]
    return tuple(caption for caption, _ in pairs if caption), any(damage for _, damage in pairs)


class CaptionFiles:
    """Reads caption files, and tells which of them were damaged."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out

    def read(self, path: Path, name: str, boundary: Boundary | None = None) -> tuple[str, ...]:
        """Return the captions of a file, which messages call ``name``: its lines, stripped, without the empty ones.

        Raises:
            UnreadableCaptions: it is a link that leads out of the boundary, cannot be opened, or is empty, too large,
                no text, or no regular file.
        """
        if boundary is not None and not boundary.holds(path):
            raise UnreadableCaptions("its caption file is a link that leads out of the folder")
        try:
            # Opening a pipe would wait for somebody to write into it.
            if not stat.S_ISREG(path.stat().st_mode):
                raise UnreadableCaptions("its caption file is no regular file")
            with path.open("rb") as file:
                # A read reserves all that it asks for.
                data = file.read(_USUAL)
                if len(data) == _USUAL:
                    data += file.read(MAX_CAPTION_FILE + 1 - _USUAL)
        except OSError as error:
            raise UnreadableCaptions(f"its caption file cannot be opened: {error.strerror or error}") from error
        if len(data) > MAX_CAPTION_FILE:
            raise UnreadableCaptions("its caption file is larger than a megabyte")
        captions, damaged = captions_in_lines(data)
        if not captions:
            raise UnreadableCaptions("its caption file holds no caption")
        if damaged:
            self._left_out.add(name, "caption files", "kept; damaged characters were read as spaces")
        return captions

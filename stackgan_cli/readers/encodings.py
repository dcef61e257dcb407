"""In which encoding a text is: what a person chose, what its first bytes say, or what its characters make likely."""

from __future__ import annotations

import codecs
import io
import json
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from stackgan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The mark of UTF-32 begins with that of UTF-16, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF_8 = "utf-8-sig"
_SAMPLE = 4096
"""Bytes at the start of a file by which its encoding is told."""
_LARGEST_SAMPLE = 1 << 16
"""Bytes that are enough to tell one legacy encoding from another."""
_PIECE = 1 << 15
# In UTF-16 these begin a character of any alphabet from Latin to Arabic; no text in UTF-8 is full of them.
_HIGH_BYTES = bytes(range(9))
_WESTERN = ("cp1252", "cp1250")
_LEGACY = [
    *_WESTERN,
    *("cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp932", "gb18030", "big5", "cp949"),
]
"""Encodings of before Unicode that captions are still found in."""
_MARKS_IN_TEXT = frozenset("“”„‘’‚«»‹›–—…°·•¿¡©®™€£§½¼¾×")
_OF_NO_TEXTS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")
"""What Python counts among encodings of text: forms of names of hosts, and of its own programs."""
_CHOSEN: ContextVar[str | None] = ContextVar("encoding", default=None)


class Decoded(NamedTuple):
    """A text, and its encoding where that is not UTF-8 and was only guessed."""

    text: str
    guessed: str | None = None


@contextmanager
def read_as(encoding: str | None) -> Iterator[None]:
    """Take every text that is read meanwhile for one in this encoding; None to tell it by looking.

    Raises:
        UsageError: there is no encoding of text of this name.
    """
    before = _CHOSEN.get()
    _CHOSEN.set(None if encoding is None else known_encoding(encoding))
    try:
        yield
    finally:
        _CHOSEN.set(before)


def known_encoding(name: str) -> str:
    """Return the name that Python has for an encoding of text.

    Raises:
        UsageError: it has none.
    """
    try:
        found = codecs.lookup(name)
        "".encode(found.name)
        if found.name in _OF_NO_TEXTS:
            raise LookupError(name)
    except (LookupError, ValueError, UnicodeError):
        raise UsageError(
            f"There is no encoding of text called {name!r}.", hint="--encoding utf-8, cp1252, cp1251, shift_jis ..."
        ) from None
    return _UTF_8 if found.name == "utf-8" else found.name


def decoded(data: bytes, likely: str | None = None, more: Callable[[], bytes] | None = None) -> Decoded:
    """Decode a text; what is damaged in it becomes U+FFFD.

    UTF-16 and UTF-32 are known by their byte order mark. UTF-16 without one is known by the zeros, or other bytes below
    9, that nearly every second byte is in the alphabets from Latin to Arabic. All else is UTF-8, unless it cannot be
    and reads well in an older encoding.

    Args:
        data: the text.
        likely: an older encoding that such texts were in.
        more: gives more text in the same encoding, by which to tell which one it is.
    """
    encoding = _chosen_or_told(data)
    text = data.decode(encoding, errors="replace")
    if encoding != _UTF_8 or "\ufffd" not in text or _CHOSEN.get() is not None or not _is_legacy(data, text):
        return Decoded(text)
    guessed = likely if likely is not None and _reads_well(data, likely) else None
    if guessed is None:
        guessed = _guess(data + (b"\n" + more() if more is not None else b""))
    return Decoded(data.decode(guessed, errors="replace"), guessed) if guessed is not None else Decoded(text)


def file_encoding(file: BinaryIO) -> tuple[str, str | None]:
    """Tell the encoding of a file of any size, which is at its start and returns there.

    Returns:
        The encoding, and again where it was only guessed.
    """
    encoding, guessed = _chosen_or_told(file.read(_SAMPLE)), None
    file.seek(0)
    if encoding == _UTF_8 and _CHOSEN.get() is None:
        sample = _not_utf_8(file)
        guessed = decoded(sample).guessed if sample else None
        file.seek(0)
    return guessed or encoding, guessed


def text_of(data: bytes) -> str:
    """Decode a text from a form that is UTF-8 by its rules, unless a person chose; damage becomes U+FFFD."""
    return data.decode(_CHOSEN.get() or "utf-8", errors="replace")


def json_encoding(file: BinaryIO) -> tuple[str, str | None]:
    """Tell the encoding of a file of JSON, as `file_encoding` does; UTF-16 and UTF-32 are known by its first signs."""
    found = json.detect_encoding(file.read(4))
    file.seek(0)
    if _CHOSEN.get() is None and found not in ("utf-8", _UTF_8):
        return found, None
    return file_encoding(file)


def lines_of(file: BinaryIO, encoding: str, longest: int) -> Iterator[str | None]:
    """Yield the lines of a text file, each ended by a line feed; None in place of one of too many characters."""
    text = io.TextIOWrapper(file, encoding, errors="replace", newline=None)
    while line := text.readline(longest + 1):
        if len(line) <= longest:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(longest)
        yield None


def _not_utf_8(file: BinaryIO) -> bytes:
    """Return the first pieces of lines of a file that are not ASCII; nothing where all of it is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    sample = b""
    broken = False
    while piece := file.read(_PIECE):
        if not piece.isascii() and len(sample) < _LARGEST_SAMPLE:
            lines = (line for line in piece.splitlines() if not line.isascii())
            sample += b"\n".join(line[:_SAMPLE] for line in lines)[:_LARGEST_SAMPLE]
        try:
            decoder.decode(piece)
        except UnicodeDecodeError:
            broken = True
            break
    return sample if broken else b""


def _chosen_or_told(start: bytes) -> str:
    """Return the encoding that a person chose, or the one that a text is in by its first bytes.

    UTF-16 and UTF-32 without their mark are taken for what the bytes say, else for the order of most machines.
    """
    chosen = _CHOSEN.get()
    told = _by_first_bytes(start) if chosen in (None, "utf-16", "utf-32") else ""
    if chosen is None or told.startswith(chosen):
        return told
    return f"{chosen}-le" if chosen in ("utf-16", "utf-32") else chosen


def _by_first_bytes(start: bytes) -> str:
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    even, odd = (_share_of_high_bytes(start[first:_SAMPLE:2]) for first in (0, 1))
    if odd > 0.75 and even < 0.1:
        return "utf-16-le"
    if even > 0.75 and odd < 0.1:
        return "utf-16-be"
    return _UTF_8


def _share_of_high_bytes(data: bytes) -> float:
    return 1 - len(data.translate(None, _HIGH_BYTES)) / len(data) if data else 0.0


def _is_legacy(data: bytes, text: str) -> bool:
    """Say whether what is not UTF-8 can be an older encoding, and not a few damaged bytes of UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        if b"\0" in data:
            return False
    else:
        return False
    high = bytes(byte for byte in data if byte > 127)
    damaged = text.count("\ufffd")
    whole = sum(character > "\x7f" and character != "\ufffd" for character in text)
    return damaged > whole and bool(high.translate(None, b"\xfe\xff"))


def _guess(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    lines = [line for line in data.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_LARGEST_SAMPLE]
    best = from_bytes(sample, cp_isolation=_LEGACY, enable_fallback=False).best()
    found = None if best is None else best.encoding
    if found in (None, *_WESTERN):
        # They share most letters, and programs cannot tell them apart by a few words.
        return next((name for name in _WESTERN if _reads_well(sample, name)), found)
    return found


def _reads_well(data: bytes, encoding: str) -> bool:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return all(each.isalpha() or each in _MARKS_IN_TEXT or each.isspace() for each in text if each > "\x7f")

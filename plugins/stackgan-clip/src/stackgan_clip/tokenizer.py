"""CLIP's byte-pair tokens: captions in lower case, cut as its public list of merges says (Sennrich et al. 2015)."""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PUBLIC_FILE = "bpe_simple_vocab_16e6.txt.gz"
IN_FOLDER = ("vocab.json", "merges.txt")
"""Files of the tokens in the folders of Hugging Face."""
_MERGES = 49152 - 256 - 2
"""Lines of the public file that count; it has more."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_LARGEST = 64 << 20
"""Bytes of a file, and of what it holds once unpacked; the public one has 3 MB."""
_LONGEST = 2000
"""Characters of a caption that are looked at: many more than 77 tokens take."""
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


class Tokenizer:
    """Turns captions into numbers of tokens.

    Args:
        numbers: of every token, both ends of a caption among them, by its spelling.
        merges: pairs of tokens that become one, those first that are merged first.
    """

    def __init__(self, numbers: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self.numbers = numbers
        """Of every token, by its spelling."""
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.vocabulary = max(numbers.values()) + 1
        """How many numbers there are."""
        whole = json.dumps([sorted(numbers.items()), merges])
        self.sha256 = hashlib.sha256(whole.encode()).hexdigest()
        """Of the tokens, whatever files they came in."""
        self._of_word = lru_cache(maxsize=1 << 16)(self._tokens_of_word)

    def tokens(self, caption: str, length: int) -> list[int]:
        """Numbers of a caption's tokens between both ends, filled up with nothing; what is too long is cut off.

        What a caption spells never becomes an end.
        """
        text = unicodedata.normalize("NFC", html.unescape(html.unescape(caption[:_LONGEST])))
        found = [self.numbers[_START]]
        for word in _words(" ".join(text.split()).lower()):
            found += self._of_word(word)
            if len(found) >= length:
                break
        found = [*found[: length - 1], self.numbers[_END]]
        return found + [0] * (length - len(found))

    def _tokens_of_word(self, word: str) -> tuple[int, ...]:
        parts = [_LETTER_OF_BYTE[byte] for byte in word.encode()]
        parts[-1] += _WORD_END
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            first = min(ranks)
            if first == len(self._ranks):
                break
            merged, at = [], 0
            while at < len(parts):
                joined = at + 1 < len(parts) and ranks[at] == first
                merged.append(parts[at] + parts[at + 1] if joined else parts[at])
                at += 2 if joined else 1
            parts = merged
        return tuple(self.numbers[part] for part in parts)


def read_tokenizer(path: Path) -> Tokenizer:
    """Read the public list of merges, or the two files of a folder of Hugging Face.

    Raises:
        DataError: a file is missing, damaged, far too large, or holds something else.
    """
    if path.is_dir():
        vocabulary, lines = (path / name for name in IN_FOLDER)
        numbers, merges = _numbers(vocabulary), _pairs(_text(lines), lines)
    else:
        merges = _pairs(_text(path), path)[:_MERGES]
        letters = list(_LETTER_OF_BYTE.values())
        spellings = [*letters, *(f"{letter}{_WORD_END}" for letter in letters), *map("".join, merges), _START, _END]
        numbers = {spelling: number for number, spelling in enumerate(spellings)}
    needed = dict.fromkeys((*_LETTER_OF_BYTE.values(), *(f"{each}{_WORD_END}" for each in _LETTER_OF_BYTE.values())))
    needed |= dict.fromkeys(part for pair in merges for part in (*pair, "".join(pair))) | {_START: None, _END: None}
    missing = [each for each in needed if each not in numbers]
    if missing:
        raise _unusable(path, f"lacks {len(missing):,} tokens, {missing[0]!r} among them")
    if max(numbers.values()) != numbers[_END]:
        raise _unusable(path, f"has {_END} at {numbers[_END]:,}, where CLIP has its last token")
    return Tokenizer(numbers, merges)


def _numbers(path: Path) -> dict[str, int]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _unusable(path, f"cannot be read as JSON: {error}") from error
    if not isinstance(found, dict) or not all(type(number) is int and number >= 0 for number in found.values()):
        raise _unusable(path, "holds something else than numbers by tokens")
    return found


def _pairs(text: str, path: Path) -> list[tuple[str, str]]:
    """Pairs of tokens, a line each under a first line that tells of the format."""
    pairs = [tuple(line.split()) for line in text.splitlines()[1:] if line.strip()]
    wrong = next((at for at, pair in enumerate(pairs) if len(pair) != 2), None)
    if wrong is not None or not pairs:
        where = "" if wrong is None else f" in line {wrong + 2:,}"
        raise _unusable(path, f"holds something else than pairs of tokens{where}")
    return [(one, other) for one, other in pairs]


def _text(path: Path) -> str:
    try:
        content = read_bounded(path, _LARGEST)
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(_LARGEST + 1)
            if len(content) > _LARGEST:
                raise ValueError("it is far too large once unpacked")
        return content.decode()
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _unusable(path, f"cannot be read: {reason}") from error


def _words(text: str) -> Iterator[str]:
    """Cut a text into runs of letters, single digits, runs of other characters, and the ends of contractions."""
    at = 0
    while at < len(text):
        ending = next((each for each in _CONTRACTIONS if text.startswith(each, at)), None)
        if ending is not None:
            yield ending
            at += len(ending)
            continue
        kind, end = _kind(text[at]), at + 1
        # A digit is a word by itself.
        while kind != "N" and end < len(text) and _kind(text[end]) == kind:
            end += 1
        if kind != " ":
            yield text[at:end]
        at = end


def _kind(letter: str) -> str:
    """``L`` for a letter, ``N`` for a digit, a space for white space, and ``O`` for all else."""
    if letter.isspace():
        return " "
    category = unicodedata.category(letter)[0]
    return category if category in "LN" else "O"


def _letters_of_bytes() -> dict[int, str]:
    """A visible letter for every byte, in the order of the public tokens; visible ones stand for themselves."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + at) for at, byte in enumerate(others)}


_LETTER_OF_BYTE = _letters_of_bytes()


def _unusable(path: Path, fault: str) -> DataError:
    return DataError(
        f"{path} {fault.rstrip('.')}.",
        hint=f"{PUBLIC_FILE} as OpenAI publishes it, or a folder with vocab.json and merges.txt",
    )

"""The words that a model has met in the captions it was trained on, so that prompts with others can be told apart.

No encoder refuses an unknown word: it reads its letters, or a hash of it, and what is drawn is left to chance.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from stackgan_cli.files import read_bounded, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE = "vocabulary.txt"
"""Within a model folder: one word a line, sorted."""

WORD = re.compile(r"[^\W_]+")
"""A run of letters and digits, in a text whose accents are one with their letters."""
_LONGEST = 50
"""Letters of a word; what is longer is none that anybody would type."""
_MOST_WORDS = 500_000
_MOST_BYTES = 64 << 20


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case, in their order: runs of letters and digits.

    Scripts that write no spaces between words, such as the Chinese one, are taken apart into their characters.
    """
    # An accent that stands behind its letter would end the word there.
    for found in WORD.finditer(unicodedata.normalize("NFC", text.lower())):
        word = found[0]
        if any(unicodedata.east_asian_width(letter) in "WF" for letter in word):
            yield from word
        else:
            yield word


def write_vocabulary(folder: Path, captions: Iterable[Iterable[str]], more: Iterable[str] = ()) -> None:
    """Write the words of captions, and more, into a model folder.

    Args:
        folder: of the model.
        captions: of each picture.
        more: words of a model whose weights this one began with.

    Raises:
        StackganError: the file cannot be written.
    """
    words = set(more)
    for of_picture in captions:
        for caption in of_picture:
            words.update(word for word in words_of(caption) if len(word) <= _LONGEST)
        if len(words) > _MOST_WORDS:
            # Captions with so many are not made of words; a list that is not whole would tell people wrong things.
            return
    write_text(folder / FILE, "".join(f"{word}\n" for word in sorted(words)))


def read_vocabulary(folder: Path) -> frozenset[str] | None:
    """Words that a model has met; None where it does not say, or where the file is none that this program wrote."""
    path = folder / FILE
    try:
        return frozenset(read_bounded(path, _MOST_BYTES).decode().split())
    except (OSError, UnicodeDecodeError):
        return None


def unknown_words(text: str, known: frozenset[str]) -> list[str]:
    """Words of a text that are not among those known, each once, in their order."""
    return list(dict.fromkeys(word for word in words_of(text) if word not in known))

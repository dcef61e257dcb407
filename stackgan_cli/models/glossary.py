"""What words that no caption of a model's training held mean in the words of its captions.

A glossary is a text file that people can read and write. On each line stand words and, behind an equals sign, what the
model's captions call the same; a line that begins with ``#`` is a remark:

    rot rote roter rotes roten rotem = red
    Vogel = bird

So a model that learnt from English captions reads "ein roter Vogel" as "a red bird", word by word. A word that the
model met in its training is never replaced.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from stackgan_cli.errors import ModelError
from stackgan_cli.files import read_bounded, write_text
from stackgan_cli.models.vocabulary import WORD

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

FILE = "glossary.txt"
"""Within a model folder, and within prepared data whose reader has a glossary."""

_MOST_BYTES = 4 << 20
_LONGEST = 100
"""Letters of what a word may mean: a prompt of many such words becomes no book."""
_WHAT_TO_DO = "Write lines such as 'rot roter = red': words, an equals sign, what the captions say. Or delete the file."


def _folded(word: str) -> str:
    """Give a word as it is looked up: in lower case, without accents, so that ``Flügel`` is ``flugel``."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def read_glossary(folder: Path) -> dict[str, str]:
    """Read the glossary of a folder: from each word to what it means; empty where there is no such file.

    Raises:
        ModelError: the file cannot be read, or one of its lines does not say what a word means.
    """
    path = folder / FILE
    try:
        text = unicodedata.normalize("NFC", read_bounded(path, _MOST_BYTES).decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The glossary {path} cannot be read: {error}.", hint=_WHAT_TO_DO) from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words, _, meaning = (part.strip() for part in line.partition("="))
        if not words or not 1 <= len(meaning) <= _LONGEST or not all(map(WORD.fullmatch, words.split())):
            raise ModelError(f"Line {number} of {path} does not say what words mean.", hint=_WHAT_TO_DO)
        found |= {word: meaning for word in words.split() if word not in found}
    return found


def write_glossary(folder: Path, glossary: Mapping[str, str]) -> None:
    """Write a glossary into a folder, words of one meaning on one line; nothing where it holds no word.

    Raises:
        StackganError: the file cannot be written.
    """
    words: dict[str, list[str]] = {}
    for word, meaning in glossary.items():
        words.setdefault(meaning, []).append(word)
    if words:
        write_text(folder / FILE, "".join(f"{' '.join(each)} = {meaning}\n" for meaning, each in words.items()))


def reader_of(glossary: Mapping[str, str], known: Collection[str]) -> Callable[[str], str]:
    """Give a function that reads a text by a glossary, whichever letters of it are capital or have lost their accents.

    Args:
        glossary: from words to what they mean; a word without its accents means what the first such word means.
        known: words, in lower case, that are read as they are.
    """
    meanings = {word.lower(): meaning for word, meaning in glossary.items()}
    for word, meaning in glossary.items():
        meanings.setdefault(_folded(word), meaning)

    def meaning_of(found: re.Match[str]) -> str:
        word = found[0].lower()
        return found[0] if word in known else meanings.get(word) or meanings.get(_folded(word), found[0])

    def read(text: str) -> str:
        whole = unicodedata.normalize("NFC", text)
        meant = WORD.sub(meaning_of, whole)
        return text if meant == whole else meant

    return read

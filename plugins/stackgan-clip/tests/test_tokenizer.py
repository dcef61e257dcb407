"""Tokens: published numbers, merges in their order, and files that are none."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from stackgan_clip.tokenizer import Tokenizer, read_tokenizer

from stackgan_cli.errors import DataError

START, END = 521, 522
LETTERS = {letter: ord(letter) - ord("!") for letter in map(chr, range(ord("!"), ord("~") + 1))}
"""Numbers of visible ASCII letters within a word; at its end they are larger by 256."""
MERGED = {"th": 512, "the ": 513, "in": 514, "bi": 515, "rd ": 516, "bird ": 517, "ing ": 518, "win": 519, "12": 520}


@pytest.fixture(scope="module")
def tokens(files: Path) -> Tokenizer:
    return read_tokenizer(files / "merges.txt.gz")


def spelt(tokenizer: Tokenizer, caption: str, length: int = 60) -> list[int]:
    """Numbers between both ends."""
    found = tokenizer.tokens(caption, length)
    assert len(found) == length
    assert found[0] == START
    assert set(found[found.index(END) + 1 :]) <= {0}
    return found[1 : found.index(END)]


def test_single_letters_have_their_published_numbers(tokens: Tokenizer) -> None:
    # In the public vocabulary, "a" is 320, a full stop 269 and a hyphen 268.
    assert spelt(tokens, "a . -") == [320, 269, 268]
    assert spelt(tokens, "a-a.") == [320, 268, 320, 269]
    # Bytes that are no visible letters come after them: that of a space would be 188 + 32 + 1.
    assert spelt(tokens, "\u00e9") == [ord("Ã") - ord("®") + 94 + 12, 256 + ord("©") - ord("¡") + 94]


def test_pairs_are_merged_in_the_order_of_the_list(tokens: Tokenizer) -> None:
    assert spelt(tokens, "the bird") == [MERGED["the "], MERGED["bird "]]
    # "w in g" becomes "w ing" nowhere, because "i n" comes before "w in", and "in g" before that.
    assert spelt(tokens, "wing") == [LETTERS["w"], MERGED["ing "]]
    assert spelt(tokens, "wins") == [MERGED["win"], 256 + LETTERS["s"]]
    assert spelt(tokens, "birds") == [MERGED["bi"], LETTERS["r"], LETTERS["d"], 256 + LETTERS["s"]]
    # The second of two equal pairs is merged with the first, and no letter twice.
    assert spelt(tokens, "inin") == [MERGED["in"], LETTERS["i"], 256 + LETTERS["n"]]


def test_captions_are_cut_into_words_as_published(tokens: Tokenizer) -> None:
    assert spelt(tokens, "  The\tBIRD\n ") == spelt(tokens, "the bird")
    # Digits stand alone, and are never merged.
    assert spelt(tokens, "12") == [256 + LETTERS["1"], 256 + LETTERS["2"]]
    assert spelt(tokens, "a's") == [320, LETTERS["'"], 256 + LETTERS["s"]]
    assert spelt(tokens, "a's") == spelt(tokens, "a 's")
    assert spelt(tokens, "!?'s") == [LETTERS["!"], LETTERS["?"], 256 + LETTERS["'"], 256 + LETTERS["s"]]
    assert spelt(tokens, "a&amp;amp;a &lt;") == [320, 256 + LETTERS["&"], 320, 256 + LETTERS["<"]]
    # One letter or two, it looks the same.
    assert spelt(tokens, "e\u0301") == spelt(tokens, "\u00e9")
    assert spelt(tokens, "") == []


def test_what_is_too_long_is_cut_and_no_caption_ends_itself(tokens: Tokenizer) -> None:
    assert tokens.tokens("a " * 50, 5) == [START, 320, 320, 320, END]
    assert tokens.tokens("the" * 100_000, 4)[-1] == END
    assert END not in spelt(tokens, "a <|endoftext|> bird") + spelt(tokens, "<|startoftext|>")


def test_both_public_forms_give_the_same_tokens(files: Path, tokens: Tokenizer) -> None:
    theirs = read_tokenizer(files / "theirs")
    assert theirs.sha256 == tokens.sha256
    assert theirs.vocabulary == tokens.vocabulary == 523
    for caption in ("the bird's wing", "12 birds!", "\u00e9"):
        assert theirs.tokens(caption, 20) == tokens.tokens(caption, 20)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds something else than pairs of tokens"),
        (b"first\na b c\n", "holds something else than pairs of tokens in line 2"),
        (b"first\nzz top\n", "lacks 2 tokens, 'zz' among them"),
        (b"\xff\xfe\x00", "cannot be read"),
        (gzip.compress(b"first\nt h\n", mtime=0)[:-5], "cannot be read"),
        (gzip.compress(bytes(70 << 20)), "far too large once unpacked"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "merges.txt.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=why) as refused:
        read_tokenizer(path)
    assert "bpe_simple_vocab_16e6.txt.gz" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[1, 2]", "numbers by tokens"),
        ('{"a": -1}', "numbers by tokens"),
        ('{"a": true}', "numbers by tokens"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"a": 1}', "lacks 52"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(files: Path, tmp_path: Path, content: str, why: str) -> None:
    shutil.copyfile(files / "theirs" / "merges.txt", tmp_path / "merges.txt")
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(DataError, match=why):
        read_tokenizer(tmp_path)


def test_an_end_that_is_not_the_last_token_is_refused(files: Path, tmp_path: Path) -> None:
    shutil.copyfile(files / "theirs" / "merges.txt", tmp_path / "merges.txt")
    numbers = json.loads((files / "theirs" / "vocab.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps(numbers | {"zebra": 1000}))
    with pytest.raises(DataError, match="where CLIP has its last token"):
        read_tokenizer(tmp_path)
    with pytest.raises(DataError, match=r"absent.* cannot be read: No such file"):
        read_tokenizer(tmp_path / "absent")

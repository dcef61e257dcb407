"""Huge JSON, element by element: what `json.loads` reads, however it is cut into chunks, and errors for the rest."""

from __future__ import annotations

import itertools
import json
import random
import re
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.errors import DataError
from stackgan_cli.formats.json_stream import DEEPEST, LARGEST, items

WANTED = ("images", "annotations")
CHUNKS = (1, 2, 3, 7, 64, 1 << 20)
DAMAGE = (b'"', b",", b"]", b"}", b"{", b"\\", b"\0", b"\xff", b"0", b":")
WORDS = ("", "a", "true", "é", '\n\t"\\/', "\x7f", "\ud800", "😀 bird", "[{", "}]", "x" * 40, "images")


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 7:
        return {chance.choice(WORDS): value(chance, depth - 1) for _ in range(chance.randrange(4))}
    number = chance.choice((0, -1, 10 ** chance.randrange(25), -0.5, 1e300, 2.5e-7, float("inf"), float("nan")))
    return (number, number, chance.choice(WORDS), chance.choice(WORDS), None, chance.random() < 0.5)[kind]


def document(chance: random.Random) -> str:
    names = ["info", "licenses", "ä\n", "annotation", "", *WANTED]
    chance.shuffle(names)
    content = {name: value(chance, 4) for name in names[: chance.randrange(8)]}
    for name in WANTED:
        if name in content:
            content[name] = [value(chance, 3) for _ in range(chance.randrange(6))]
    text = json.dumps(content, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, 0, 3)))
    return chance.choice(("", " ", "\r\n")) + text + chance.choice(("", "\n", " \t"))


def reference(text: str) -> list[tuple[str, Any]] | None:
    """What `json.loads` makes of a document, or None where it, or the contract of `items`, has it refused."""
    pairs: list[tuple[str, Any]] = []

    def keep(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found
        return dict(found)

    try:
        whole = json.loads(text, object_pairs_hook=keep)
    except ValueError:
        return None
    wanted = [(name, content) for name, content in pairs if name in WANTED] if whole else []
    twice = len({name for name, _ in wanted}) < len(wanted)
    if not isinstance(whole, dict) or twice or not all(isinstance(content, list) for _, content in wanted):
        return None
    return [(name, element) for name, content in wanted for element in content]


def read(path: Path, chunk: int = 1 << 20) -> tuple[list[tuple[str, Any]], str | None]:
    """What was yielded, and the message of the error after it."""
    found = []
    try:
        for item in items(path, WANTED, chunk=chunk):
            found.append(item)  # noqa: PERF402 - what came before an error counts
    except DataError as error:
        return found, f"{error.message} {error.hint}"
    return found, None


def test_elements_are_those_of_json_loads_at_every_chunk_size(tmp_path: Path) -> None:
    chance = random.Random(0)
    path = tmp_path / "x.json"
    seen = 0
    for _ in range(300):
        text = document(chance)
        encoding = chance.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"))
        data = text.encode(encoding, "replace")
        path.write_bytes(data)
        expected = reference(json.dumps(json.loads(data)))
        assert expected is not None
        seen += len(expected)
        for chunk in CHUNKS:
            found, message = read(path, chunk)
            assert message is None, (text, chunk)
            # Not a number differs from itself, and 1 equals true: their written form tells them apart.
            assert repr(found) == repr(expected), (text, chunk)
    assert seen > 500


def test_damage_is_an_error_after_the_elements_before_it(tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "x.json"
    refused = 0
    for _ in range(1500):
        data = bytearray(document(chance).encode("utf-8", "replace"))
        place = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            del data[place:]
        elif kind == 1:
            del data[place : place + chance.randrange(1, 4)]
        else:
            data[place : place + kind - 2] = chance.choice(DAMAGE)
        path.write_bytes(data)
        answers = [read(path, chunk) for chunk in CHUNKS]
        assert len({repr(answer) for answer in answers}) == 1, (data, answers)
        found, message = answers[0]
        try:
            expected = reference(data.decode(json.detect_encoding(bytes(data)), "replace"))
        except UnicodeError:
            expected = None
        if expected is None:
            refused += 1
            assert message is not None, data
            assert str(path) in message
        else:
            assert message is None, (data, message)
            assert repr(found) == repr(expected)
    assert refused > 500


def test_of_a_truncated_file_everything_before_the_cut_is_read(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1}, {"id": 2}],
        "info": {"a": [1, "x"]},
        "annotations": [{"caption": 'a "b" é'}, 12, "s"],
    }
    text = json.dumps(content)
    whole = reference(text)
    assert whole is not None
    path = tmp_path / "captions.json"
    counts = []
    for cut, chunk in itertools.product(range(1, len(text)), (1, 5, 1 << 20)):
        path.write_text(text[:cut])
        found, message = read(path, chunk)
        assert found == whole[: len(found)]
        assert message is not None
        assert "ends too early" in message, (text[:cut], message)
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] == len(whole)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b'[{"images": []}]', "begins with '['"),
        (b"<!DOCTYPE html>", "begins with '<'"),
        (b"\x80\x04\x95\x00", "no JSON object"),
        (b'{"images": {"a": 1}}', "something else than a list for 'images'"),
        (b'{"images": [1], "images": [2]}', "a second 'images'"),
        (b'{"images": [1,]}', "character 15"),
        (b'{"images": [1 2]}', "'2' stands where"),
        (b'{"images": [1]} {}', "goes on after the end"),
        (b'{"images" [1]}', "'[' stands where ':' belongs"),
        (b"{images: [1]}", "double quotes"),
        (b'{"info": {images: 1}}', "double quotes"),
        (b'{"info": "\\x41"}', "inside a string"),
        (b'{"info": "a\nb"}', "inside a string"),
        (b'{"images": ["a\nb"]}', "inside a string"),
        (b'{"info": 01}', "'01' is no value"),
        (b'{"info": tru}', "'tru' is no value"),
        (b'{"info": [1, +2]}', "'\\+2' is no value"),
        (b'{"images": [' + b"9" * 5000 + b"]}", "digits"),
        (b'{"images": [' + b"[" * 100_000, "nested too deeply"),
        (b'{"info": ' + b'{"a":[' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_such_file_says_where(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "captions.json"
    path.write_bytes(content)
    for chunk in (1, 1 << 20):
        _, message = read(path, chunk)
        assert message is not None
        assert re.search(words.replace("[", r"\["), message), message
        assert str(path) in message


def test_damaged_bytes_are_marked_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_bytes(b'{"images": ["a\xff\xfeb", "\xc3\xa9"], "info": "\xe2\x82"}')
    for chunk in CHUNKS:
        assert read(path, chunk) == ([("images", "a\ufffd\ufffdb"), ("images", "é")], None)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.json"):
        assert "cannot be opened" in str(read(path)[1])


def test_a_member_between_is_passed_over_whatever_its_size_and_depth(tmp_path: Path) -> None:
    deep = DEEPEST - 1
    parts = (
        '{"info": "' + "x" * (3 * LARGEST) + '", "licenses": ' + '[{"a": "' + "\\u00e9" * LARGEST + '"}, 1],',
        '"deep": ' + "[" * deep + "]" * deep + ', "spaces": ' + " " * (2 * LARGEST),
        '{"images": [3]}, "images": [' + " " * (2 * LARGEST) + "1" + " " * (2 * LARGEST) + ', {"b": [2]}]}',
    )
    path = tmp_path / "x.json"
    path.write_text("".join(parts))
    assert read(path) == ([("images", 1), ("images", {"b": [2]})], None)


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ('"' + "x" * (3 * LARGEST), "more than 4 MiB"),
        ("[" + "1," * (2 * LARGEST), "more than 4 MiB"),
        ("1" * (3 * LARGEST), "digits"),
    ],
)
def test_an_element_without_end_is_given_up_soon(tmp_path: Path, element: str, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"images": [7, ' + element)
    with path.open("ab") as file:
        file.truncate(1 << 30)
    begin = time.perf_counter()
    found, message = read(path)
    assert found == [("images", 7)]
    assert words in str(message)
    assert "character 16)" in str(message)
    assert time.perf_counter() - begin < 20


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    peaks = []
    for count in (1_000, 100_000):
        row = json.dumps({"caption": "a bird " * 10, "box": [1.5, 2.5]})
        rows = ",".join([row] * count)
        path.write_text(f'{{"info": [{rows}], "images": [{rows}]}}')
        tracemalloc.start()
        assert sum(1 for _ in items(path, WANTED, chunk=1 << 16)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] + (1 << 18)
    assert peaks[1] < path.stat().st_size / 10

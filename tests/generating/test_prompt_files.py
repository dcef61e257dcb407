from __future__ import annotations

import io
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from stackgan_cli.errors import DataError, StackganError, UsageError
from stackgan_cli.generating.prompt_files import passing_content
from stackgan_cli.generating.prompts import Prompts
from stackgan_cli.generating.seeds import Seeds

FIRST = 100
"""Seed of the first picture of each prompt that says nothing of seeds."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(content: str | bytes, name: str = "prompts.txt", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return make


def prompts_of(path: Path | str, seeds: Seeds | None = None) -> Prompts:
    return Prompts([], str(path), passing_content(str(path)), seeds or Seeds.of(FIRST, 1, None, 0))


def asked(path: Path | str, seeds: Seeds | None = None) -> tuple[list[tuple[str, list[int]]], dict[int, str]]:
    """Prompts of a file with their seeds, and the lines that are left out, each with its reason."""
    prompts = prompts_of(path, seeds)
    found = [(prompt.text, list(prompt.seeds)) for prompt in prompts]
    assert prompts.pictures == sum(len(seeds) for _, seeds in found)
    assert [(each.prompt, each.seed) for each in prompts.requests] == [
        (text, seed) for text, seeds in found for seed in seeds
    ]
    return found, {line.line: line.why for line in prompts.left_out}


def from_stdin(content: str | bytes, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    data = content.encode() if isinstance(content, str) else content
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return asked("-")[0]


def test_text_has_a_prompt_a_line_and_comments(write: Callable[..., Path]) -> None:
    path = write("# birds\n\na red bird\r\n  # more\n  a bird, number #2 \na, b\n")
    assert asked(path)[0] == [("a red bird", [FIRST]), ("a bird, number #2", [FIRST]), ("a, b", [FIRST])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts.txt", "ein Vögelchen\na red bird\n"),
        ("prompts.csv", "prompt\nein Vögelchen\na red bird\n"),
        ("prompts.jsonl", '{"prompt": "ein Vögelchen"}\n{"prompt": "a red bird"}\n'),
    ],
)
def test_every_form_is_read_in_the_encodings_that_prepare_reads(
    write: Callable[..., Path], name: str, content: str, encoding: str
) -> None:
    assert [text for text, _ in asked(write(content, name, encoding))[0]] == ["ein Vögelchen", "a red bird"]


def test_an_older_encoding_is_said(write: Callable[..., Path]) -> None:
    prompts = prompts_of(write("ein Vögelchen\nschöne Grüße\n", encoding="cp1252"))
    assert [prompt.text for prompt in prompts] == ["ein Vögelchen", "schöne Grüße"]
    assert "cp1252" in prompts.notes[0]
    assert prompts_of(write("ein Vögelchen")).notes == []


@pytest.mark.parametrize("column", ["prompt", "caption", "text", "Prompt ", '"prompt"'])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_names_its_columns(write: Callable[..., Path], column: str, mark: str) -> None:
    rows = [["id", column, "seed", "n"], ["1", '"a red, small; bird"', "7", "2"], ["2", "a fish", "", ""]]
    path = write("\n".join(mark.join(row) for row in rows), "prompts.csv")
    assert asked(path)[0] == [("a red, small; bird", [7, 8]), ("a fish", [FIRST])]


def test_rows_may_have_seeds_and_counts_of_their_own(write: Callable[..., Path]) -> None:
    rows = [
        {"prompt": "a"},
        {"text": "b", "seed": 3},
        {"caption": "c", "seeds": [9, 4]},
        {"prompt": "d", "seeds": "0-2,7"},
        {"prompt": "e", "count": 2},
        {"prompt": "f", "seed": "5", "num_images": 2},
        {"prompt": "g", "seed": None, "count": None},
    ]
    path = write("\n".join(map(json.dumps, rows)), "prompts.jsonl")
    own = {"b": [3], "c": [9, 4], "d": [0, 1, 2, 7], "f": [5, 6]}
    assert dict(asked(path)[0]) == {**own, "a": [FIRST], "e": [FIRST, FIRST + 1], "g": [FIRST]}
    three = dict(asked(path, Seeds.of(FIRST, 3, None, 0))[0])
    assert (three["a"], three["b"], three["e"]) == ([100, 101, 102], [3, 4, 5], [100, 101])
    listed = dict(asked(path, Seeds.of(None, 1, "20-21,30", 0))[0])
    assert (listed["a"], listed["b"], listed["e"]) == ([20, 21, 30], [3], [20, 21])


def test_a_table_with_gaps_may_hold_whole_numbers_as_floating_point(write: Callable[..., Path]) -> None:
    path = write("prompt,seed,count\na,3.0,\nb,NaN,2.0\n", "prompts.csv")
    assert asked(path)[0] == [("a", [3]), ("b", [FIRST, FIRST + 1])]


def test_a_cell_of_several_lines_is_one_prompt(write: Callable[..., Path]) -> None:
    path = write('prompt,seed\n"a red\nbird",1\na fish,two\n', "prompts.csv")
    assert asked(path) == ([("a red bird", [1])], {4: "Its seed is not a whole number: 'two'."})


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"seed": 1}', "no prompt"),
        ('{"prompt": ["a"]}', "not text"),
        ('{"prompt": "a", "seed": -1}', "seed is not a whole number"),
        ('{"prompt": "a", "seed": true}', "seed is not a whole number"),
        ('{"prompt": "a", "seed": 1.5}', "seed is not a whole number"),
        ('{"prompt": "a", "seed": 9223372036854775808}', "not between"),
        ('{"prompt": "a", "seed": 9223372036854775807, "count": 2}', "reach beyond"),
        ('{"prompt": "a", "count": 0}', "no picture"),
        ('{"prompt": "a", "seeds": "red"}', "does not list seeds"),
        ('{"prompt": "a", "seeds": [true]}', "no list of numbers"),
        ('{"prompt": "a", "seeds": []}', "no list of numbers"),
        ('{"prompt": "a", "seeds": [1], "count": 3}', "neither seed nor count"),
        ('{"prompt": "\\ud83d"}', "not UTF-8"),
        ('{"prompt": "' + "bird " * 3000 + '"}', "too long"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_and_the_others_are_drawn(
    write: Callable[..., Path], row: str, why: str
) -> None:
    path = write(f'{{"prompt": "a red bird"}}\n{row}\n\n{{"prompt": "a blue bird"}}\n', "prompts.jsonl")
    prompts, left_out = asked(path)
    assert [text for text, _ in prompts] == ["a red bird", "a blue bird"]
    assert list(left_out) == [2]
    assert why in left_out[2]


def test_rows_of_a_table_that_do_not_fit_are_named(write: Callable[..., Path]) -> None:
    path = write("prompt,seed\na bird, red,1\n,5\na fish,2\n", "prompts.csv")
    prompts, left_out = asked(path)
    assert prompts == [("a fish", [2])]
    assert "more fields" in left_out[2]
    assert "no prompt" in left_out[3]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("prompts.csv", "a red bird\na blue bird\n", DataError),
        ("prompts.csv", "", (DataError, UsageError)),
        ("prompts.csv", b"\x00" * 100, DataError),
        ("prompts.csv", 'prompt,seed\n"' + "bird\n" * 1_000_000, DataError),
        ("prompts.jsonl", "a red bird\n", UsageError),
        ("prompts.json", '[\n{"prompt": "a"}\n]\n', None),
        ("prompts.txt", "# nothing\n", UsageError),
    ],
    ids=["no header", "empty", "zeros", "an open quotation", "text called JSON", "a list of JSON", "comments alone"],
)
def test_a_file_of_another_kind_is_one_sentence(
    write: Callable[..., Path], name: str, content: str | bytes, error: type[StackganError] | None
) -> None:
    path = write(content, name)
    if error is None:
        prompts, left_out = asked(path)
        assert (len(prompts), list(left_out)) == (1, [1, 3])
        return
    with pytest.raises(error) as raised:
        asked(path)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ("prompt,seed\na red bird,5\n", [("a red bird", [5])]),
        ('{"prompt": "a red bird", "seed": 5}\n', [("a red bird", [5])]),
        ("a red bird\n{x}\n", [("a red bird", [FIRST]), ("{x}", [FIRST])]),
        # Each of these can be a prompt.
        ("prompt\na red bird\n", [("prompt", [FIRST]), ("a red bird", [FIRST])]),
        ("text, caption and picture\n", [("text, caption and picture", [FIRST])]),
        ("{a bird}\n", [("{a bird}", [FIRST])]),
        ('{"seed": 5}\n', [('{"seed": 5}', [FIRST])]),
    ],
)
def test_what_comes_without_a_name_is_told_by_its_first_line_if_that_can_mean_one_thing(
    monkeypatch: pytest.MonkeyPatch, content: str, prompts: list[tuple[str, list[int]]]
) -> None:
    assert from_stdin(content, monkeypatch) == prompts
    assert from_stdin(content.encode("utf-16"), monkeypatch) == prompts
    reading, writing = os.pipe()
    os.write(writing, content.encode())
    os.close(writing)
    assert asked(f"/dev/fd/{reading}")[0] == prompts
    os.close(reading)


def test_a_file_goes_by_its_name_alone(write: Callable[..., Path]) -> None:
    assert asked(write("prompt,seed\na red bird,5\n"))[0][0] == ("prompt,seed", [FIRST])


def test_any_number_of_prompts_takes_little_memory(write: Callable[..., Path]) -> None:
    path = write("prompt,seed\n" + "".join(f"{'a small red bird ' * 10},{at}\n" for at in range(20_000)), "p.csv")
    prompts = prompts_of(path)
    tracemalloc.start()
    assert sum(1 for _ in prompts.requests) == prompts.pictures == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux has a file that opens and cannot be read")
def test_a_file_that_opens_and_cannot_be_read_is_named() -> None:
    with pytest.raises(DataError, match="/proc/self/mem cannot be read"):
        Prompts([], "/proc/self/mem", None, Seeds.of(1, 1, None, 0))

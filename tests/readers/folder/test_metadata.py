"""Metadata files of every form: which columns are read, and what damaged and enormous ones come to."""

from __future__ import annotations

import itertools
import json
import random
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.readers.folder.folder import FolderReader
from stackgan_cli.readers.written_rows import OpenQuotationError, fields_of_rows

HUGE = 300 << 20


def read(root: Path, **options: Any) -> tuple[dict[str, Example], dict[str, str]]:
    found = list(FolderReader(**options).examples(root))
    reasons: dict[str, str] = {}
    for item in found:
        if isinstance(item, Skipped):
            reasons[item.name] = "; ".join(filter(None, (reasons.get(item.name), item.reason)))
    return {item.name: item for item in found if isinstance(item, Example)}, reasons


def pictures(root: Path, *names: str) -> None:
    for name in names:
        (root / name).touch()


def table(root: Path, columns: dict[str, Any], **options: Any) -> None:
    parquet.write_table(pyarrow.table(columns), root / "metadata.parquet", **options)


def test_parquet_of_an_image_folder(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png", "c.png")
    columns = {
        "file_name": pyarrow.array(["a.png", "b.png", "gone.png", None, "c.png"]).dictionary_encode(),
        "captions": [["one", " two\n"], ["three"], ["x"], ["x"], []],
        "label": [3.0, float("nan"), None, 1.0, 1.0],
        "split": ["train", "validation", None, None, None],
    }
    table(tmp_path, columns)
    assert FolderReader().recognises(tmp_path) == "metadata.parquet lists pictures and captions"
    examples, skipped = read(tmp_path)
    assert {name: (item.captions, item.class_name, item.split) for name, item in examples.items()} == {
        "a.png": (("one", "two"), "3", "train"),
        "b.png": (("three",), None, "test"),
    }
    assert "metadata.parquet row 3: there is no such file" in skipped["gone.png"]
    assert "no file_name" in skipped["metadata.parquet row 4"]
    assert "row 5: it has no caption" in skipped["c.png"]


def test_parquet_with_captions_in_records_beside_stored_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    columns = {
        "image": [{"bytes": b"\xff" * 100, "path": "other.png"}],
        "path": ["a.png"],
        "sentences": [[{"raw": "A dog.", "tokens": ["a", "dog"]}, {"raw": "It runs.", "tokens": []}]],
    }
    table(tmp_path, columns)
    assert read(tmp_path)[0]["a.png"].captions == ("A dog.", "It runs.")


def test_parquet_of_many_batches_and_row_groups_keeps_count(tmp_path: Path) -> None:
    names = [f"{number:04d}.png" for number in range(1000)]
    pictures(tmp_path, *names[:-1])
    table(tmp_path, {"file_name": names, "text": [f"caption {name}" for name in names]}, row_group_size=300)
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [(f"caption {name}",) for name in names[:-1]]
    assert "row 1000" in skipped[names[-1]]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"file_name": ["a.png"], "words": ["x"]}, r"the columns file_name \(string\), words \(string\)"),
        (
            {"image": [{"bytes": b"x", "path": "a.png"}], "text": ["x"]},
            r"the columns image \(struct<.*>\), text \(string\)",
        ),
        ({"file_name": [1], "text": ["x"]}, r"the columns file_name \(int64\), text \(string\)"),
    ],
)
def test_parquet_that_lists_no_captioned_pictures(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    pictures(tmp_path, "a.png")
    table(tmp_path, columns)
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path)
    assert caught.value.hint


def test_a_caption_of_many_megabytes_is_none(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    table(tmp_path, {"file_name": ["a.png", "b.png"], "text": ["x" * (10 << 20), "y"]})
    examples, skipped = read(tmp_path)
    assert list(examples) == ["b.png"]
    assert "row 1: its caption is longer than a megabyte" in skipped["a.png"]


@pytest.mark.parametrize("kept", [0, 3, 4, 100, -1, -20])
def test_parquet_cut_short(tmp_path: Path, kept: int) -> None:
    pictures(tmp_path, "a.png")
    table(tmp_path, {"file_name": ["a.png"], "text": ["x"]})
    path = tmp_path / "metadata.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"metadata\.parquet is not a whole parquet file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("row", "captions"),
    [
        ({"mask_file_name": "b.png", "image_file_name": "a.png", "image": "b.png", "text": "x"}, ("x",)),
        ({"mask_file_name": "a.png", "image": "b.png", "text": "x"}, ("x",)),
        ({"image": "a.png", "file": "b.png", "text": "x"}, ("x",)),
        ({"file": "a.png", "path": "b.png", "text": "x"}, ("x",)),
        ({"path": "a.png", "filename": "b.png", "text": "x"}, ("x",)),
        ({"filename": "a.png", "text": "x"}, ("x",)),
        ({"file_name": "a.png", "image": "b.png", "captions": ["1", "2"], "caption": "3"}, ("1", "2")),
        ({"file_name": "a.png", "captions": [], "caption": "3", "text": "4"}, ("3",)),
        ({"file_name": "a.png", "text": "4", "description": "5"}, ("4",)),
        ({"file_name": "a.png", "description": "5", "prompt": "6"}, ("5",)),
        ({"file_name": "a.png", "prompt": "6", "sentences": ["7"]}, ("6",)),
        ({"file_name": "a.png", "sentences": ["7"], "sentence": "8"}, ("7",)),
        ({"file_name": "a.png", "sentence": "8", "title": "9"}, ("8",)),
        ({"file_name": "a.png", "title": "9", "words": "10"}, ("9",)),
    ],
)
def test_columns_that_name_pictures_and_hold_captions(
    tmp_path: Path, row: dict[str, Any], captions: tuple[str, ...]
) -> None:
    pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    examples, _ = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {"a.png": captions}
    table(tmp_path, {name: [value] for name, value in row.items()})
    (tmp_path / "metadata.jsonl").unlink()
    assert {name: item.captions for name, item in read(tmp_path)[0].items()} == {"a.png": captions}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_encodings_and_line_ends(tmp_path: Path, name: str, encoding: str, ending: str) -> None:
    pictures(tmp_path, "ä.png", "b.png")
    captions = {"ä.png": "ein grüner Vogel, „schön“", "b.png": "красная птица 😀"}
    if name.endswith("jsonl"):
        lines = [json.dumps({"file_name": key, "text": text}, ensure_ascii=False) for key, text in captions.items()]
    else:
        lines = ["file_name;caption", *(f"{key};{text}" for key, text in captions.items()), ""]
    (tmp_path / name).write_bytes(ending.join(lines).encode(encoding))
    examples, skipped = read(tmp_path)
    assert {key: item.captions for key, item in examples.items()} == {key: (text,) for key, text in captions.items()}
    assert not skipped


def test_damage_becomes_spaces_and_is_mentioned(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "metadata.csv").write_bytes(b"file_name,caption\na.png,ein gr\xff\xfener Vogel\nb.png,whole\n")
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == ("ein gr ner Vogel",)
    assert list(skipped) == ["metadata.csv line 2"]
    (tmp_path / "metadata.csv").unlink()
    line = '{"file_name": "a.png", "text": "red \\ud800 bird", "class": "finch\\udc00", "split": "some\\ud800day"}'
    (tmp_path / "metadata.jsonl").write_text(line)
    examples, skipped = read(tmp_path)
    assert (examples["a.png"].captions, examples["a.png"].class_name) == (("red bird",), "finch")
    assert "neither train nor test (some day)" in skipped["metadata.jsonl line 1"]
    assert all(f"{name}{reason}".encode() for name, reason in skipped.items())


def test_blank_and_short_lines_of_tables(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "metadata.csv").write_text("file_name,caption,class\n\na.png,one\n\nb.png\n")
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == ("one",)
    assert "line 5: it has no caption" in skipped["b.png"]


def huge(path: Path, before: bytes, after: bytes, filling: bytes) -> None:
    """A file with one line of 300 MB; of zeros, it takes no room on the disk."""
    with path.open("wb") as file:
        file.write(before)
        if filling == b"\0":
            file.seek(HUGE, 1)
        else:
            for _ in range(HUGE >> 20):
                file.write(filling * (1 << 20))
        file.write(after)


@pytest.mark.parametrize("filling", [b"\0", b"x"])
@pytest.mark.parametrize(
    ("name", "before", "after", "line"),
    [
        ("metadata.jsonl", b'{"file_name": "a.png", "text": "', b'"}\n{"file_name": "b.png", "text": "fine"}\n', 1),
        ("metadata.csv", b"file_name,caption\na.png,", b"\nb.png,fine\n", 2),
        ("metadata.csv", b'file_name,caption\na.png,"', b'"\nb.png,fine\n', 2),
    ],
)
def test_a_line_of_hundreds_of_megabytes(
    tmp_path: Path, name: str, before: bytes, after: bytes, line: int, filling: bytes
) -> None:
    pictures(tmp_path, "a.png", "b.png")
    huge(tmp_path / name, before, after, filling)
    tracemalloc.start()
    examples, skipped = read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {key: item.captions for key, item in examples.items()} == {"b.png": ("fine",)}
    assert "longer than" in skipped[f"{name} line {line}"]
    assert peak < 100 << 20


def test_a_quotation_that_is_never_closed_names_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    with (tmp_path / "metadata.csv").open("wb") as file:
        file.write(b'file_name,caption\na.png,fine\nb.png,"open\n' + b"c.png,more\n" * 1_000_000)
    with pytest.raises(DataError, match="begins in line 3") as caught:
        read(tmp_path)
    assert "quotation mark" in (caught.value.hint or "")


def test_a_quotation_in_a_table_without_end_is_given_up() -> None:
    lines = itertools.chain(['a.png,"open\n'], itertools.repeat("b.png,more\n"))
    with pytest.raises(OpenQuotationError) as caught:
        list(fields_of_rows(lines, ","))
    assert caught.value.line == 1


def test_a_row_of_fields_without_end_names_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_text('file_name,caption\na.png,"' + 'x\n","' * 1_000_000)
    with pytest.raises(DataError, match="begins in line 2"):
        read(tmp_path)


def test_a_large_table_of_small_rows(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    rows = [f"a.png,{'x' * 60_000}\n"] * 100
    (tmp_path / "metadata.csv").write_text("".join(["file_name,caption\n", *rows, "b.png,last\n"]))
    assert list(read(tmp_path)[0]) == ["a.png", "b.png"]


def test_a_first_line_without_end_is_no_table(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    huge(tmp_path / "metadata.csv", b"file_name,", b"caption\na.png,x\n", b"\0")
    with pytest.raises(DataError, match="first line"):
        read(tmp_path)


def test_many_bad_rows_take_few_lines(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    rows = [{"file_name": f"{number}.png", "text": "x"} for number in range(3000)]
    rows += [{"file_name": "a.png", "text": f"caption {number}"} for number in range(3000)]
    lines = [*map(json.dumps, rows), *("{" * (number % 50 + 1) for number in range(3000))]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    found = list(FolderReader().examples(tmp_path))
    (example,) = (item for item in found if isinstance(item, Example))
    assert example.captions == tuple(f"caption {number}" for number in range(1000))
    counted = {
        re.split(r"; | \((?!the first)", item.reason)[0]: item.name for item in found if isinstance(item, Skipped)
    }
    assert counted == {
        "there is no such file (the first: metadata.jsonl line 1": "3,000 rows",
        "its picture has 1,000 captions from earlier rows (the first: metadata.jsonl line 4001": "2,000 rows",
        "it is not JSON (the first: metadata.jsonl line 6001": "3,000 rows",
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 6))):
        place = chance.randrange(len(result) + 1)
        length = chance.choice((1, 1, 2, 8, 40))
        if chance.random() < 0.5:
            result[place : place + length] = chance.randbytes(length)
        elif chance.random() < 0.5:
            del result[place : place + length]
        else:
            result[place:place] = chance.choice((b'"', b"\n", b"[", b"{", b"\0", b",", b"\\ud800", b"\xff\xfe", b"../"))
        result = result or bytearray(b"x")
    return bytes(result)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_mutated_files_come_to_examples_or_reasons(tmp_path: Path, name: str) -> None:
    pictures(tmp_path, "a.png", "ü.png")
    path = tmp_path / name
    if name.endswith("jsonl"):
        row = {"file_name": "a.png", "captions": ["one", "two"], "class": 3, "split": "train"}
        path.write_text("\n".join([json.dumps(row), json.dumps({"image": "ü.png", "text": "[x", "label": "finch"})]))
    elif name.endswith("csv"):
        path.write_text(
            'file_name,captions,label,split\na.png,"[""one"", ""two""]",1,train\nü.png,"b ""c""\nd",,test\n'
        )
    else:
        columns = {"file_name": ["a.png", "ü.png"], "captions": [["one", "two"], ["x"]], "label": [1, None]}
        table(tmp_path, columns)
    whole = path.read_bytes()
    chance = random.Random(0)
    outcomes = {"examples": 0, "refused": 0}
    for _ in range(400):
        path.write_bytes(mutated(whole, chance))
        try:
            found = list(FolderReader().examples(tmp_path))
        except DataError:
            outcomes["refused"] += 1
            continue
        outcomes["examples"] += 1
        for item in found:
            words = (*item.captions, item.class_name or "") if isinstance(item, Example) else (item.reason,)
            assert "".join((item.name, *words)).encode()
            assert item.name in ("a.png", "ü.png") or isinstance(item, Skipped)
    assert min(outcomes.values()) > 0


def test_columns_of_other_names_are_chosen(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "metadata.csv").write_text("Img,file_name,caption,said by\na.png,b.png,usual,chosen\n")
    chosen, _ = read(tmp_path, image_column="img", caption_column="Said by")
    assert {name: item.captions for name, item in chosen.items()} == {"a.png": ("chosen",)}
    usual, _ = read(tmp_path)
    assert {name: item.captions for name, item in usual.items()} == {"b.png": ("usual",)}
    with pytest.raises(DataError, match=r"file_name|nowhere"):
        read(tmp_path, image_column="nowhere")


def test_columns_chosen_where_there_is_no_metadata_are_mentioned(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / "a.txt").write_text("red")
    examples, skipped = read(tmp_path, caption_column="words")
    assert examples["a.png"].captions == ("red",)
    assert "no list of captions" in skipped["the columns chosen"]


@pytest.mark.parametrize(
    "lines",
    [
        "File_Name|Caption\na.png|red, and blue",
        'image path;caption;"size, px"\na.png;red, and blue;3',
        'file,Text\na.png,"red, and blue"',
    ],
)
def test_the_mark_between_fields_is_the_one_that_makes_columns(tmp_path: Path, lines: str) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_text(lines)
    assert read(tmp_path)[0]["a.png"].captions == ("red, and blue",)


@pytest.mark.parametrize(
    ("listed_in", "written", "name"),
    [
        ("images/metadata.csv", "a.png", "images/a.png"),
        ("metadata.csv", "a.png", "images/a.png"),
        ("data/metadata.csv", "images/a.png", "data/images/a.png"),
        ("data/train/metadata.csv", "a.png", "data/train/a.png"),
        ("metadata.csv", "images\\a.png", "images/a.png"),
    ],
)
def test_metadata_beside_the_pictures_or_above_them(tmp_path: Path, listed_in: str, written: str, name: str) -> None:
    for path in (listed_in, name):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    (tmp_path / listed_in).write_text(f"file_name,caption\n{written},red\n")
    assert listed_in in (FolderReader().recognises(tmp_path) or "")
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {name: ("red",)}
    assert not skipped

"""One table says the same of its pictures in every form that it may have."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import ipc, parquet
from sources import encoded, found

from stackgan_cli.errors import DataError
from stackgan_cli.readers.columns import CAPTION_COLUMNS, CLASS_COLUMNS, LAST_CAPTION_COLUMNS, captions_in
from stackgan_cli.readers.folder.folder import FolderReader
from stackgan_cli.readers.packed.hub import HubReader

Columns = dict[str, list[Any]]
Said = dict[int, tuple[tuple[str, ...], str | None, str | None]]
"""By its row what is said of a picture: captions, class and split."""


def as_csv(root: Path, columns: Columns) -> None:
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([json.dumps(cell) if isinstance(cell, list | dict) else cell for cell in row])


def as_json_lines(root: Path, columns: Columns) -> None:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


def as_parquet(root: Path, columns: Columns) -> None:
    parquet.write_table(pyarrow.table(columns), root / "metadata.parquet")


def packed_parquet(root: Path, columns: Columns) -> None:
    parquet.write_table(pyarrow.table(columns), root / "birds.parquet")


def packed_arrow(root: Path, columns: Columns) -> None:
    written = pyarrow.table(columns)
    with ipc.new_file(root / "birds.arrow", written.schema) as file:
        file.write_table(written)


FORMS: list[Callable[[Path, Columns], None]] = [as_csv, as_json_lines, as_parquet, packed_parquet, packed_arrow]


@pytest.fixture(params=FORMS, ids=[form.__name__ for form in FORMS])
def said(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Said]:
    """``said(columns, **options)``: what the reader of a form of a table finds in these columns, row by row."""

    def read(columns: Columns, **options: Any) -> Said:
        count = len(next(iter(columns.values())))
        if request.param in (packed_parquet, packed_arrow):
            request.param(tmp_path, {"image": [encoded()] * count, **columns})
            reader: FolderReader | HubReader = HubReader(**options)
        else:
            for row in range(count):
                (tmp_path / f"{row:08d}.png").write_bytes(encoded())
            request.param(tmp_path, {"file_name": [f"{row:08d}.png" for row in range(count)], **columns})
            reader = FolderReader(**options)
        examples, _ = found(reader, tmp_path)
        return {int(Path(each.name).stem): (each.captions, each.class_name, each.split) for each in examples}

    return read


NOTHING = ["NaN", "nan", "null", "None", "none", " NULL ", "", None]


@pytest.mark.parametrize("name", [*CAPTION_COLUMNS, *LAST_CAPTION_COLUMNS, "en_caption", "Caption", " TEXT", "text_0"])
def test_captions_are_found_under_every_name_and_nothing_is_no_caption(said: Callable[..., Said], name: str) -> None:
    columns = {name: ["a red bird", *NOTHING, " two\nlines ", "none of these"]}
    assert said(columns) == {
        0: (("a red bird",), None, None),
        9: (("two lines",), None, None),
        10: (("none of these",), None, None),
    }


@pytest.mark.parametrize("name", [*CLASS_COLUMNS, "Class Name", "Species"])
def test_classes_are_found_under_every_name_and_nothing_is_no_class(said: Callable[..., Said], name: str) -> None:
    columns = {"caption": ["x"] * 10, name: ["finch", *NOTHING, "None of them"]}
    assert [class_name for _, class_name, _ in said(columns).values()] == ["finch", *[None] * 8, "None of them"]


@pytest.mark.parametrize("name", ["label", "species"])
@pytest.mark.parametrize("numbers", [[3, 0, -1], [3.0, float("nan"), 12.0], [3.0, None, 2.5]])
def test_numbers_are_classes_however_they_are_written(
    said: Callable[..., Said], name: str, numbers: list[float]
) -> None:
    found = [class_name for _, class_name, _ in said({"text": ["x", "y", "z"], name: numbers}).values()]
    assert found[0] == "3"
    assert found[1:] == {-1: ["0", "-1"], 12.0: [None, "12"], 2.5: [None, "2.5"]}[numbers[2]]


def test_a_name_is_a_class_before_a_number_is(said: Callable[..., Said]) -> None:
    columns = {"text": ["x", "y", "z"], "label": [4, 4, None], "species": ["jay", None, None]}
    assert [class_name for _, class_name, _ in said(columns).values()] == ["jay", "4", None]


@pytest.mark.parametrize("name", ["split", "Split"])
def test_splits(said: Callable[..., Said], name: str) -> None:
    words = ["train", "Validation", "test", "", "nan", None, "restval"]
    found = [split for _, _, split in said({"text": ["x"] * 7, name: words}).values()]
    assert found == ["train", "test", "test", None, None, None, None]


def test_lists_of_captions(said: Callable[..., Said]) -> None:
    assert said({"captions": [["one", "None", "two\nlines"], [], ["nan"], ["three"]]}) == {
        0: (("one", "two lines"), None, None),
        3: (("three",), None, None),
    }


def test_records_of_captions(said: Callable[..., Said]) -> None:
    columns = {"sentences": [[{"raw": "A dog.", "id": 1}, {"raw": "It runs.", "id": 2}], [{"raw": "null", "id": 3}]]}
    assert said(columns) == {0: (("A dog.", "It runs."), None, None)}


def test_of_a_conversation_the_answer_that_describes_the_picture_is_its_caption(said: Callable[..., Said]) -> None:
    def turns(*words: str, who: str = "gpt") -> list[dict[str, str]]:
        return [{"from": ("human", who)[place % 2], "value": each} for place, each in enumerate(words)]

    columns = {
        "conversations": [
            turns("<image>\nWhat is it?", "A bird.", "What colour?", "Red."),
            turns("What is it?", "A bird.", "Describe the picture.\n<image>", "A red\nbird sings."),
            turns("Provide a brief description.", "A jay.", who="assistant"),
            turns("Describe it."),
            [],
        ]
    }
    assert said(columns) == {
        0: (("A bird.",), None, None),
        1: (("A red bird sings.",), None, None),
        2: (("A jay.",), None, None),
    }


def test_the_first_column_with_a_caption_is_taken(said: Callable[..., Said]) -> None:
    columns = {"title": ["t"] * 3, "text": ["a", "b", None], "caption": ["c", "NaN", ""]}
    assert [captions for captions, _, _ in said(columns).values()] == [("c",), ("b",), ("t",)]


def test_numbered_columns_belong_together(said: Callable[..., Said]) -> None:
    columns = {"caption_10": ["j", None], "caption_2": ["b", "nan"], "caption_1": ["a", "z"]}
    assert [captions for captions, _, _ in said(columns).values()] == [("a", "b", "j"), ("z",)]


def test_columns_that_a_person_chooses(said: Callable[..., Said]) -> None:
    columns = {"caption": ["usual"], "Said by": ["one"], "written": ["two"]}
    assert said(columns, caption_column="said by")[0][0] == ("one",)
    assert said(columns, caption_column="written, Said by")[0][0] == ("two", "one")


def test_captions_in_several_languages_are_not_guessed_at(said: Callable[..., Said]) -> None:
    columns = {"en_caption": ["x"], "de_caption": ["y"]}
    with pytest.raises(DataError, match="captions: en_caption, de_caption"):
        said(columns)
    assert said(columns, caption_column="de_caption")[0][0] == ("y",)


@pytest.mark.parametrize(
    ("cell", "captions"),
    [
        ("['a red bird', \"it's small\"]", ("a red bird", "it's small")),
        ("('one', None, 'two',)", ("one", "two")),
        ("['one' 'two']", ("one", "two")),
        ("[{'raw': 'a bird', 'tokens': ['a', 'bird'], 'good': True}]", ("a bird",)),
        ("[sic] a bird", ("[sic] a bird",)),
        ("(a bird)", ("(a bird)",)),
        ("['a' + __import__('os').getcwd()]", ("['a' + __import__('os').getcwd()]",)),
        ("[" * 5000, ("[" * 5000,)),
    ],
)
def test_lists_that_python_and_numpy_wrote_are_lists_and_nothing_is_run(cell: str, captions: tuple[str, ...]) -> None:
    assert captions_in([cell]) == (captions, False)

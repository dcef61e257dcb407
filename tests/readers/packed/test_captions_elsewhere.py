"""Captions of packed pictures that a person has elsewhere: which are whose, and that nothing is guessed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from sources import encoded, named

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.readers.folder.in_names import IN_NAMES
from stackgan_cli.readers.packed.hub import HubReader
from stackgan_cli.readers.packed.webdataset import WebdatasetReader

Said = dict[str, tuple[tuple[str, ...], str | None, str | None]]


def shard(path: Path, *keys: str, text: str | None = None, record: bytes | None = b'{"class": "jay"}') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key in keys:
            members = {"png": encoded(), "json": record, "txt": text and text.encode()}
            for name, data in ((f"{key}.{end}", data) for end, data in members.items() if data is not None):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def table(path: Path, paths: list[str | None], **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": encoded(), "path": each} for each in paths]
    parquet.write_table(pyarrow.table({"image": images, **columns}), path)


def listed(path: Path, rows: dict[str, str], **more: str) -> Path:
    path.write_text("".join(json.dumps({"image": name, "caption": said, **more}) + "\n" for name, said in rows.items()))
    return path


def said(examples: dict[str, Example]) -> Said:
    return {name: (item.captions, item.class_name, item.split) for name, item in examples.items()}


def test_a_list_speaks_of_the_keys_of_shards(tmp_path: Path) -> None:
    shard(tmp_path / "set" / "train-0.tar", "a/1", "2", "3", text="not taken")
    shard(tmp_path / "set" / "train-1.tar", "3", "4")
    rows = {"1.png": "one", "/home/ada/train-0/2": "two", "train-0/3.jpg": "three", "gone": "x"}
    place = listed(tmp_path / "list.jsonl", rows | {"train-1/3": "drei"})
    reader = WebdatasetReader(captions="../list.jsonl")
    examples, skipped = named(reader, tmp_path / "set")
    assert said(examples) == {
        "train-0/a/1": (("one",), "jay", None),
        "train-0/2": (("two",), "jay", None),
        "train-0/3": (("three",), "jay", None),
        "train-1/3": (("drei",), "jay", None),
    }
    assert skipped == {
        "train-1/4": "there is no caption of it in list.jsonl",
        "gone": "list.jsonl line 4: there is no picture that is called so",
    }
    assert "train-0.tar holds a/1.png" in (reader.recognises(tmp_path / "set") or "")
    listed(place, rows | {"train-1/3": "drei", "train-1/3.png": "three"}, split="test", **{"class": "owl"})
    examples, _ = named(WebdatasetReader(captions=str(place)), tmp_path / "set")
    assert said(examples)["train-1/3"] == (("drei", "three"), "owl", "test")


def test_shards_of_pictures_alone_are_shards_where_captions_are_elsewhere(tmp_path: Path) -> None:
    shard(tmp_path / "set" / "0.tar", "1", record=None)
    list_of_it = str(listed(tmp_path / "list.jsonl", {"1": "one"}))
    assert WebdatasetReader().recognises(tmp_path / "set") is None
    assert WebdatasetReader(captions=list_of_it).recognises(tmp_path / "set") == "0.tar holds 1.png"
    # One archive may hold pictures of any layout, and the list beside them.
    assert WebdatasetReader(captions=list_of_it).recognises(tmp_path / "set" / "0.tar") is None
    assert said(named(WebdatasetReader(captions=list_of_it), tmp_path / "set" / "0.tar")[0]).keys() == {"0/1"}


def test_a_folder_of_caption_files_speaks_of_them_too(tmp_path: Path) -> None:
    shard(tmp_path / "set" / "0.tar", "1", "2", "3")
    texts = {"1.txt": "one\neins", "1.json": '{"caption": "other"}', "2.png.caption": "two", "4.txt": "four"}
    (tmp_path / "texts" / "0").mkdir(parents=True)
    for name, text in texts.items():
        (tmp_path / "texts" / name).write_text(text)
    (tmp_path / "texts" / "0" / "3.json").write_text('{"caption": "three", "split": "test", "class": "owl"}')
    examples, skipped = named(WebdatasetReader(captions=str(tmp_path / "texts")), tmp_path / "set")
    assert said(examples) == {
        "0/1": (("one", "eins"), "jay", None),
        "0/2": (("two",), "jay", None),
        "0/3": (("three",), "owl", "test"),
    }
    assert skipped == {
        "1.json": "not read, because 1.txt is there too",
        "4.txt": "there is no picture that is called so",
    }


def test_a_list_speaks_of_the_files_and_the_names_of_a_table(tmp_path: Path) -> None:
    table(tmp_path / "set" / "train.parquet", ["x/1.png", None, None], id=[7, 8, 9], label=["jay", "owl", "owl"])
    table(tmp_path / "set" / "test.parquet", ["1.png"], id=[1], label=["jay"])
    rows = {"train/x/1.jpg": "one", "8": "eight", "test/1": "eins"}
    reader = HubReader(captions=str(listed(tmp_path / "list.jsonl", rows)))
    examples, skipped = named(reader, tmp_path / "set")
    assert said(examples) == {
        "test/00000000": (("eins",), "jay", "test"),
        "train/00000000": (("one",), "jay", "train"),
        "train/00000001": (("eight",), "owl", "train"),
    }
    assert skipped == {"train/00000002": "there is no caption of it in list.jsonl"}


def test_rows_without_a_name_have_no_captions_elsewhere(tmp_path: Path) -> None:
    table(tmp_path / "set" / "0.parquet", [None])
    reader = HubReader(captions=str(listed(tmp_path / "list.jsonl", {"0": "x"})))
    with pytest.raises(DataError, match="it has no name, in its file's path or a column such as file_name"):
        list(reader.examples(tmp_path / "set"))


def test_captions_that_may_be_of_several_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("0.tar", "1.tar"):
        shard(tmp_path / "set" / name, "7")
    reader = WebdatasetReader(captions=str(listed(tmp_path / "list.jsonl", {"7.png": "seven"})))
    with pytest.raises(DataError, match=r"speaks of 7\.png, which may be 0/7 or 1/7") as caught:
        list(reader.examples(tmp_path / "set"))
    assert "such as 1/7" in (caught.value.hint or "")
    reader = WebdatasetReader(captions=str(listed(tmp_path / "list.jsonl", {"a/7": "x", "b/7": "y"})))
    with pytest.raises(DataError, match=r"it may be more than one of list\.jsonl: a/7, b/7"):
        list(reader.examples(tmp_path / "set"))


@pytest.fixture(params=["webdataset", "hub"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Shards or a table, of two pictures that are called 1 and 2."""
    if request.param == "hub":
        table(tmp_path / "set" / "0.parquet", ["1.png", "2.png"])
    else:
        shard(tmp_path / "set" / "0.tar", "1", "2")
    return tmp_path / "set"


def test_the_command_line_finds_them_from_here(
    stackgan: Callable[..., Any], packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = listed(tmp_path / "list.jsonl", {"1": "one", "2": "two"})
    monkeypatch.chdir(tmp_path)
    common = ("prepare", "--data", "x", "--source", packed, "--resolution", 16, "--encoder", "hashed-words", "--json")
    done = stackgan(*common, "--captions", "list.jsonl")
    assert done.code == 0, done.err
    assert done.json["reader"]["options"] == {"captions": str(place)}
    assert sum(done.json["counts"].values()) == 2
    done = stackgan(*common, "--captions", IN_NAMES)
    assert done.code == 3
    assert done.says("--captions filename is for pictures that are files of their own, and these are packed")


def test_a_list_beside_shards_means_their_folder_as_a_source(
    stackgan: Callable[..., Any], tmp_path: Path, empty_home: Path
) -> None:
    for name in ("00000", "00001"):
        shard(tmp_path / "set" / f"{name}.tar", name, text="its own")
    place = listed(tmp_path / "set" / "00000.jsonl", {"00000": "one"})
    common = ("prepare", "--data", "x", "--resolution", 16, "--encoder", "hashed-words", "--json")
    done = stackgan(*common, "--source", place)
    assert done.code == 0, done.err
    assert done.json["reader"]["options"] == {}
    assert sum(done.json["counts"].values()) == 2


def test_a_reader_that_takes_none_says_so(stackgan: Callable[..., Any]) -> None:
    done = stackgan("prepare", "--data", "x", "--reader", "drawn-birds", "--captions", "list.jsonl")
    assert done.code == 2
    assert done.says("The reader drawn-birds takes no captions from elsewhere, as --captions names them.")

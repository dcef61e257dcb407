"""What is said of a source that no reader recognises: what was seen, what comes nearest, and what to do."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stackgan_cli.errors import DataError
from stackgan_cli.preparing.recognising import recognise

Stackgan = Callable[..., Any]


def write(root: Path, files: dict[str, str] | None = None, pictures: tuple[str, ...] = ()) -> Path:
    root.mkdir(exist_ok=True)
    for name in pictures:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40)).save(root / name)
    for name, text in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def refusal(source: Path) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        recognise(source, print)
    return caught.value.message, caught.value.hint or ""


NINE = tuple(f"{number}.png" for number in range(9))


def test_files_of_another_ending_are_counted_and_named(tmp_path: Path) -> None:
    source = write(tmp_path / "set", {f"{number}.foo": "x" for number in range(9)} | {"notes.md": "x"}, NINE)
    message, hint = refusal(source)
    assert "it holds 9 .foo, 9 .png and 1 .md." in message
    assert "The nearest is folder: 9 of 9 pictures have a file of their name that ends in .foo" in message
    assert "bird.txt or bird.caption" in hint


def test_a_list_of_pictures_elsewhere_says_where_they_are(tmp_path: Path) -> None:
    rows = "".join(f"imgs/{number}.png,a bird\n" for number in range(9))
    source = write(tmp_path / "set", {"captions.csv": f"file,caption\n{rows}"}, tuple(f"pics/{name}" for name in NINE))
    message, _ = refusal(source)
    assert "captions.csv cannot be its list: it lists pictures that are not there: imgs/0.png" in message
    assert "(but there is pics/0.png)" in message


def test_a_list_with_other_columns_or_without_captions_says_so(tmp_path: Path) -> None:
    source = write(
        tmp_path / "set", {"captions.csv": "shot,count\n0.png,7\n", "data.jsonl": '{"image": "0.png"}'}, NINE
    )
    message, _ = refusal(source)
    assert "has the columns shot, count" in message
    assert "data.jsonl cannot be its list: none of its first rows has a caption" in message


def test_the_only_json_is_said_to_be_no_list_whatever_it_is_called(tmp_path: Path) -> None:
    source = write(tmp_path / "set", {"llava.json": '[{"image": "0.png", "caption": '}, NINE)
    message, _ = refusal(source)
    assert "llava.json cannot be its list" in message
    assert "ends too early" in message
    message, _ = refusal(write(source, {"other.json": "[]"}))
    assert "llava.json" not in message


def test_coco_without_captions_says_which_file_is_missing(tmp_path: Path) -> None:
    source = write(tmp_path / "set", {"annotations/instances_val2017.json": "{}"}, ("val2017/1.jpg",))
    message, hint = refusal(source)
    assert "The nearest is coco: annotations/instances_val2017.json holds no captions" in message
    assert "captions_val2014.json" in hint
    write(source, {"annotations/captions_mine.json": json.dumps({"images": [], "annotations": []})})
    message, _ = refusal(source)
    assert "captions_mine.json" in message


@pytest.mark.parametrize(
    ("name", "words", "advice"),
    [
        ("birds.7z", "it is one file of 1 bytes", "Unpack birds.7z"),
        ("bird.png", "it is one file", "name the folder of all of them"),
        ("birds.bin", "it is one file", "the archive or the list"),
    ],
)
def test_files_that_are_no_source(tmp_path: Path, name: str, words: str, advice: str) -> None:
    (tmp_path / name).write_text("x")
    message, hint = refusal(tmp_path / name)
    assert words in message
    assert advice in hint


def test_folders_without_pictures(tmp_path: Path) -> None:
    message, hint = refusal(write(tmp_path / "empty"))
    assert "it holds no file." in message
    assert "Name the folder" in hint
    message, hint = refusal(write(tmp_path / "films", {f"{number}.mp4": "x" for number in range(3)} | {"README": "x"}))
    assert "it holds 3 .mp4 and 1 file without an ending." in message
    assert "nearest" not in message


def test_an_archive_alone_in_a_folder_is_named(tmp_path: Path) -> None:
    source = write(tmp_path / "set")
    with zipfile.ZipFile(source / "birds.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    message, hint = refusal(source)
    assert "it holds 1 .zip." in message
    assert hint == f"--source {source / 'birds.zip'}"


def test_pictures_alone_lead_to_the_template(stackgan: Stackgan, tmp_path: Path, empty_home: Path) -> None:
    source = write(tmp_path / "set", None, NINE)
    common = ("--data", "mine", "--source", source, "--resolution", 16, "--encoder", "hashed-words")
    done = stackgan("prepare", *common)
    assert done.code == 3
    assert done.says("it holds 9 .png.", "nothing there holds captions of 0.png", "--caption-template")
    assert stackgan("prepare", *common, "--caption-template", "a photo of a bird").code == 0


def test_names_that_read_like_captions_lead_to_the_option_that_takes_them(
    stackgan: Stackgan, tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "set", None, ("a small red bird.png", "a_small_blue_bird_001.png"))
    monkeypatch.chdir(write(tmp_path / "here", {"filename": "a file of that name is not meant"}))
    common = ("--data", "mine", "--source", source, "--resolution", 16, "--encoder", "hashed-words")
    done = stackgan("prepare", *common)
    assert done.code == 3
    assert done.says("names that read like captions, such as a small red bird.png (--captions filename)")
    done = stackgan("prepare", *common, "--captions", "filename", "--json")
    assert done.json["reader"]["options"] == {"captions": "filename"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("nowhere.csv", "There is nothing at nowhere.csv, where the captions of"),
        ("list.csv", "list.csv cannot be its list: it lists pictures that are not there: other.png"),
        ("texts", "no file in texts belongs to a picture"),
    ],
)
def test_captions_that_a_person_names_and_that_do_not_fit_are_the_reason(
    stackgan: Stackgan, tmp_path: Path, empty_home: Path, chosen: str, words: str
) -> None:
    source = write(tmp_path / "set", {"list.csv": "other.png,a bird\n", "texts/x.txt": "x"}, NINE)
    done = stackgan("prepare", "--data", "mine", "--source", source, "--captions", chosen)
    assert done.code == 3
    assert done.says(words)


@pytest.mark.parametrize("count", [1, 5, 20, 21, 24])
def test_rows_that_fail_are_counted_as_many_as_they_are(
    stackgan: Stackgan, tmp_path: Path, empty_home: Path, count: int
) -> None:
    rows = "".join(json.dumps({"file_name": f"imgs/{number}.png", "text": "x"}) + "\n" for number in range(count))
    source = write(tmp_path / "set", {"metadata.jsonl": rows}, tuple(f"pics/{number}.png" for number in range(count)))
    done = stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16)
    assert done.code == 3
    assert done.says("(but there is pics/0.png)")
    assert done.says({1: "imgs/0.png: ", 21: "21 rows: ", 24: "24 rows: "}.get(count, f"the first of {count}: "))
    ok = json.dumps({"file_name": "ok.png", "text": "x"})
    write(source, {"metadata.jsonl": rows + ok}, ("ok.png",))
    done = stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16, "--encoder", "hashed-words")
    assert done.says(f"there is no such file: {count}") or done.says(f"(but there is pics/0.png): {count}")


def test_what_a_strangers_names_hold_is_no_command_to_the_terminal(
    stackgan: Stackgan, tmp_path: Path, empty_home: Path
) -> None:
    source = write(
        tmp_path / "set", {"captions.csv": "file,caption\n\x1b[2Jx.png,y\n", "0.\x1b[31mfoo": "x"}, ("0.png",)
    )
    done = stackgan("prepare", "--data", "mine", "--source", source)
    assert done.code == 3
    assert "\x1b" not in done.err

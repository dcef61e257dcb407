"""A caption file for each picture, wherever trainers keep it: which belongs to which, and what belongs to nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sources import named, picture

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.readers.folder.folder import FolderReader


def write(root: Path, *names: str) -> None:
    """Write pictures and texts, each text saying its own name."""
    for name in names:
        if name.endswith((".png", ".jpg")):
            picture(root / name)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"words of {name}")


def read(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The one caption of each picture, and what was left out."""
    examples, skipped = named(FolderReader(), root)
    assert all(len(item.captions) == 1 for item in examples.values())
    return {name: item.captions[0] for name, item in examples.items()}, skipped


PAIRS = {
    "another ending": {"a.png": "a.caption", "b/c.jpg": "b/c.caption"},
    "endings of several kinds": {"a.png": "a.cap", "b.png": "b.captions", "c.png": "c.text", "d.png": "d.CAPTION"},
    "two endings": {"a.png": "a.caption.txt", "a.b.png": "a.b.caption.txt"},
    "the full name": {"a.png": "a.png.txt", "a.jpg": "a.jpg.txt", "b.png": "b.png.caption"},
    "folders side by side": {f"images/{name}.png": f"captions/{name}.txt" for name in "ab"},
    "of other names": {f"{name}/images/{name}.png": f"{name}/labels/{name}.txt" for name in ("train", "val")},
    "with full names": {f"img/{name}.png": f"text/{name}.png.txt" for name in "ab"},
    "of splits": {f"images/{name}/1.png": f"labels/{name}/1.txt" for name in ("train", "test")},
    "of classes": {f"images/{name}/1.png": f"text/{name}/1.txt" for name in ("cat", "dog")},
    "named after their set": {f"CelebA-HQ-img/{name}.jpg": f"celeba-caption/{name}.txt" for name in "01"},
    "of any names": {f"birds/{name}/1.png": f"said of them/{name}/1.txt" for name in ("cat", "dog")},
    "of any names in another one": {f"set/birds/{name}.png": f"set/heard/{name}.txt" for name in "ab"},
    "a folder below": {f"{name}.png": f"captions/{name}.txt" for name in "ab"},
    "a folder above": {f"images/{name}.png": f"{name}.txt" for name in "ab"},
    "words before a number": {f"img{name}.png": f"caption{name}.txt" for name in "12"},
    "words and a line": {f"image_{name}.png": f"text_{name}.txt" for name in "12"},
    "words behind": {f"{name}-photo.png": f"{name}-caption.txt" for name in ("bird", "cat")},
    "a word for captions alone": {f"{name}.png": f"{name}_caption.txt" for name in ("bird", "cat")},
    "a folder for each": {f"{name}/image.png": f"{name}/caption.txt" for name in ("001", "002")},
    "another case": {"images/A.png": "captions/a.TXT", "images/é.png": "captions/é.txt"},
}


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS.keys())
def test_pictures_find_their_captions(tmp_path: Path, pairs: dict[str, str]) -> None:
    write(tmp_path, *pairs.keys(), *pairs.values())
    assert "ha" in (FolderReader().recognises(tmp_path) or "")
    captions, skipped = read(tmp_path)
    assert captions == {name: f"words of {text}" for name, text in sorted(pairs.items())}
    assert not skipped


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS.keys())
def test_a_picture_and_a_text_that_lack_each_other_are_told_and_paired_with_nothing(
    tmp_path: Path, pairs: dict[str, str]
) -> None:
    (lonely, _), (_, orphan), *_ = [*pairs.items(), *pairs.items()]
    others = [name for pair in pairs.items() for name in pair if name not in (pairs[lonely], orphan)]
    without = [name for name in others if pairs.get(name) != orphan]
    write(tmp_path, *without, orphan, "more.png", "more.txt")
    captions, skipped = read(tmp_path)
    assert lonely not in captions
    assert "there is no text file of the same name" in skipped[lonely]
    assert "there is no picture of the same name" in skipped[orphan]


def test_the_split_and_the_class_are_those_of_the_picture(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            write(tmp_path, f"{split}/{name}/1.png", f"{split}/{name}/1.caption")
    examples, _ = named(FolderReader(), tmp_path)
    assert {name: (item.split, item.class_name) for name, item in examples.items()} == {
        f"{split}/{name}/1.png": (split, name) for split in ("train", "test") for name in ("cat", "dog")
    }


def test_of_several_texts_the_usual_one_is_read_and_the_others_are_told(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "a.caption", "a.txt", "a.png.txt", "b.png", "b.caption")
    captions, skipped = read(tmp_path)
    assert captions == {"a.png": "words of a.txt", "b.png": "words of b.caption"}
    assert skipped == dict.fromkeys(("a.caption", "a.png.txt"), "not read, because a.txt is there too")


def test_what_could_belong_to_several_is_not_guessed_at(tmp_path: Path) -> None:
    write(tmp_path, "images/1.png", "pictures/1.png", "captions/1.txt", "images/2.png", "captions/2.txt")
    write(tmp_path, "labels/2.txt", "images/3.png", "captions/3.txt")
    captions, skipped = read(tmp_path)
    assert captions == {"images/3.png": "words of captions/3.txt"}
    assert all("more than one file" in skipped[name] for name in ("images/1.png", "images/2.png", "pictures/1.png"))


def test_boxes_of_detectors_are_no_captions(tmp_path: Path) -> None:
    write(tmp_path, "images/1.png", "images/2.png", "labels/2.txt")
    (tmp_path / "labels" / "1.txt").write_text("0 0.51 0.5 0.2 0.33\n17 0.1 0.2 0.3 1e-3\n")
    captions, skipped = read(tmp_path)
    assert list(captions) == ["images/2.png"]
    assert "rows of numbers" in skipped["images/1.png"]


def test_records_beside_pictures(tmp_path: Path) -> None:
    records = {
        "a.json": {"Caption": "a red bird", "label": "finch", "split": "val"},
        "b.png.json": {"text": ["one", "two", "NaN"], "width": 4},
        "c.json": {"width": 4},
        "d.json": {"caption": "x", "split": "someday"},
    }
    write(tmp_path, *(f"{name}.png" for name in "abcdef"))
    for name, record in records.items():
        (tmp_path / name).write_text(json.dumps(record))
    (tmp_path / "e.json").write_text('{"caption": "cut')
    (tmp_path / "f.json").write_text("[" * 100_000)
    assert "a.json beside it" in (FolderReader().recognises(tmp_path) or "")
    examples, skipped = named(FolderReader(), tmp_path)
    assert {name: (item.captions, item.split, item.class_name) for name, item in examples.items()} == {
        "a.png": (("a red bird",), "test", "finch"),
        "b.png": (("one", "two"), None, None),
        "d.png": (("x",), None, None),
    }
    assert "it has no caption" in skipped["c.png"]
    assert "neither train nor test" in skipped["d.png"]
    assert all("not JSON" in skipped[name] for name in ("e.png", "f.png"))


def test_records_without_captions_are_no_caption_files(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    for name in "ab":
        (tmp_path / f"{name}.json").write_text('{"width": 4}')
    assert FolderReader().recognises(tmp_path) is None
    write(tmp_path, "b.txt")
    captions, skipped = read(tmp_path)
    assert list(captions) == ["b.png"]
    assert skipped.keys() == {"a.png"}


def test_hostile_files_in_a_folder_of_captions_cost_their_own_pictures(tmp_path: Path) -> None:
    write(tmp_path / "data", *(f"images/{number}.png" for number in range(1, 7)))
    folder = tmp_path / "data" / "captions"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret words")
    (folder / "1.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(folder / "2.txt")
    (folder / "3.txt").write_text(" \nNaN\n")
    (folder / "4.txt").write_bytes(b"\0\0\0\1" * 100)
    (folder / "5.txt").write_bytes("ein grüner Vogel".encode("cp1252"))
    (folder / "6.txt").write_text("x" * (2 << 20))
    examples, skipped = named(FolderReader(), tmp_path / "data")
    assert {key: item.captions for key, item in examples.items()} == {"images/5.png": ("ein grüner Vogel",)}
    assert "cp1252" in skipped["captions/5.txt"]
    assert len(skipped) == 6


def test_a_folder_of_captions_in_layouts_of_other_readers_is_left_to_them(tmp_path: Path) -> None:
    write(tmp_path / "birds", "CUB_200_2011/images/001.A/a.jpg", "text_c10/001.A/a.txt")
    write(tmp_path / "coco", "images/1.png", "text/1.txt", "train/filenames.pickle")
    for source in ("birds", "coco"):
        assert FolderReader().recognises(tmp_path / source) is None


@pytest.mark.parametrize(
    ("names", "template", "caption"),
    [
        (("cat/1.png", "cat/2.png"), "a photo of a {class}", "a photo of a cat"),
        (("10_red cat/1.png",), "a photo of a {class}", "a photo of a red cat"),
        (("train/cat/1.png",), "a photo of a {class}", "a photo of a pets"),
        (("1.png", "2.png"), "a photo of a {class}", "a photo of a pets"),
        (("images/1.png",), "a photo of a {class}", "a photo of a pets"),
        (("1.png", "2.png"), "a photo of my dog", "a photo of my dog"),
        (("cat/1.png",), "a photo of my dog", "a photo of my dog"),
    ],
)
def test_pictures_of_one_class_get_their_captions_by_a_template(
    tmp_path: Path, names: tuple[str, ...], template: str, caption: str
) -> None:
    write(tmp_path / "pets", *names)
    reader = FolderReader(caption_template=template)
    assert "by the template" in (reader.recognises(tmp_path / "pets") or "")
    examples, skipped = named(reader, tmp_path / "pets")
    assert {name: item.captions for name, item in examples.items()} == dict.fromkeys(sorted(names), (caption,))
    assert not skipped


def test_one_caption_for_pictures_of_several_classes_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png")
    with pytest.raises(DataError, match="the same for all") as caught:
        list(FolderReader(caption_template="a photo").examples(tmp_path))
    assert "{class}" in (caught.value.hint or "")


def test_examples_are_the_same_whoever_asks(tmp_path: Path) -> None:
    write(tmp_path, "images/a.png", "captions/a.txt")
    assert list(FolderReader().examples(tmp_path)) == [
        Example("images/a.png", tmp_path / "images" / "a.png", ("words of captions/a.txt",))
    ]

"""Sub-folders as classes: which folders are classes, captions from a template, and layouts that others read."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources import named, picture

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.readers.folder.folder import FolderReader

TEMPLATE = "a photo of a {class}"


def read(root: Path, template: str | None = TEMPLATE) -> tuple[dict[str, Example], dict[str, str]]:
    return named(FolderReader(caption_template=template), root)


@pytest.mark.parametrize(
    ("folder", "caption"),
    [
        ("001.Black_footed_Albatross", "a photo of a Black footed Albatross"),
        ("12_cats-and--dogs", "a photo of a cats and dogs"),
        ("3 - cats_4_dogs", "a photo of a cats 4 dogs"),
        ("McLaren", "a photo of a McLaren"),
        ("747", "a photo of a 747"),
        ("007.", "a photo of a 007."),
        ("ÉTOILE", "a photo of a ÉTOILE"),
        ("bird {class} {0.real} %s", "a photo of a bird {class} {0.real} %s"),
        ("two\nlines", "a photo of a two lines"),
    ],
)
def test_the_class_is_written_into_the_template_in_words(tmp_path: Path, folder: str, caption: str) -> None:
    picture(tmp_path / folder / "a.png")
    picture(tmp_path / "another" / "a.png")
    examples, skipped = read(tmp_path)
    assert examples[f"{folder}/a.png"].captions == (caption,)
    assert examples[f"{folder}/a.png"].class_name == folder
    assert not skipped


def test_every_mention_of_the_class_is_filled_in(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / name / "a.png")
    examples, _ = read(tmp_path, "{class}, a {class} ")
    assert examples["cat/a.png"].captions == ("cat, a cat",)


@pytest.mark.parametrize(
    "template", ["a photo of {}", "", " ", "{}", "{class!r}", "{class.__init__}", "{class} {0}", "}{class}"]
)
def test_templates_that_cannot_be_used(template: str) -> None:
    with pytest.raises(SettingsError, match="no other braces") as caught:
        FolderReader(caption_template=template)
    assert '--caption-template "a photo of a {class}"' in (caught.value.hint or "")


def test_text_files_come_before_the_template(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "a.png", "a cat asleep")
    picture(tmp_path / "cat" / "b.png", "  \n")
    picture(tmp_path / "dog" / "a.png")
    picture(tmp_path / "loose.png")
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {
        "cat/a.png": ("a cat asleep",),
        "dog/a.png": ("a photo of a dog",),
    }
    assert skipped.keys() == {"cat/b.png", "loose.png"}
    assert "holds no caption" in skipped["cat/b.png"]
    examples, skipped = read(tmp_path, None)
    assert list(examples) == ["cat/a.png"]
    assert examples["cat/a.png"].class_name == "cat"
    assert "no text file" in skipped["dog/a.png"]


@pytest.mark.parametrize(
    ("names", "classes", "splits"),
    [
        (("cat/a.png", "dog/a.png", "loose.png"), ["cat", "dog", None], [None, None, None]),
        (("train/cat/a.png", "val/dog/a.png"), ["cat", "dog"], ["train", "test"]),
        (("cat/a.png", "test/dog/deep/a.png"), ["cat", "dog"], [None, "test"]),
        (("train/cat/a.png", "train/dog/a.png"), ["cat", "dog"], [None, None]),
        (("all/train/a.png", "all/train/b.png"), [None, None], [None, None]),
        (("test/cat/a.png", "test/dog/a.png"), ["cat", "dog"], ["test", "test"]),
        (("photos/cat/a.png", "photos/dog/b/a.png"), ["cat", "dog"], [None, None]),
        (("all/photos/test/cat/a.png", "all/photos/train/dog/a.png"), ["cat", "dog"], ["test", "train"]),
        (("images/a.png", "images/b.png"), [None, None], [None, None]),
        (("images/cat/a.png",), [None], [None]),
        (("test/a.png", "train/a.png"), [None, None], ["test", "train"]),
        (("test/images/a.png", "train/images/a.png"), [None, None], ["test", "train"]),
        (("cat1/a.png", "cat10/a.png"), ["cat1", "cat10"], [None, None]),
        (("00000/000000007.png", "00001/000010003.png"), [None, None], [None, None]),
        (("00013/00000_00001.png", "00014/00012_00029.png"), ["00013", "00014"], [None, None]),
    ],
)
def test_which_folders_are_classes_and_splits(
    tmp_path: Path, names: tuple[str, ...], classes: list[str | None], splits: list[str | None]
) -> None:
    for name in names:
        picture(tmp_path / name, "words")
    examples, _ = read(tmp_path, None)
    assert list(examples) == sorted(names)
    assert [examples[name].class_name for name in sorted(names)] == classes
    assert [examples[name].split for name in sorted(names)] == splits


@pytest.mark.parametrize("name", ["a.png", "cat/a.png", "images/a.png", "train/cat/a.png", "x/y/test/cat/a.png"])
def test_a_text_beside_a_picture_is_better_evidence_than_folders(tmp_path: Path, name: str) -> None:
    for other in ("cat", "dog"):
        picture((tmp_path / name).parent.parent / other / "z.png")
    picture(tmp_path / name, "words")
    assert (FolderReader().recognises(tmp_path) or "").startswith(f"{name} has its captions")


def test_classes_without_captions_ask_for_a_template(tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        picture(tmp_path / "photos" / name / "a.png")
    (tmp_path / "photos" / "README.txt").write_text("Three animals.")
    assert FolderReader().recognises(tmp_path) == "3 sub-folders of pictures are classes"
    with pytest.raises(DataError, match="3 folders") as caught:
        read(tmp_path, None)
    assert caught.value.hint == '--caption-template "a photo of a {class}"'
    assert len(read(tmp_path)[0]) == 3


def test_a_template_fills_no_metadata_and_says_so(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / name / "a.png")
    (tmp_path / "metadata.csv").write_text("file_name,caption\ncat/a.png,one\n")
    examples, skipped = read(tmp_path)
    assert {name: (item.captions, item.class_name) for name, item in examples.items()} == {
        "cat/a.png": (("one",), None)
    }
    assert "metadata.csv" in skipped["the caption template"]


@pytest.mark.parametrize(
    "names",
    [
        ("train/cat/a.png", "train/dog/a.png", "test/eel/a.png"),
        ("a/cat/a.png", "a/dog/a.png", "a/eel/a.png", "empty/notes.md"),
        ("cat/a.png", "dog/a.png", "eel/a.png", "loose.png", ".git/x.png", "__MACOSX/x.png", "labels/readme.md"),
    ],
)
def test_class_folders_are_recognised(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert FolderReader().recognises(tmp_path) == "3 sub-folders of pictures are classes"


@pytest.mark.parametrize(
    "names",
    [
        ("images/a.png", "images/b.png"),
        ("loose.png", "images/cat/a.png", "images/dog/a.png"),
        ("train/a.png", "test/a.png"),
        ("CUB_200_2011/images/001.A/a.jpg", "CUB_200_2011/images/002.B/a.jpg", "text_c10/001.A/a.txt"),
        ("images.txt", "bounding_boxes.txt", "images/001.A/a.jpg", "images/002.B/a.jpg"),
        ("image_class_labels.txt", "images/001.A/a.jpg", "images/002.B/a.jpg"),
        ("jpg/image_00001.jpg", "segmim/segmim_00001.jpg", "imagelabels.mat"),
        ("jpg/image_00001.jpg", "segmim/segmim_00001.jpg", "text_c10/class_00001/image_00001.txt"),
        ("train2014/a.jpg", "val2014/a.jpg", "annotations/captions_train2014.json"),
        ("images/train2017/a.jpg", "images/val2017/a.jpg"),
        ("one/a.jpg", "two/a.jpg", "captions_mine.json"),
        ("00000.tar", "00001.tar", "one/a.jpg", "two/a.jpg"),
        ("train-00000-of-00001.parquet", "one/a.jpg", "two/a.jpg"),
        ("data/train-00000-of-00001.parquet", "one/a.jpg", "two/a.jpg"),
        ("train/filenames.pickle", "images/001.A/a.jpg", "images/002.B/a.jpg"),
        ("dataset_info.json", "state.json", "one/a.jpg", "two/a.jpg"),
        ("train/state.json", "one/a.jpg", "two/a.jpg"),
        ("one/a.jpg", "one/a.t7", "two/a.jpg", "two/a.t7"),
    ],
)
def test_layouts_of_other_readers_are_left_to_them(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert FolderReader().recognises(tmp_path) is None


def test_classes_whose_pictures_lie_deeper(tmp_path: Path) -> None:
    for name in ("cat/indoors", "cat/outdoors", "dog/indoors"):
        picture(tmp_path / name / "a.png")
    assert "2 sub-folders" in (FolderReader().recognises(tmp_path) or "")
    examples, _ = read(tmp_path)
    assert {item.class_name for item in examples.values()} == {"cat", "dog"}

"""Captions in the names of pictures: what of a name is one, and that none is made of a name unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources import named, picture

from stackgan_cli.errors import DataError
from stackgan_cli.readers.folder.folder import FolderReader
from stackgan_cli.readers.folder.in_names import IN_NAMES, called_like_captions, caption_in


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("a small red bird.jpg", "a small red bird"),
        ("birds/a_small_red_bird.png", "a small red bird"),
        ("a-small-red-bird-7.png", "a small red bird"),
        ("a_small_red_bird_001.png", "a small red bird"),
        ("a small red bird_999.jpg", "a small red bird"),
        ("a small red bird (2).png", "a small red bird"),
        ("a red-winged bird_1.png", "a red-winged bird"),
        ("a_red-winged_bird.png", "a red-winged bird"),
        ("00012-3141592653-a small red bird.png", "a small red bird"),
        ("0001 a bird, asleep.png", "a bird, asleep"),
        ("001.Black_footed_Albatross.jpg", "Black footed Albatross"),
        ("a bird_0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f.png", "a bird"),
        ("3 birds on a wire.png", "3 birds on a wire"),
        ("a plate with the number 7.png", "a plate with the number 7"),
        ("bird_2.png", "bird"),
        ("u\u0308ber den Wolken.png", "\u00fcber den Wolken"),
        ("红色的小鸟.png", "红色的小鸟"),
        *((name, None) for name in ("00012.png", "IMG_20240101_1234.jpg", "DSC01234.JPG", "ComfyUI_00001_.png")),
        *((name, None) for name in ("d41d8cd98f00b204e9800998ecf8427e.png", "image (3).png", "A_1.png", "-_-.png")),
    ],
)
def test_captions_are_names_without_what_counts_them(name: str, caption: str | None) -> None:
    assert caption_in(name) == caption


def test_names_that_nearly_count_for_ever_come_to_an_end() -> None:
    for part in ("1--", "0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f-", " ", "-_", "(1", "_1 "):
        assert caption_in((part * 250)[:250] + "!") is None
    assert caption_in("a." * 125 + "!") == "a." * 124 + "a"


def test_names_are_captions_where_a_person_says_so(tmp_path: Path) -> None:
    for name in ("a_small_red_bird_001", "a_small_red_bird_002", "train/a blue bird", "test/a blue bird", "IMG_7"):
        picture(tmp_path / f"{name}.png", "not read")
    reader = FolderReader(captions=IN_NAMES)
    assert reader.recognises(tmp_path) == "a_small_red_bird_001.png is called by its caption"
    examples, skipped = named(reader, tmp_path)
    assert {name: (item.captions, item.split) for name, item in examples.items()} == {
        "a_small_red_bird_001.png": (("a small red bird",), None),
        "a_small_red_bird_002.png": (("a small red bird",), None),
        "test/a blue bird.png": (("a blue bird",), "test"),
        "train/a blue bird.png": (("a blue bird",), "train"),
    }
    assert skipped == {"IMG_7.png": "its name holds no words"}
    examples, skipped = named(FolderReader(captions=IN_NAMES, caption_template="a bird"), tmp_path)
    assert examples["IMG_7.png"].captions == ("a bird",)
    assert not skipped


def test_folders_stay_classes(tmp_path: Path) -> None:
    for name in ("cat/a cat, asleep", "dog/a dog in the snow"):
        picture(tmp_path / f"{name}.png")
    examples, _ = named(FolderReader(captions=IN_NAMES), tmp_path)
    assert [(item.captions[0], item.class_name) for item in examples.values()] == [
        ("a cat, asleep", "cat"),
        ("a dog in the snow", "dog"),
    ]


def test_names_without_words_are_no_captions(tmp_path: Path) -> None:
    picture(tmp_path / "0001.png")
    assert FolderReader(captions=IN_NAMES).recognises(tmp_path) is None
    with pytest.raises(DataError, match=r"0001\.png: its name holds no words"):
        list(FolderReader(captions=IN_NAMES).examples(tmp_path))


@pytest.mark.parametrize("folders", [("",), ("cat/", "dog/")])
def test_captions_are_not_made_of_names_unasked(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        picture(tmp_path / f"{folder}a_small_red_bird_001.png")
    with pytest.raises(DataError, match=f"read like captions, such as {folders[0]}a_small_red_bird") as caught:
        list(FolderReader().examples(tmp_path))
    assert caught.value.hint == "--captions filename"


def test_names_of_classes_and_of_cameras_do_not_read_like_captions() -> None:
    assert called_like_captions(["golden_retriever_001.png", "golden_retriever_002.png"]) is None
    assert called_like_captions(["IMG_1.png", "IMG_2.png", "a small red bird.png"]) is None
    assert called_like_captions(["IMG_1.png", "a red bird.png"]) == "a red bird.png"
    assert called_like_captions([]) is None

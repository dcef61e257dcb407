"""AttnGAN's captions.pickle: captions as numbers of words, whole, damaged and of another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sources import put, put_names

from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.attngan_captions import (
    caption_pickle,
    captions_by_key,
    home_of_names,
    read_caption_pickle,
)

WORDS = {0: "<end>", 1: "a", 2: "red", 3: "bird"}
NUMBERS = {word: number for number, word in WORDS.items()}


def test_each_picture_gets_its_captions_in_the_order_of_the_names(tmp_path: Path) -> None:
    train = [[1, 3], [2, 3], [1, 2, 3], [3, 0, 2]]
    path = put(tmp_path / "captions.pickle", [train, [[3]], WORDS, NUMBERS])
    put_names(tmp_path, ["x/one\r", "y/two.jpg"], ["z/three"])
    assert caption_pickle([tmp_path / "train", tmp_path]) == path
    found = captions_by_key(path, home_of_names(path, []), parts=1)
    assert found == {"one": ("a bird", "red bird"), "two": ("a red bird", "bird"), "three": ("bird",)}


def test_arrays_and_bytes_of_other_versions_of_python(tmp_path: Path) -> None:
    words = {np.int64(number): word.encode() for number, word in WORDS.items()}
    path = put(tmp_path / "c.pickle", [np.array([[1, 3], [2, 0]]), [np.array([3, 2])], words, {}])
    assert read_caption_pickle(path, {"train": 2, "test": 1}) == {
        "train": [("a bird",), ("red",)],
        "test": [("bird red",)],
    }
    assert read_caption_pickle(path, {"train": 1}) == {"train": [("a bird", "red")]}


def test_captions_without_words_are_left_out_and_damaged_words_mended(tmp_path: Path) -> None:
    path = put(tmp_path / "c.pickle", [[[0], [1, 2], [], [1, 1, 3]], [], ["<end>", "a", "re\ufffd\ufffdd", "b"], {}])
    assert read_caption_pickle(path, {"train": 2, "test": 0})["train"] == [("a re d",), ("a a b",)]


@pytest.mark.parametrize(
    "content",
    [
        {"captions": []},
        [[[1]], [[1]], WORDS],
        ["images/one.jpg", "images/two.jpg", "images/three.jpg", "images/four.jpg"],
        [[[1]], [[1]], None, NUMBERS],
        [[[1]], [[1]], {"a": 1}, NUMBERS],
        [[[1]], [[1]], {1: 2}, NUMBERS],
        [5, [[1]], WORDS, NUMBERS],
        [np.array(5), [[1]], WORDS, NUMBERS],
        [[1], [[1]], WORDS, NUMBERS],
        [["a bird"], [[1]], WORDS, NUMBERS],
        [[["a", "bird"]], [[1]], WORDS, NUMBERS],
        [[[[1], [2]]], [[1]], WORDS, NUMBERS],
        [[[1, 4]], [[1]], WORDS, NUMBERS],
        [[[-1]], [[1]], WORDS, NUMBERS],
        [[[10**5000]], [[1]], WORDS, NUMBERS],
        [[[1] * 1000] * 1000, [[1]], WORDS, NUMBERS],
        [[[1]], [[1]], {1: "a" * 1000}, NUMBERS],
    ],
)
def test_another_layout_or_vocabulary_ends_in_a_sentence(tmp_path: Path, content: Any) -> None:
    path = put(tmp_path / "captions.pickle", content, 2)
    with pytest.raises(DataError, match="does not hold AttnGAN's captions") as caught:
        read_caption_pickle(path, {"train": 1, "test": 1})
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(("captions", "pictures"), [(3, 2), (0, 2), (2, 0), (1, 2)])
def test_a_number_of_captions_that_is_not_the_same_for_each_picture(
    tmp_path: Path, captions: int, pictures: int
) -> None:
    path = put(tmp_path / "captions.pickle", [[[1]] * captions, [], WORDS, NUMBERS])
    with pytest.raises(DataError, match=f"{captions} captions for the {pictures} pictures of train/filenames.pickle"):
        read_caption_pickle(path, {"train": pictures})


def test_captions_without_the_names_that_they_follow(tmp_path: Path) -> None:
    path = put(tmp_path / "captions.pickle", [[[1]], [[1]], WORDS, NUMBERS])
    assert caption_pickle([tmp_path]) is None
    with pytest.raises(DataError, match=r"follows the order of train/filenames\.pickle, which is not there"):
        home_of_names(path, [tmp_path / "elsewhere"])

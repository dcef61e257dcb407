"""Oxford-102 in its published layout, whole, partial and broken."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from sources import found, picture, put, put_names

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.pictures.cropping import crop_and_resize
from stackgan_cli.pictures.decoding import load_picture
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader


def make(root: Path, classes: dict[int, int], text: str = "text_c10") -> Path:
    """Write pictures with captions: number of the picture -> number of its class."""
    for number, class_number in classes.items():
        picture(root / "jpg" / f"image_{number:05d}.jpg", size=(8, 6))
        folder = root / text / f"class_{class_number:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"image_{number:05d}.txt").write_text(f"flower {number}\nof class {class_number}\n")
    return root


def read(root: Path, **options: str) -> tuple[list[Example], list[Skipped]]:
    return found(FlowersReader(**options), root)


def test_names_captions_classes_and_the_published_split(tmp_path: Path) -> None:
    root = make(tmp_path, {3: 20, 1: 77, 2: 21})
    assert FlowersReader().recognises(root)
    examples, skipped = read(root)
    assert [(item.name, item.class_name, item.split) for item in examples] == [
        ("jpg/image_00001.jpg", "class_00077", "train"),
        ("jpg/image_00002.jpg", "class_00021", "train"),
        ("jpg/image_00003.jpg", "class_00020", "test"),
    ]
    assert examples[0].captions == ("flower 1", "of class 77")
    assert not skipped


@pytest.mark.parametrize("end", ["", "\r"])
def test_pickles_of_names_go_before_everything(tmp_path: Path, end: str) -> None:
    root = make(tmp_path, {1: 1, 2: 50, 3: 60})
    (root / "trainvalclasses.txt").write_text("class_00050\n")
    (root / "testclasses.txt").write_text("class_00001\n")
    put_names(root, [f"jpg/image_00001{end}"], [f"jpg/image_00002{end}"])
    assert [item.split for item in read(root)[0]] == ["train", "test", None]


def test_split_files_that_contradict_themselves(tmp_path: Path) -> None:
    root = make(tmp_path, {1: 1})
    put_names(root, ["jpg/image_00001"], ["jpg/image_00001"])
    with pytest.raises(DataError, match="share 1 names"):
        read(root)
    put(root / "test" / "filenames.pickle", {"a": 1})
    with pytest.raises(DataError, match="no list of file names"):
        read(root)


def test_what_is_incomplete_is_named(tmp_path: Path) -> None:
    root = make(tmp_path, dict.fromkeys(range(1, 10), 30))
    for number in (1, 2, 3):
        (root / "jpg" / f"image_{number:05d}.jpg").unlink()
    for number in (4, 5):
        (root / "text_c10" / "class_00030" / f"image_{number:05d}.txt").unlink()
    (root / "text_c10" / "class_00030" / "image_00006.txt").write_text("\n \n")
    (root / "text_c10" / "class_00031").mkdir()
    (root / "text_c10" / "class_00031" / "image_00009.txt").write_text("twice")
    examples, skipped = read(root)
    assert [item.name[-6:-4] for item in examples] == ["07", "08", "09"]
    reasons = {item.name: item.reason for item in skipped}
    for number in (1, 2, 3):
        assert "no picture" in reasons[f"class_00030/image_{number:05d}.txt"]
    for number in (4, 5):
        assert "no caption file" in reasons[f"jpg/image_{number:05d}.jpg"]
    assert "no caption" in reasons["jpg/image_00006.jpg"]
    assert "class_00030 too" in reasons["jpg/image_00009.jpg"]


def test_captions_elsewhere(tmp_path: Path) -> None:
    root = make(tmp_path / "a", {1: 1}, text="my words")
    with pytest.raises(DataError, match="no captions") as caught:
        read(root)
    assert "text_c10" in (caught.value.hint or "")
    assert len(read(root, captions="my words")[0]) == 1
    assert len(read(make(tmp_path / "b", {1: 1}, text="text"))[0]) == 1


def pickled_captions(folder: Path, train: list[int], test: list[int], classes: bool = True) -> Path:
    """Write AttnGAN's captions.pickle, the names that it follows, and class 10 times its number for each picture."""
    put_names(folder, *([f"jpg/image_{number:05d}" for number in numbers] for numbers in (train, test)))
    for split, numbers in (("train", train), ("test", test)) if classes else ():
        put(folder / split / "class_info.pickle", [10 * number for number in numbers])
    words = {0: "<end>", 1: "flower", **{10 + number: f"number{number}" for number in (*train, *test)}}
    captions = [[[1, 10 + number] for number in numbers] for numbers in (train, test)]
    return put(folder / "captions.pickle", [*captions, words, {}], 2)


@pytest.mark.parametrize("beside", [".", ".."])
def test_captions_of_attngan_where_there_is_no_text(tmp_path: Path, beside: str) -> None:
    root = make(tmp_path / "data", {1: 10, 2: 20, 4: 40}, text="elsewhere")
    pickled_captions(root / beside, [3, 2], [1])
    examples, skipped = read(root)
    assert [(item.name, item.captions, item.class_name, item.split) for item in examples] == [
        ("jpg/image_00001.jpg", ("flower number1",), "class_00010", "test"),
        ("jpg/image_00002.jpg", ("flower number2",), "class_00020", "train"),
    ]
    reasons = {item.name: item.reason for item in skipped}
    assert "no picture in jpg" in reasons["captions.pickle: image_00003"]
    assert "captions.pickle has no caption" in reasons["jpg/image_00004.jpg"]


def test_captions_that_the_person_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "data", {1: 10})
    path = pickled_captions(tmp_path / "other", [1], [], classes=False)
    monkeypatch.chdir(tmp_path)
    for chosen in (str(path), "other/captions.pickle"):
        (only,) = read(root, captions=chosen)[0]
        assert (only.captions, only.class_name, only.split) == (("flower number1",), None, "train")
    assert read(root, captions="data/text_c10")[0][0].captions == ("flower 1", "of class 10")


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    root = make(tmp_path / "deep", {1: 1, 2: 2, 3: 3})
    picture(tmp_path / "secret.jpg", "secret")
    text = root / "text_c10" / "class_00002" / "image_00002.txt"
    for path, target in ((root / "jpg" / "image_00001.jpg", "secret.jpg"), (text, "secret.txt")):
        path.unlink()
        path.symlink_to(tmp_path / target)
    examples, skipped = read(root)
    assert [item.name for item in examples] == ["jpg/image_00003.jpg"]
    assert {item.name for item in skipped} == {"jpg/image_00001.jpg", "jpg/image_00002.jpg"}
    assert all("leads out of the folder" in item.reason for item in skipped)


def test_names_that_are_not_utf_8_are_left_out(tmp_path: Path) -> None:
    root = make(tmp_path, {1: 1, 2: 2, 3: 3})
    odd = os.fsdecode(b"gr\xfcn")
    for file in (root / "jpg" / "image_00002.jpg", *root.glob("text_c10/class_0000[23]/*.txt")):
        file.rename(file.with_stem(f"{odd}-{file.stem}" if "3" in file.stem else odd))
    examples, skipped = read(root)
    assert [item.name for item in examples] == ["jpg/image_00001.jpg"]
    assert {(item.name, item.reason) for item in skipped} == {
        ("jpg/gr?n.jpg", "its name is not UTF-8"),
        ("class_00003/gr?n-image_00003.txt", "there is no picture in jpg with this name"),
        ("jpg/image_00003.jpg", "there is no caption file for it"),
    }


def test_captions_without_pictures(tmp_path: Path) -> None:
    root = make(tmp_path, {1: 1})
    (root / "jpg" / "image_00001.jpg").unlink()
    with pytest.raises(DataError, match="holds no captioned picture"):
        read(root)
    (root / "jpg").rmdir()
    with pytest.raises(DataError, match="no folder jpg"):
        read(root)
    assert FlowersReader().recognises(root) is None


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_the_real_data() -> None:
    """7,034 and 1,155: the counts of the literature's split."""
    examples, skipped = read(Path(os.environ["STACKGAN_TEST_DATA"]) / "oxford102")
    assert len(examples) == 8189
    assert Counter(item.split for item in examples) == {"train": 7034, "test": 1155}
    assert {len(item.captions) for item in examples} == {10}
    assert len({item.class_name for item in examples}) == 102
    assert not skipped
    small, large = crop_and_resize(load_picture(examples[0].image), "squash", None, [76, 304])
    assert small.shape == (76, 76, 3)
    assert large.shape == (304, 304, 3)

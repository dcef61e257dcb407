"""The published metadata folders: birds, flowers and coco, whole, partial, broken and hostile."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sources import named, picture, put, put_names

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.pictures.cropping import crop_and_resize
from stackgan_cli.pictures.decoding import load_picture
from stackgan_cli.readers.birds_and_flowers.cub import CubReader
from stackgan_cli.readers.published.stackgan_metadata import StackganMetadataReader

ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18"
LAYSAN = "002.Laysan_Albatross/Laysan_Albatross_0002_1027"
SOOTY = "003.Sooty_Albatross/Sooty_Albatross_0001_1071"
RNN = "char-CNN-RNN-embeddings.pickle"


def words(path: Path, *captions: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{caption}\n" for caption in captions), encoding="utf-8")


def birds(root: Path, text: str = "text_c10", pictures: str = "CUB_200_2011/images") -> Path:
    """Write what people have after unpacking birds.zip beside CUB: classes, boxes, texts."""
    put_names(root, [LAYSAN, SOOTY], [ALBATROSS])
    put(root / "train" / "class_info.pickle", [np.int64(2), np.int64(3)])
    put(root / "test" / "class_info.pickle", [1])
    for key in (ALBATROSS, LAYSAN, SOOTY):
        picture(root / pictures / f"{key}.jpg")
        if text:
            words(root / text / f"{key}.txt", f"{key[4]} one", f"{key[4]} two")
    home = root / "CUB_200_2011"
    home.mkdir(exist_ok=True)
    (home / "images.txt").write_text(f"1 {ALBATROSS}.jpg\r\n2 {LAYSAN}.jpg\r\n3 {SOOTY}.jpg\r\n")
    (home / "bounding_boxes.txt").write_text("1 1.0 2.0 20.0 10.0\n2 2.0 2.0 20.0 10.0\n3 3.0 2.0 20.0 10.0\n")
    return root


def embed(root: Path, file: str = RNN, captions: int = 2, width: int = 4) -> None:
    """Write embeddings whose first number says which picture, and whose second says which caption."""
    for split in ("train", "test"):
        count = len(pickle.loads((root / split / "filenames.pickle").read_bytes()))
        rows = np.zeros((count, captions, width), np.float32)
        rows[:, :, 0] = np.arange(count)[:, None] + (100 if split == "test" else 0)
        rows[:, :, 1] = np.arange(captions)
        put(root / split / file, list(rows), protocol=2)


def nested(levels: int) -> list[Any]:
    """Twice the same list of twice the same list ...: written out, 2 to the levels numbers."""
    value: list[Any] = [1.0]
    for _ in range(levels):
        value = [value, value]
    return value


def read(root: Path, **options: str) -> tuple[dict[str, Example], dict[str, str]]:
    return named(StackganMetadataReader(**options), root)


def pixels(example: Example) -> np.ndarray[Any, Any]:
    return np.asarray(crop_and_resize(load_picture(example.image), "squash", None, [8])[0])


def test_birds_beside_cub(tmp_path: Path) -> None:
    root = birds(tmp_path)
    examples, skipped = read(root)
    assert not skipped
    assert list(examples) == [LAYSAN, SOOTY, ALBATROSS]
    assert [item.split for item in examples.values()] == ["train", "train", "test"]
    assert examples[SOOTY].class_name == "003.Sooty_Albatross"
    assert examples[SOOTY].captions == ("S one", "S two")
    assert examples[SOOTY].box == (3.0, 2.0, 20.0, 10.0)
    assert StackganMetadataReader().suits(root) == {
        "crop": "bbox",
        "encoder": ("char-cnn-rnn", {"variant": "icml-birds"}),
        "recipe": "paper",
    }


def test_flowers_find_their_texts_by_the_number_of_their_class(tmp_path: Path) -> None:
    root = put_names(tmp_path, ["jpg/image_00001"], ["jpg/image_00002"])
    put(root / "train" / "class_info.pickle", np.array([77]))
    put(root / "test" / "class_info.pickle", [1])
    picture(root / "jpg" / "image_00001.jpg")
    picture(root / "jpg" / "image_00002.jpg")
    words(root / "text_c10" / "class_00077" / "image_00001.txt", "a flower")
    words(root / "text_c10" / "class_00076" / "image_00001.txt", "another flower")
    words(root / "text_c10" / "class_00001" / "image_00002.txt", "a pink one")
    examples, skipped = read(root)
    assert examples["jpg/image_00001"].captions == ("a flower",)
    assert examples["jpg/image_00001"].class_name == "class_00077"
    assert not skipped
    suits = StackganMetadataReader().suits(root)
    assert (suits["crop"], suits["encoder"][1]) == ("squash", {"variant": "icml-flowers"})


def test_coco_without_classes_has_every_picture_its_own(tmp_path: Path) -> None:
    root = put_names(
        tmp_path, ["COCO_train2014_000000000009", "COCO_train2014_000000000025"], ["COCO_val2014_000000000042"]
    )
    for key in ("COCO_train2014_000000000009", "COCO_train2014_000000000025", "COCO_val2014_000000000042"):
        picture(root / "images" / key.split("_")[1] / f"{key}.jpg")
        words(root / "text" / f"{key}.txt", "a bowl")
    examples, skipped = read(root)
    assert len(examples) == 3
    assert {item.class_name for item in examples.values()} == {None}
    assert {item.box for item in examples.values()} == {None}
    assert StackganMetadataReader().suits(root)["crop"] == "center"
    assert not skipped


@pytest.mark.parametrize(
    "place",
    [
        "data/{}.jpg",
        "data/images/{}.jpeg",
        "data/CUB_200_2011/images/{}.png",
        "data/images/train2014/{}.jpg",
        "data/images/val2014/{}.jpg",
        "data/images/jpg/{}.jpg",
        "data/jpg/{}.jpg",
        "images/{}.jpg",
        "CUB_200_2011/images/{}.jpg",
    ],
)
def test_photos_in_every_place_that_a_published_loader_knows(tmp_path: Path, place: str) -> None:
    root = put_names(tmp_path / "data", ["a/one"], ["a/two"])
    for key in ("a/one", "a/two"):
        picture(tmp_path / place.format(key))
        words(root / "text" / f"{key}.txt", "words")
    assert read(root)[0]["a/one"].image == tmp_path / place.format("a/one")


def test_photos_and_captions_that_the_person_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = put_names(tmp_path / "data", ["jpg/one"], ["jpg/two"])
    for key in ("one", "two"):
        picture(tmp_path / "my photos" / f"{key}.jpg")
        words(tmp_path / "mine" / "jpg" / f"{key}.txt", "words")
    monkeypatch.chdir(tmp_path)
    for base in (Path(), tmp_path):
        examples, _ = read(root, images=str(base / "my photos"), captions=str(base / "mine"))
        assert examples["jpg/two"].captions == ("words",)
    with pytest.raises(DataError, match="nothing at elsewhere"):
        read(root, images="elsewhere", captions="mine")
    with pytest.raises(DataError, match="no captions of these pictures"):
        read(root, images="my photos", captions="my photos")


def test_names_with_accents_and_texts_without_class_numbers(tmp_path: Path) -> None:
    root = put_names(tmp_path, ["jpg/cafe\u0301", "jpg/b"], None)
    picture(root / "jpg" / "caf\u00e9.jpg")
    picture(root / "jpg" / "b.jpg")
    words(root / "text" / "class_00001" / "cafe\u0301.txt", "with an accent")
    words(root / "text" / "class_00001" / "b.txt", "first")
    words(root / "text" / "class_00002" / "b.txt", "which of the two?")
    examples, skipped = read(root)
    assert [item.captions for item in examples.values()] == [("with an accent",)]
    assert "no caption" in skipped["jpg/b"]
    assert "all pictures are for training" in skipped["test/filenames.pickle"]


def test_a_birds_text_is_never_taken_from_another_class(tmp_path: Path) -> None:
    root = birds(tmp_path)
    for split in ("train", "test"):
        (root / split / "class_info.pickle").unlink()
    text = root / "text_c10" / f"{SOOTY}.txt"
    text.rename((root / "text_c10" / LAYSAN).parent / text.name)
    examples, skipped = read(root)
    assert list(examples) == [LAYSAN, ALBATROSS]
    assert "no caption" in skipped[SOOTY]


def test_a_partial_copy_says_what_is_absent(tmp_path: Path) -> None:
    root = birds(tmp_path)
    gone = [f"004.Crow/Crow_{number:04d}" for number in range(1500)]
    put_names(root, [LAYSAN, *gone, SOOTY], [ALBATROSS])
    put(root / "train" / "class_info.pickle", [2, *[4] * 1500, 3])
    examples, skipped = read(root)
    assert [item.class_name for item in examples.values()] == [key.split("/")[0] for key in (LAYSAN, SOOTY, ALBATROSS)]
    assert "not there" in skipped["1,500 pictures"]


def test_embeddings_belong_to_their_captions(tmp_path: Path) -> None:
    root = birds(tmp_path)
    embed(root)
    embed(root, "skip-thought-embeddings.pickle", width=6)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert not skipped
    features = reader.features(root)
    assert set(features) == {"char-cnn-rnn", "skip-thought"}
    for key, first in ((SOOTY, 1), (ALBATROSS, 100), (LAYSAN, 0)):
        rows = features["char-cnn-rnn"](key)
        assert rows.dtype == np.float32
        assert rows.shape == (len(examples[key].captions), 4)
        assert rows[:, 0].tolist() == [first, first]
        assert rows[:, 1].tolist() == [0, 1]
    assert features["skip-thought"](SOOTY).shape == (2, 6)
    with pytest.raises(KeyError):
        features["char-cnn-rnn"]("004.Crow/Crow_0001")
    assert reader.suits(root)["encoder"] == ("precomputed", {"features": "char-cnn-rnn"})


def test_embeddings_asked_for_to_and_fro_are_not_read_over_and_over(tmp_path: Path) -> None:
    root = birds(tmp_path)
    embed(root)
    features = StackganMetadataReader().features(root)["char-cnn-rnn"]
    for key in (SOOTY, ALBATROSS, SOOTY):
        features(key)
    for split in ("train", "test"):
        (root / split / RNN).unlink()
    assert [features(key)[0, 0] for key in (ALBATROSS, LAYSAN, ALBATROSS)] == [100, 0, 100]


def test_embeddings_of_one_split_alone_are_not_offered(tmp_path: Path) -> None:
    root = birds(tmp_path)
    embed(root, "char-CNN-GRU-embeddings.pickle")
    embed(root)
    (root / "test" / RNN).unlink()
    reader = StackganMetadataReader()
    assert set(reader.features(root)) == {"char-cnn-gru"}
    assert "other split has none" in named(reader, root)[1][f"train/{RNN}"]


@pytest.mark.parametrize(("rows", "line"), [(1, "more captions than embeddings"), (3, "more embeddings than captions")])
def test_captions_and_embeddings_of_other_number_are_cut_to_agree(tmp_path: Path, rows: int, line: str) -> None:
    root = birds(tmp_path)
    embed(root, captions=rows)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert examples[SOOTY].captions == ("S one", "S two")[:rows]
    assert [line in skipped[name] for name in (LAYSAN, SOOTY, ALBATROSS)] == [True] * 3
    assert reader.features(root)["char-cnn-rnn"](SOOTY)[:, 1].tolist() == [0, 1][:rows]


def test_one_embedding_per_picture_is_repeated_for_its_captions(tmp_path: Path) -> None:
    root = birds(tmp_path)
    for split, count in (("train", 2), ("test", 1)):
        put(root / split / "skip-thought-embeddings.pickle", np.arange(count * 3.0).reshape(count, 3), protocol=2)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert len(examples[SOOTY].captions) == 2
    assert reader.features(root)["skip-thought"](SOOTY).tolist() == [[3, 4, 5], [3, 4, 5]]
    assert not skipped


def test_embeddings_without_any_text_have_empty_captions(tmp_path: Path) -> None:
    root = birds(tmp_path, text="")
    embed(root, captions=3)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert examples[SOOTY].captions == ("", "", "")
    assert reader.features(root)["char-cnn-rnn"](SOOTY).shape == (3, 4)
    assert ["their text is not given" in skipped[name] for name in (LAYSAN, SOOTY, ALBATROSS)] == [True] * 3
    for split in ("train", "test"):
        (root / split / RNN).unlink()
    with pytest.raises(DataError, match="no captions"):
        read(root)


def test_attngan_captions_and_embeddings(tmp_path: Path) -> None:
    root = birds(tmp_path, text="")
    embed(root)
    vocabulary = {0: "<end>", 1: "white", 2: "black", 3: "bird"}
    captions = [[[1, 3], [3], [2, 3, 0, 0], [2, 2]], [[3, 1], [3, 2]], vocabulary, {}]
    put(root / "captions_DAMSM.pickle", captions, protocol=2)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert examples[SOOTY].captions == ("black bird", "black black")
    assert examples[ALBATROSS].captions == ("bird white", "bird black")
    assert reader.features(root)["char-cnn-rnn"](SOOTY)[:, 0].tolist() == [1, 1]
    assert not skipped


def test_published_crops_stand_in_for_absent_photos(tmp_path: Path) -> None:
    root = birds(tmp_path / "a", pictures="elsewhere")
    for split, count in (("train", 2), ("test", 1)):
        put(root / split / "76images.pickle", [np.zeros((12, 12, 3), np.uint8)] * count, protocol=2)
    crops = [np.full((12, 12, 3), value, np.uint8) for value in (10, 200)]
    put(root / "train" / "304images.pickle", crops)
    reader = StackganMetadataReader()
    examples, skipped = named(reader, root)
    assert (pixels(examples[LAYSAN]) == 10).all()
    sent = pickle.loads(pickle.dumps(examples[SOOTY]))
    assert (pixels(sent) == 200).all()
    assert getattr(sent.image, "size", 0) == (root / "train" / "304images.pickle").stat().st_size
    assert (pixels(examples[ALBATROSS]) == 0).all()
    assert {item.box for item in examples.values()} == {None}
    assert reader.suits(root)["crop"] == "squash"
    assert "photos are absent" in skipped["train/304images.pickle"]
    assert [item.name for item in reader.examples(root)] == [*skipped, *examples]


def test_photos_go_before_crops_and_odd_crops_are_left_out(tmp_path: Path) -> None:
    root = birds(tmp_path / "a")
    put(root / "train" / "304images.pickle", [np.zeros((2, 2, 3), np.uint8)] * 2)
    put(root / "test" / "304images.pickle", [np.zeros((2, 2, 3), np.uint8)])
    assert read(root)[0][SOOTY].image == root / "CUB_200_2011" / "images" / f"{SOOTY}.jpg"
    for key in (LAYSAN, SOOTY):
        (root / "CUB_200_2011" / "images" / f"{key}.jpg").unlink()
    put(root / "train" / "304images.pickle", [np.zeros((2, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8)])
    examples, skipped = read(root)
    assert list(examples) == [ALBATROSS]
    assert all("bytes" in skipped[name] for name in (LAYSAN, SOOTY))
    assert "only 1 photos" in skipped["train/304images.pickle"]


@pytest.mark.parametrize("file", ["class_info.pickle", RNN, "304images.pickle"])
def test_lists_of_unequal_length_name_both_files_and_both_lengths(tmp_path: Path, file: str) -> None:
    root = birds(tmp_path, pictures="elsewhere" if "images" in file else "images")
    embed(root)
    put(root / "train" / file, [np.zeros((2, 4, 3) if "images" in file else (2, 4), np.uint8), *[1] * 4])
    if file == RNN:
        put(root / "train" / file, [np.zeros((2, 4))] * 5)
    if file == "class_info.pickle":
        put(root / "train" / file, [2] * 5)
    with pytest.raises(DataError) as caught:
        read(root)
    message = caught.value.message
    assert f"{root / 'train' / file} holds 5 entries" in message
    assert f"{root / 'train' / 'filenames.pickle'} lists 2 pictures" in message


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("filenames.pickle", {"a": 1}),
        ("filenames.pickle", [LAYSAN, 3]),
        ("class_info.pickle", 5),
        ("class_info.pickle", [2, "three"]),
        ("class_info.pickle", [2, 10**5000]),
        ("class_info.pickle", [-1, 2]),
        (RNN, {"a": 1}),
        (RNN, np.float32(3)),
        (RNN, [np.zeros((2, 4)), np.zeros((2, 5))]),
        (RNN, [np.zeros((2, 4)), [[1, 2], [3]]]),
        (RNN, [np.zeros((2, 4)), "words"]),
        (RNN, np.zeros((2, 2, 2, 4))),
        (RNN, np.zeros((2, 2, 0))),
        (RNN, [[[1.0] * 400] * 400] * 2),
        (RNN, [nested(60)] * 2),
        ("filenames.pickle", ["x" * 5000] * 2),
    ],
)
def test_files_that_hold_something_else_end_in_a_sentence(tmp_path: Path, file: str, content: object) -> None:
    root = birds(tmp_path)
    embed(root)
    put(root / "train" / file, content, protocol=2)
    with pytest.raises(DataError) as caught:
        read(root)
    assert str(root / "train" / file) in caught.value.message


def test_embeddings_that_do_not_fit_or_are_no_numbers(tmp_path: Path) -> None:
    root = birds(tmp_path)
    embed(root)
    put(root / "test" / RNN, np.zeros((1, 2, 7)), protocol=2)
    features = StackganMetadataReader().features(root)["char-cnn-rnn"]
    features(SOOTY)
    with pytest.raises(DataError, match="not equally wide"):
        features(ALBATROSS)
    put(root / "test" / RNN, np.full((1, 2, 4), np.nan), protocol=2)
    with pytest.raises(DataError, match="no finite numbers"):
        StackganMetadataReader().features(root)["char-cnn-rnn"](ALBATROSS)


@pytest.mark.parametrize("file", ["filenames.pickle", "class_info.pickle", RNN, "304images.pickle"])
def test_a_pickle_of_code_is_refused_and_runs_nothing(tmp_path: Path, file: str) -> None:
    root = birds(tmp_path / "data", pictures="elsewhere")
    embed(root)
    put(root / "test" / "304images.pickle", [np.zeros((2, 2, 3), np.uint8)])
    put(root / "train" / "304images.pickle", [np.zeros((2, 2, 3), np.uint8)] * 2)
    (root / "train" / file).write_bytes(f"cos\nmkdir\n(S'{tmp_path}/ran'\ntR.".encode())
    reader = StackganMetadataReader()
    assert reader.recognises(root)
    with pytest.raises(DataError, match=r"refused: it asks for os\.mkdir"):
        read(root)
    if file == RNN:
        with pytest.raises(DataError, match="refused"):
            reader.features(root)["char-cnn-rnn"](SOOTY)
    assert not (tmp_path / "ran").exists()


def test_names_damaged_by_a_transfer_are_mended_and_reported(tmp_path: Path) -> None:
    root = birds(tmp_path)
    put_names(root, [f"{LAYSAN}\r", f"{SOOTY}\r"], [ALBATROSS])
    path = root / "test" / "filenames.pickle"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    examples, skipped = read(root)
    assert list(examples) == [LAYSAN, SOOTY, ALBATROSS]
    assert [reason for reason in skipped.values() if "carriage return" not in reason] == []
    assert len(skipped) == 2
    path.write_bytes(pickle.dumps([ALBATROSS], 4)[:-9])
    with pytest.raises(DataError, match="not a whole pickle") as caught:
        read(root)
    assert "binary mode" in (caught.value.hint or "")


def test_nothing_outside_is_opened(tmp_path: Path) -> None:
    root = birds(tmp_path / "deep" / "data")
    picture(tmp_path / "secret.jpg")
    words(tmp_path / "secret.txt", "secret")
    outside = ["../../secret", str(tmp_path / "secret"), "C:\\secret", "a\0b", "\ud800", "x" * 300, f"{SOOTY}.jpg"]
    put_names(root, [LAYSAN, SOOTY, *outside], [ALBATROSS])
    (root / "train" / "class_info.pickle").unlink()
    images = root / "CUB_200_2011" / "images"
    (images / f"{LAYSAN}.jpg").unlink()
    (images / f"{LAYSAN}.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "text_c10" / f"{ALBATROSS}.txt").unlink()
    (root / "text_c10" / f"{ALBATROSS}.txt").symlink_to(tmp_path / "secret.txt")
    examples, skipped = read(root)
    assert list(examples) == [SOOTY]
    assert all("leads out of the folder" in skipped[name] for name in outside[:4])
    assert "no text" in skipped["?"]
    assert "twice" in skipped[f"{SOOTY}.jpg"]
    assert "not there" in skipped["x" * 300]
    assert "link that leads out" in skipped[LAYSAN]
    assert "link that leads out" in skipped[ALBATROSS]


@pytest.mark.parametrize("linked", ["train", "train/class_info.pickle", f"train/{RNN}", "CUB_200_2011"])
def test_what_is_behind_links_is_not_opened(tmp_path: Path, linked: str) -> None:
    root = birds(tmp_path / "deep" / "data")
    embed(root)
    (root / linked).rename(tmp_path / "moved")
    (root / linked).symlink_to(tmp_path / "moved")
    with pytest.raises(DataError, match="a link that leads out"):
        read(root)
    if linked == "CUB_200_2011":
        assert len(read(root, images=str(tmp_path / "moved"))[0]) == 3


def test_splits_that_share_pictures_are_refused(tmp_path: Path) -> None:
    root = birds(tmp_path)
    put_names(root, [LAYSAN, SOOTY], [f"{SOOTY}.jpg"])
    with pytest.raises(DataError, match="share 1 names"):
        read(root)


def test_what_is_recognised(tmp_path: Path) -> None:
    reader = StackganMetadataReader()
    assert reader.recognises(tmp_path) is None
    assert reader.recognises(tmp_path / "nowhere") is None
    root = birds(tmp_path / "birds")
    assert CubReader().recognises(root)
    assert reader.recognises(root) is None, "names alone are the split of CUB"
    embed(root)
    assert RNN in (reader.recognises(root) or "")
    assert reader.recognises(put_names(tmp_path / "coco", ["a"], ["b"]))
    with pytest.raises(DataError, match="no train/filenames"):
        read(root / "text_c10")


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_the_real_names_find_what_the_reader_of_cub_finds() -> None:
    source = Path(os.environ["STACKGAN_TEST_DATA"]) / "cub200_subset"
    examples, skipped = read(source)
    assert Counter(item.split for item in examples.values()) == {"train": 102, "test": 108}
    cub: Mapping[str, Example] = {
        item.name.removesuffix(".jpg"): item for item in CubReader().examples(source) if isinstance(item, Example)
    }
    assert cub.keys() == examples.keys()
    for name, item in examples.items():
        other = cub[name]
        assert (item.captions, item.box, item.split, item.class_name, item.image) == (
            other.captions,
            other.box,
            other.split,
            other.class_name,
            other.image,
        )
    assert "not there" in skipped["11,578 pictures"]


@pytest.mark.parametrize("name", ["filenames.pickle", "class_info.pickle"])
def test_lists_too_long_to_be_published_ones_are_not_read(tmp_path: Path, name: str) -> None:
    birds(tmp_path)
    with (tmp_path / "train" / name).open("ab") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(DataError, match=f"{name} is larger than 32 MiB"):
        list(StackganMetadataReader().examples(tmp_path))
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()

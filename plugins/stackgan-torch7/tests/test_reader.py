"""The per-image tables of GAN-INT-CLS: birds, flowers and COCO, with features and pictures, whole and broken."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stackgan_torch7 import Torch7Reader

from stackgan_cli.app import main
from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.components.registry import Kind
from stackgan_cli.errors import DataError
from stackgan_cli.preparing.recognising import recognise
from stackgan_cli.text_encoders.characters import characters

ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18"
LAYSAN = "002.Laysan_Albatross/Laysan_Albatross_0002_1027"
TYPES = {"float32": "Cuda", "float64": "Double", "int32": "Int"}


class Writer:
    """Writes tables, text and arrays as Torch 7 does."""

    def __init__(self) -> None:
        self.objects = 0

    def index(self) -> bytes:
        self.objects += 1
        return struct.pack("<i", self.objects)

    def text(self, content: str) -> bytes:
        return struct.pack("<i", len(content.encode())) + content.encode()

    def value(self, content: Any) -> bytes:
        if isinstance(content, str):
            return struct.pack("<i", 2) + self.text(content)
        if isinstance(content, dict):
            start = struct.pack("<i", 3) + self.index() + struct.pack("<i", len(content))
            return start + b"".join(self.value(each) for pair in content.items() for each in pair)
        if not isinstance(content, np.ndarray):
            return struct.pack("<id", 1, content)
        steps = [step // content.itemsize for step in content.strides]
        numbers = (*content.shape, *steps, 1)
        start = struct.pack("<i", 4) + self.index() + self.named(content, "Tensor") + struct.pack("<i", content.ndim)
        start += struct.pack(f"<{len(numbers)}q", *numbers)
        inner = struct.pack("<i", 4) + self.index() + self.named(content, "Storage") + struct.pack("<q", content.size)
        return start + inner + content.tobytes()

    def named(self, content: np.ndarray, kind: str) -> bytes:
        return self.text("V 1") + self.text(f"torch.{TYPES[content.dtype.name]}{kind}")


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Writer().value(content))


def columns(*captions: str) -> np.ndarray:
    return np.ascontiguousarray(characters(captions).T.astype("i4"))


def vectors(count: int, first: float = 0.0, width: int = 8) -> np.ndarray:
    return (first + np.arange(count * width, dtype="f4")).reshape(count, width)


def add(tables: Path, name: str, *captions: str, img: str | None = None, **changed: Any) -> None:
    """Write a table; a key that is changed to None is left out."""
    content = {"img": f"{name}.jpg" if img is None else img, "txt": vectors(len(captions)), "char": columns(*captions)}
    content |= {"word": np.ones((3, len(captions)), "i4")} | changed
    write(tables / f"{name}.t7", {key: value for key, value in content.items() if value is not None})


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9)).save(path)


def birds(base: Path) -> Path:
    """Two birds in cub_icml, with CUB_200_2011 beside it."""
    cub = base / "CUB_200_2011"
    for name in (ALBATROSS, LAYSAN):
        add(base / "cub_icml", name, "a bird with a long beak.", f"this is {name[:3]}")
        picture(cub / "images" / f"{name}.jpg")
    (cub / "images.txt").write_text(f"1 {ALBATROSS}.jpg\n2 {LAYSAN}.jpg\n")
    (cub / "bounding_boxes.txt").write_text("1 1.0 2.0 8.0 6.0\n2 2.0 2.0 5.0 6.0\n")
    return base / "cub_icml"


def read(root: Path, **options: str) -> tuple[dict[str, Example], dict[str, str]]:
    found = list(Torch7Reader(**options).examples(root))
    assert found == list(Torch7Reader(**options).examples(root))
    examples = {item.name: item for item in found if isinstance(item, Example)}
    assert len(examples) == sum(isinstance(item, Example) for item in found)
    reasons: dict[str, str] = {}
    for item in found:
        if isinstance(item, Skipped):
            reasons[item.name] = "; ".join(filter(None, (reasons.get(item.name), item.reason)))
    return examples, reasons


def test_birds_with_boxes_split_and_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = birds(tmp_path)
    monkeypatch.chdir(home)
    for source in (home, tmp_path, Path()):
        assert "Torch-7" in (Torch7Reader().recognises(source) or "")
        examples, skipped = read(source)
        assert not skipped
        first, second = examples[f"{ALBATROSS}.jpg"], examples[f"{LAYSAN}.jpg"]
        assert first.captions == ("a bird with a long beak.", "this is 001")
        assert (first.split, second.split) == ("test", "train")
        assert first.class_name == "001.Black_footed_Albatross"
        assert first.box == (1.0, 2.0, 8.0, 6.0)
        assert Image.open(first.image).size == (12, 9)
        suits = Torch7Reader().suits(source)
        assert suits["crop"] == "bbox"
        assert suits["encoder"] == ("precomputed", {"features": "char-cnn-rnn"})
        rows = Torch7Reader().features(source)["char-cnn-rnn"](first.name)
        assert rows.dtype == np.float32
        assert rows.tolist() == vectors(2).tolist()


def test_keeps_the_contract_and_is_alone_in_recognising_tables(tmp_path: Path) -> None:
    home = birds(tmp_path)
    assert_conforms(Kind.DATASET_READER, "torch7", source=home)
    component, why = recognise(home, print)
    assert component.full_name == "stackgan-torch7:torch7"
    assert "Torch-7 table" in why


def test_data_that_are_prepared_train_without_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = birds(tmp_path / "source")
    add(home, "003.X/a", "one", img="a.jpg")
    picture(home / "images" / "a.jpg")
    monkeypatch.setenv("STACKGAN_HOME", str(tmp_path / "home"))
    networks = ("generator.options", "discriminator.options")
    tiny = " ".join(f"--set {each}.{width}=4" for each in networks for width in ("channels", "max_channels"))
    tiny += " --recipe quick --discriminator residual --set objectives=[] --set resolution=16 --steps 1 --batch-size 2"
    for plugins, line in (
        ("stackgan-torch7", f"prepare --data mine --resolution 16 --source {home}"),
        ("", f"train-stage1 --data mine --encoder precomputed {tiny}"),
    ):
        monkeypatch.setenv("STACKGAN_PLUGINS", plugins)
        monkeypatch.setattr(sys, "argv", ["stackgan", *line.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    manifest = json.loads((tmp_path / "home" / "data" / "mine" / "data.json").read_text())
    assert manifest["counts"] == {"train": 2, "test": 1}
    assert (tmp_path / "home" / "models" / "mine" / "stackgan.json").is_file()


def test_birds_without_the_lists_of_cub_are_cropped_in_the_middle(tmp_path: Path) -> None:
    home = birds(tmp_path)
    (tmp_path / "CUB_200_2011" / "bounding_boxes.txt").unlink()
    assert Torch7Reader().suits(home)["crop"] == "center"
    assert read(home)[0][f"{LAYSAN}.jpg"].box is None


@pytest.mark.parametrize("img", ["jpg/image_{:05d}.jpg", "image_{:05d}.jpg"])
def test_flowers(tmp_path: Path, img: str) -> None:
    home = tmp_path / "flowers_icml"
    for number, class_number in ((1, 77), (3, 20)):
        add(home, f"class_{class_number:05d}/image_{number:05d}", "a flower", img=img.format(number))
        picture(tmp_path / "jpg" / f"image_{number:05d}.jpg")
    examples, skipped = read(home)
    assert [(item.name, item.class_name, item.split) for item in examples.values()] == [
        ("class_00020/image_00003.jpg", "class_00020", "test"),
        ("class_00077/image_00001.jpg", "class_00077", "train"),
    ]
    assert not skipped
    assert Torch7Reader().suits(home)["crop"] == "squash"


def test_coco_in_one_flat_folder(tmp_path: Path) -> None:
    home = tmp_path / "train2014_ex_t7"
    names = [f"COCO_train2014_{number:012d}" for number in (9, 25)]
    for name in names:
        add(home, name, "a man", "a horse", txt=vectors(2).astype("f8"))
        picture(tmp_path / "images" / "train2014" / f"{name}.jpg")
    (home / "readme.txt").write_text("no table")
    examples, skipped = read(home)
    assert list(examples) == [f"{name}.jpg" for name in names]
    assert {(item.split, item.class_name) for item in examples.values()} == {(None, None)}
    assert not skipped
    assert Torch7Reader().suits(home)["crop"] == "center"
    assert Torch7Reader().features(home)["char-cnn-rnn"](f"{names[1]}.jpg").dtype == np.float32


def test_published_lists_go_before_the_known_classes(tmp_path: Path) -> None:
    home = birds(tmp_path)
    (home / "trainvalclasses.txt").write_text("001.Black_footed_Albatross\n")
    (home / "testclasses.txt").write_text("002.Laysan_Albatross\n")
    assert [item.split for item in read(home)[0].values()] == ["train", "test"]
    for split, name in (("train", LAYSAN), ("test", ALBATROSS)):
        (tmp_path / split).mkdir()
        (tmp_path / split / "filenames.pickle").write_bytes(pickle.dumps([name], 0))
    assert [item.split for item in read(home)[0].values()] == ["test", "train"]


@pytest.mark.parametrize("place", ["text_c10", "cub_icml/text_c10", "text"])
def test_captions_of_text_files_go_before_those_of_the_table(tmp_path: Path, place: str) -> None:
    home = birds(tmp_path)
    for name, words in ((ALBATROSS, "A Bird, VERBATIM\nsecond\n"), (LAYSAN, "only one of two\n")):
        text = tmp_path / place / f"{name}.txt"
        text.parent.mkdir(parents=True)
        text.write_text(words)
    examples, skipped = read(home)
    assert examples[f"{ALBATROSS}.jpg"].captions == ("A Bird, VERBATIM", "second")
    assert examples[f"{LAYSAN}.jpg"].captions[1] == "this is 002"
    assert "the table's own" in skipped[f"{LAYSAN}.txt"]
    assert len(skipped) == 1


def test_characters_are_decoded_as_published(tmp_path: Path) -> None:
    home = birds(tmp_path)
    spelt = columns('red-blue; 3 "spots"', "it sings", "")
    spelt[8, 0] = 0
    spelt[[0, 1, 2], 1] = (9, 20, 37)
    add(home, ALBATROSS, "", "", "", char=spelt, txt=vectors(3))
    examples, skipped = read(home)
    item = examples[f"{ALBATROSS}.jpg"]
    assert item.captions == ('red-blue 3 "spots"', "it-sings")
    assert Torch7Reader().features(home)["char-cnn-rnn"](item.name).tolist() == vectors(3)[:2].tolist()
    reasons = " ".join(skipped.values())
    assert "empty" in reasons
    assert "spaces" in reasons


def test_a_chosen_folder_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = birds(tmp_path)
    shutil.move(tmp_path / "CUB_200_2011" / "images", tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"holds no captioned picture.*not there") as caught:
        read(home)
    assert "option images" in (caught.value.hint or "")
    monkeypatch.chdir(tmp_path / "CUB_200_2011")
    for images in (str(tmp_path / "elsewhere"), "../elsewhere", "elsewhere"):
        assert len(read(home, images=images)[0]) == 2
    with pytest.raises(DataError, match="nowhere"):
        read(home, images="nowhere")


def test_tables_that_cannot_be_used_are_named_with_their_reason(tmp_path: Path) -> None:
    home = birds(tmp_path)
    infinite = vectors(1)
    infinite[0, 3] = np.inf
    wrong = {
        "a": {"char": columns("one", "two")},
        "b": {"txt": None},
        "c": {"txt": infinite},
        "d": {"char": None},
        "e": {"char": columns("one") + 71},
        "f": {"txt": vectors(1, width=9)},
        "g": {"txt": columns("one")},
        "h": {"char": columns("")},
        "i": {"img": "../../../etc/passwd"},
        "j": {"img": "/etc/passwd"},
        "k": {"img": f"{LAYSAN}.jpg"},
        "l": {"char": "a text"},
    }
    for name, changed in wrong.items():
        add(home, f"003.X/{name}", "one", **changed)
        picture(tmp_path / "CUB_200_2011" / "images" / "003.X" / f"{name}.jpg")
    add(home, "003.X/absent", "one")
    (home / "003.X" / "broken.t7").write_bytes((home / "003.X" / "k.t7").read_bytes()[:-9])
    (home / "003.X" / "ascii.t7").write_bytes(b"3\n1\n0\n")
    write(home / "003.X" / "sentences.t7", {"raw_txt": "a", "fea_txt": vectors(1)})
    write(home / "003.X" / "number.t7", 5.0)
    examples, skipped = read(home)
    assert list(examples) == [f"{ALBATROSS}.jpg", f"{LAYSAN}.jpg"]
    told = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
    for words in (
        "a.t7: it has 2 captions in char and features of 1",
        "infinities",
        "no char",
        "no place in the alphabet",
        "9 wide",
        "captions are empty",
        f"k.t7: its picture is that of {LAYSAN}.t7",
        "l.t7: its char",
        "absent.t7: its picture is not there",
        "broken.t7: it ends too early",
        "ascii.t7: it is in ASCII mode",
        "number.t7: it holds no table",
        "i.t7: it names a picture outside the folder",
        "j.t7: it names a picture outside the folder",
        "b.t7: its txt",
    ):
        assert words in told
    find = Torch7Reader().features(home)["char-cnn-rnn"]
    unknown = ("003.X/b.jpg", "003.X/broken.jpg", "003.X/none.jpg", f"../cub_icml/{ALBATROSS}.jpg", "/a.jpg", "", ".")
    for name in unknown:
        with pytest.raises(KeyError):
            find(name)


def test_links_that_leave_the_folder_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    add(outside, "003.X/secret", "secret")
    picture(outside / "003.X" / "secret.jpg")
    base = tmp_path / "data"
    home = birds(base)
    (home / "003.X").symlink_to(outside / "003.X")
    (home / "002.Laysan_Albatross" / "link.t7").symlink_to(outside / "003.X" / "secret.t7")
    (home / "002.Laysan_Albatross" / "loop.t7").symlink_to(home / "002.Laysan_Albatross" / "loop.t7")
    (home / "images").symlink_to(outside)
    add(home, "002.Laysan_Albatross/linked", "one", img="linked.jpg")
    (home / "linked.jpg").symlink_to(outside / "003.X" / "secret.jpg")
    add(home, "002.Laysan_Albatross/through", "one", img="003.X/secret.jpg")
    opened: list[str] = []
    original = Path.open

    def watched(self: Path, *arguments: object, **options: object) -> object:
        opened.append(os.path.realpath(self))
        return original(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", watched)
    assert Torch7Reader().recognises(home)
    examples, skipped = read(home)
    assert list(examples) == [f"{ALBATROSS}.jpg", f"{LAYSAN}.jpg"]
    assert {Path(item.image).resolve().is_relative_to(base) for item in examples.values()} == {True}
    assert {name for name, reason in skipped.items() if "not followed" in reason} == {"003.X", "images"}
    told = " ".join(skipped.values())
    assert "a link that leads out of the folder" in told
    with pytest.raises(KeyError):
        Torch7Reader().features(home)["char-cnn-rnn"]("002.Laysan_Albatross/link.jpg")
    assert opened
    assert not [path for path in opened if path.startswith(str(outside))]


def test_files_without_pictures_are_no_training_data(tmp_path: Path) -> None:
    captions = tmp_path / "lone" / "captions.t7"
    write(captions, {"raw_txt": {1.0: "a bird"}, "fea_txt": {1.0: vectors(1)}})
    per_class = tmp_path / "cvpr2016_cub"
    large = tmp_path / "large" / "val_captions.t7"
    write(large, {"raw_txt": {1.0: "a dog"}, "fea_txt": {1.0: np.zeros((1, 5_000_000), "f4")}})
    for folder in ("images", "word_c10"):
        write(per_class / folder / "001.Black_footed_Albatross.t7", np.ones((2, 8, 10), "f4"))
    for source, words in (
        (captions, "captions.t7 is no training data: it holds sentences"),
        (captions.parent, "captions.t7 is no training data: it holds sentences"),
        (large.parent, "val_captions.t7 is no training data: it holds sentences"),
        (per_class, "not which picture is which"),
    ):
        assert Torch7Reader().recognises(source) is None
        with pytest.raises(DataError, match=words) as caught:
            list(Torch7Reader().examples(source))
        assert "IMAGE.t7" in (caught.value.hint or "")


def test_other_sources(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "broken.t7").write_bytes(b"\x03\0\0")
    for source, words in (
        (None, "no folder to read"),
        (tmp_path / "nowhere", "There is no folder"),
        (empty, "holds no captioned picture"),
        (tmp_path / "broken.t7", "ends too early"),
    ):
        with pytest.raises(DataError, match=words):
            list(Torch7Reader().examples(source))
        assert source is None or Torch7Reader().recognises(source) is None


def test_tables_beside_text_files_are_left_to_the_reader_of_those(tmp_path: Path) -> None:
    birds(tmp_path)
    (tmp_path / "text_c10" / "001.Black_footed_Albatross").mkdir(parents=True)
    assert Torch7Reader().recognises(tmp_path) is None
    assert Torch7Reader().recognises(tmp_path / "cub_icml")


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_a_published_file_of_sentences_is_told_apart() -> None:
    source = Path(os.environ["STACKGAN_TEST_DATA"]) / "formats" / "stackgan_t7" / "birds"
    assert Torch7Reader().recognises(source) is None
    with pytest.raises(DataError, match="no training data"):
        list(Torch7Reader().examples(source))

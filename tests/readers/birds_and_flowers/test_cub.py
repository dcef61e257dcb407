"""CUB-200-2011 in its published layout, whole, partial and broken."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sources import found, picture, put, put_names

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.cub import CubReader

ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
LAYSAN = "002.Laysan_Albatross/Laysan_Albatross_0002_1027.jpg"


def make(base: Path, names: tuple[str, ...] = (ALBATROSS, LAYSAN), text: str = "text_c10") -> Path:
    home = base / "CUB_200_2011"
    for number, name in enumerate(names, start=1):
        picture(home / "images" / name, size=(40, 30))
        words = (base / text / name).with_suffix(".txt")
        words.parent.mkdir(parents=True, exist_ok=True)
        words.write_text(f"bird {number}\n")
    (home / "images.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, start=1)))
    (home / "bounding_boxes.txt").write_text("".join(f"{n} {n}.0 2.5 20.0 10.0\n" for n in range(1, len(names) + 1)))
    return home


def read(root: Path, **options: str) -> tuple[list[Example], list[Skipped]]:
    return found(CubReader(**options), root)


@pytest.mark.parametrize("text", ["text_c10", "text", "CUB_200_2011/text_c10"])
def test_the_folder_or_the_one_that_holds_it(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make(tmp_path, text=text)
    monkeypatch.chdir(home)
    names = []
    for source in (home, tmp_path, Path()):
        assert CubReader().recognises(source)
        examples, skipped = read(source)
        names.append([item.name for item in examples])
        assert [item.split for item in examples] == ["test", "train"]
        assert examples[1].box == (2.0, 2.5, 20.0, 10.0)
        assert examples[1].class_name == "002.Laysan_Albatross"
        assert not skipped
    assert names == [[ALBATROSS, LAYSAN]] * 3


def test_a_partial_copy_is_told_in_one_line(tmp_path: Path) -> None:
    names = tuple(f"003.Sooty_Albatross/Sooty_Albatross_{number:04d}_1.jpg" for number in range(2000))
    home = make(tmp_path, (ALBATROSS, LAYSAN))
    lines = [f"{number} {name}\n" for number, name in enumerate((ALBATROSS, LAYSAN, *names), start=1)]
    (home / "images.txt").write_text("".join(lines))
    examples, skipped = read(tmp_path)
    assert len(examples) == 2
    (line,) = skipped
    assert line.name == "2,000 pictures"
    assert "not in the folder images" in line.reason
    assert "of 1 of the 3 classes there is none" in line.reason


def test_boxes_are_needed_for_the_crop_around_them_alone(
    tmp_path: Path, stackgan: Callable[..., Any], empty_home: Path
) -> None:
    home = make(tmp_path / "birds")
    assert CubReader().suits(tmp_path / "birds")["crop"] == "bbox"
    (home / "bounding_boxes.txt").unlink()
    for source in (home, tmp_path / "birds"):
        assert "without bounding_boxes.txt" in (CubReader().recognises(source) or "")
    examples, skipped = read(home)
    assert [(item.name, item.split, item.box) for item in examples] == [
        (ALBATROSS, "test", None),
        (LAYSAN, "train", None),
    ]
    assert not skipped
    common = ("prepare", "--data", "mine", "--source", home, "--resolution", 16, "--encoder", "hashed-words")
    refused = stackgan(*common, "--crop", "bbox")
    assert refused.code == 3
    assert refused.says("needs bounding boxes", str(home), "--crop center", "bounding_boxes.txt")
    done = stackgan(*common)
    assert done.code == 0, done.err
    assert done.says("no bounding boxes", "cropped at its centre")
    assert stackgan("info", empty_home / "data" / "mine", "--json").json["data"]["crop"] == "center"


@pytest.mark.parametrize("text", ["shopping\n", "1 photo.jpg\n", "1 birds/photo.jpg\n", ""])
def test_another_list_called_images_is_not_taken_for_cub(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "images" / "photo.jpg")
    (tmp_path / "images.txt").write_text(text)
    assert CubReader().recognises(tmp_path) is None


def test_pictures_without_caption_or_box_and_odd_lines(tmp_path: Path) -> None:
    names = (ALBATROSS, LAYSAN, "004.X/a.jpg", "004.X/b.jpg")
    home = make(tmp_path, names)
    (tmp_path / "text_c10" / "004.X" / "a.txt").unlink()
    (home / "bounding_boxes.txt").write_text("1 1 1 5 5\n2 1 1 5 5\n3 1 1 5 5\n4 1 1 nan 0\n")
    with (home / "images.txt").open("a") as file:
        file.write("5 ../../../etc/passwd\n6 /etc/passwd\nnonsense\n7 " + LAYSAN + "\n")
    examples, skipped = read(tmp_path)
    assert [item.name for item in examples] == [ALBATROSS, LAYSAN, "004.X/b.jpg"]
    assert examples[2].box is None
    reasons = {item.name: item.reason for item in skipped}
    assert "no caption file" in reasons["004.X/a.jpg"]
    assert "kept; bounding_boxes.txt has no valid box" in reasons["004.X/b.jpg"]
    for line in ("images.txt line 5 (../../../etc/passwd)", "images.txt line 6 (/etc/passwd)"):
        assert reasons[line] == "the name in it leads out of the folder images"
    assert "not a number and a name" in reasons["images.txt line 7"]
    assert "repeats" in reasons[f"images.txt line 8 ({LAYSAN})"]


def test_lists_too_long_to_be_published_ones_are_not_read(tmp_path: Path) -> None:
    home = make(tmp_path)
    for path in (home / "images.txt", home / "bounding_boxes.txt", home / "testclasses.txt"):
        (home / "trainvalclasses.txt").write_text("001.Black_footed_Albatross\n")
        before = path.read_bytes() if path.is_file() else b"002.Laysan_Albatross\n"
        with path.open("ab") as file:
            file.truncate(1 << 30)
        tracemalloc.start()
        with pytest.raises(DataError, match=f"{path.name} is larger than 32 MiB"):
            read(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
        tracemalloc.stop()
        path.write_bytes(before)
    assert len(read(tmp_path)[0]) == 2


def test_lists_with_tabs_between_number_and_name(tmp_path: Path) -> None:
    home = make(tmp_path)
    for name in ("images.txt", "bounding_boxes.txt"):
        (home / name).write_text((home / name).read_text().replace(" ", "\t"))
    assert len(read(tmp_path)[0]) == 2


def test_published_names_and_lists_go_before_the_known_classes(tmp_path: Path) -> None:
    home = make(tmp_path)
    (home / "trainvalclasses.txt").write_text("001.Black_footed_Albatross\n")
    (home / "testclasses.txt").write_text("002.Laysan_Albatross\n")
    assert [item.split for item in read(tmp_path)[0]] == ["train", "test"]
    put_names(tmp_path, [LAYSAN.removesuffix(".jpg")], [ALBATROSS.removesuffix(".jpg")])
    assert [item.split for item in read(home)[0]] == ["test", "train"]


def pickled_captions(folder: Path, train: list[str], test: list[str]) -> Path:
    """Write AttnGAN's captions.pickle beside the names that it follows: two captions each, the second of its number."""
    put_names(folder, [name.removesuffix(".jpg") for name in train], [name.removesuffix(".jpg") for name in test])
    words = dict(enumerate(["<end>", "bird", "one", "two"]))
    captions = [[numbers for at in range(len(names)) for numbers in ([1], [1, 2 + at])] for names in (train, test)]
    return put(folder / "captions.pickle", [*captions, words, {word: number for number, word in words.items()}], 2)


@pytest.mark.parametrize("inside", [True, False])
def test_captions_of_attngan_where_there_is_no_text(tmp_path: Path, inside: bool) -> None:
    home = make(tmp_path / "birds", text="elsewhere")
    (home / "images" / "002.Laysan_Albatross" / "unlisted.jpg").write_bytes(b"")
    pickled_captions(home if inside else home.parent, [LAYSAN, "003.Gone/Gone_1.jpg"], [ALBATROSS])
    for source in (home, home.parent):
        examples, skipped = read(source)
        assert [(item.name, item.captions, item.split) for item in examples] == [
            (ALBATROSS, ("bird", "bird one"), "test"),
            (LAYSAN, ("bird", "bird one"), "train"),
        ]
        assert not skipped


def test_captions_of_attngan_that_miss_a_picture(tmp_path: Path) -> None:
    home = make(tmp_path, text="elsewhere")
    pickled_captions(home, [LAYSAN], [])
    examples, skipped = read(home)
    assert [item.name for item in examples] == [LAYSAN]
    assert [(item.name, item.reason) for item in skipped] == [
        (ALBATROSS, "there is no caption of it in captions.pickle")
    ]


def test_captions_that_the_person_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make(tmp_path / "data", text="mine")
    chosen = pickled_captions(tmp_path / "other", [LAYSAN, ALBATROSS], [])
    for captions in (chosen, tmp_path / "data" / "mine", Path("mine")):
        assert len(read(home, captions=str(captions))[0]) == 2
    monkeypatch.chdir(tmp_path)
    assert read(home, captions="other/captions.pickle")[0][0].captions == ("bird", "bird two")
    assert read(home, captions="data/mine")[0][0].captions == ("bird 1",)
    here = tmp_path / "mine" / "001.Black_footed_Albatross" / "Black_Footed_Albatross_0046_18.txt"
    here.parent.mkdir(parents=True)
    here.write_text("from here\n")
    assert [item.captions for item in read(home, captions="mine")[0]] == [("from here",)]
    with pytest.raises(DataError, match="no captions"):
        read(home, captions="nowhere")


def test_class_lists_of_reed_in_three_files(tmp_path: Path) -> None:
    home = make(tmp_path)
    (tmp_path / "trainclasses.txt").write_bytes(b"001.Black_footed_Albatross\r\n")
    (tmp_path / "testclasses.txt").write_text("003.Sooty_Albatross\n")
    assert [item.split for item in read(home)[0]] == ["test", "train"], "without valclasses.txt the lists are not whole"
    (tmp_path / "valclasses.txt").write_text("002.Laysan_Albatross\n")
    assert [item.split for item in read(home)[0]] == ["train", "train"]


@pytest.mark.parametrize("listed_composed", [True, False])
def test_line_ends_of_windows_and_accents_stored_either_way(tmp_path: Path, listed_composed: bool) -> None:
    composed, decomposed = "201.Caf\u00e9/caf\u00e9_1.jpg", "201.Cafe\u0301/cafe\u0301_1.jpg"
    home = make(tmp_path, (decomposed, LAYSAN))
    listed = composed if listed_composed else decomposed
    (home / "images.txt").write_bytes(f"1 {listed}\r\n2 {LAYSAN}\r\n".encode())
    (home / "bounding_boxes.txt").write_bytes(b"1 1 2 3 4\r\n2 1 2 3 4\r\n")
    examples, skipped = read(tmp_path)
    assert [(item.name, item.captions) for item in examples] == [(LAYSAN, ("bird 2",)), (composed, ("bird 1",))]
    assert not skipped


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    home = make(tmp_path / "deep" / "data")
    picture(tmp_path / "secret.jpg", "secret")
    text = home.parent / "text_c10" / ALBATROSS.replace(".jpg", ".txt")
    for path, target in ((home / "images" / LAYSAN, "secret.jpg"), (text, "secret.txt")):
        path.unlink()
        path.symlink_to(tmp_path / target)
    with pytest.raises(DataError, match="holds no captioned picture"):
        read(home)
    text.unlink()
    text.write_text("its own")
    examples, skipped = read(home)
    assert [item.captions for item in examples] == [("its own",)]
    assert [(item.name, item.reason) for item in skipped] == [(LAYSAN, "a link that leads out of the folder")]


def test_incomplete_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images\.txt") as caught:
        read(tmp_path)
    assert "CUB_200_2011/images.txt" in (caught.value.hint or "")
    home = make(tmp_path / "a", text="elsewhere")
    with pytest.raises(DataError, match="no captions") as caught:
        read(home)
    assert "text_c10" in (caught.value.hint or "")
    assert len(read(home, captions=str(tmp_path / "a" / "elsewhere"))[0]) == 2
    for path in (home / "images").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="holds no captioned picture"):
        read(home, captions="elsewhere")
    (home / "images.txt").write_text("")
    with pytest.raises(DataError, match="lists no picture"):
        read(home)
    assert CubReader().recognises(tmp_path / "nowhere") is None


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_the_real_data_and_that_the_known_classes_agree_with_the_published_names(tmp_path: Path) -> None:
    source = Path(os.environ["STACKGAN_TEST_DATA"]) / "cub200_subset"
    examples, skipped = read(source)
    assert Counter(item.split for item in examples) == {"test": 108, "train": 102}
    assert {len(item.captions) for item in examples} == {10}
    assert {item.name: item for item in examples}[ALBATROSS].box == (60.0, 27.0, 325.0, 304.0)
    assert "11,578 pictures" in [item.name for item in skipped]
    for name in ("CUB_200_2011", "text_c10"):
        (tmp_path / name).symlink_to(source / name)
    without_pickles, _ = read(tmp_path)
    assert [(item.name, item.split) for item in without_pickles] == [(item.name, item.split) for item in examples]

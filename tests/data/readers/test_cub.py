"""CUB-200-2011 in its published layout, whole, partial and broken."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.readers.cub import CubReader
from stackgan_cli.errors import DataError

ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
LAYSAN = "002.Laysan_Albatross/Laysan_Albatross_0002_1027.jpg"


def make(base: Path, names: tuple[str, ...] = (ALBATROSS, LAYSAN), text: str = "text_c10") -> Path:
    home = base / "CUB_200_2011"
    for number, name in enumerate(names, start=1):
        picture = home / "images" / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(picture)
        words = (base / text / name).with_suffix(".txt")
        words.parent.mkdir(parents=True, exist_ok=True)
        words.write_text(f"bird {number}\n")
    (home / "images.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, start=1)))
    (home / "bounding_boxes.txt").write_text("".join(f"{n} {n}.0 2.5 20.0 10.0\n" for n in range(1, len(names) + 1)))
    return home


def read(root: Path, **options: str) -> tuple[list[Example], list[Skipped]]:
    found = list(CubReader(**options).examples(root))
    return [item for item in found if isinstance(item, Example)], [item for item in found if isinstance(item, Skipped)]


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


def test_pictures_without_caption_or_box_and_odd_lines(tmp_path: Path) -> None:
    names = (ALBATROSS, LAYSAN, "004.X/a.jpg", "004.X/b.jpg")
    home = make(tmp_path, names)
    (tmp_path / "text_c10" / "004.X" / "a.txt").unlink()
    (home / "bounding_boxes.txt").write_text("1 1 1 5 5\n2 1 1 5 5\n3 1 1 5 5\n4 1 1 nan 0\n")
    with (home / "images.txt").open("a") as file:
        file.write("5 ../../../etc/passwd\n6 /etc/passwd\nnonsense\n7 " + LAYSAN + "\n")
    examples, skipped = read(tmp_path)
    assert [item.name for item in examples] == [ALBATROSS, LAYSAN]
    reasons = {item.name: item.reason for item in skipped}
    assert "no caption file" in reasons["004.X/a.jpg"]
    assert "box" in reasons["004.X/b.jpg"]
    assert "leads out" in reasons["../../../etc/passwd"]
    assert "leads out" in reasons["/etc/passwd"]
    assert "line 7" in str(reasons.keys())
    assert "repeats" in reasons[LAYSAN]


def test_published_names_and_lists_go_before_the_known_classes(tmp_path: Path) -> None:
    home = make(tmp_path)
    (home / "trainvalclasses.txt").write_text("001.Black_footed_Albatross\n")
    (home / "testclasses.txt").write_text("002.Laysan_Albatross\n")
    assert [item.split for item in read(tmp_path)[0]] == ["train", "test"]
    for split, name in (("train", LAYSAN), ("test", ALBATROSS)):
        (tmp_path / split).mkdir()
        (tmp_path / split / "filenames.pickle").write_bytes(pickle.dumps([name.removesuffix(".jpg")], 0))
    assert [item.split for item in read(home)[0]] == ["test", "train"]


def test_a_hostile_pickle_stops_the_reading_and_runs_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "filenames.pickle").write_bytes(f"cos\nmkdir\n(S'{tmp_path}/ran'\ntR.".encode())
    with pytest.raises(DataError, match=r"os\.mkdir"):
        read(tmp_path)
    assert not (tmp_path / "ran").exists()


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

"""Folders of one's own pictures: what is found, what is left out and why, and that nothing outside is touched."""

from __future__ import annotations

import json
import os
import socket
import tracemalloc
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import named, picture

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions
from stackgan_cli.readers.folder.folder import FolderReader
from stackgan_cli.readers.left_out import LeftOut


def read(root: Path) -> tuple[dict[str, Example], dict[str, str]]:
    examples, skipped = named(FolderReader(), root)
    assert list(examples) == sorted(examples)
    return examples, skipped


def rows(path: Path, *content: object) -> None:
    path.write_text("\n".join(item if isinstance(item, str) else json.dumps(item) for item in content))


def test_pairs_of_pictures_and_text_files(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/ä c.PNG", "train/t.png", "test/t.png", "lonely.png", "empty.png", ".hidden/h.png"):
        picture(tmp_path / name)
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfA red bird.\r\n\r\n  It sings. \r\n")
    (tmp_path / "a" / "ä c.txt").write_text("Ünïcode – ‘verbatim’", encoding="utf-8")
    (tmp_path / "train" / "t.txt").write_text("one")
    (tmp_path / "test" / "t.txt").write_text("two")
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "Thumbs.db").write_text("")
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {
        "a/ä c.PNG": ("Ünïcode – ‘verbatim’",),
        "b.jpg": ("A red bird.", "It sings."),
        "test/t.png": ("two",),
        "train/t.png": ("one",),
    }
    assert [examples[name].split for name in ("b.jpg", "train/t.png", "test/t.png")] == [None, "train", "test"]
    assert skipped.keys() == {"lonely.png", "empty.png", "notes.txt"}
    assert "no text file" in skipped["lonely.png"]
    assert "no caption" in skipped["empty.png"]
    assert "no picture" in skipped["notes.txt"]


def test_damaged_characters_become_spaces_and_are_mentioned(tmp_path: Path) -> None:
    for name, data in (("a", b"a red\xff\xfebird"), ("b", "a\ufffd\ufffdblue bird".encode()), ("c", b"whole")):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_bytes(data)
    (tmp_path / "d.txt").write_bytes(b"\0\1\2\0\0\0\0\0")
    picture(tmp_path / "d.png")
    examples, skipped = read(tmp_path)
    assert [examples[f"{name}.png"].captions for name in "abc"] == [("a red bird",), ("a blue bird",), ("whole",)]
    assert "not text" in skipped.pop("d.png")
    assert skipped.keys() == {"a.txt", "b.txt"}
    assert all("damaged" in reason for reason in skipped.values())


def test_metadata_of_every_shape(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "sub/d.png", "unlisted.png"):
        picture(tmp_path / name)
    rows(
        tmp_path / "metadata.jsonl",
        {"file_name": "./b.png", "caption": " two\nlines ", "label": "finch", "split": "Validation"},
        {"file_name": "a.png", "captions": ["x", "", "y"]},
        {"file_name": "sub\\d.png", "text": "z", "class": 0},
    )
    examples, skipped = read(tmp_path)
    assert {name: (item.captions, item.class_name, item.split) for name, item in examples.items()} == {
        "a.png": (("x", "y"), None, None),
        "b.png": (("two lines",), "finch", "test"),
        "sub/d.png": (("z",), "0", None),
    }
    assert "not listed" in skipped["unlisted.png"]


def test_unusable_rows_say_their_line(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    rows(
        tmp_path / "metadata.jsonl",
        {"file_name": "a.png", "text": "fine"},
        '{"file_name": "a.png", "text": ',
        "",
        "[1, 2]",
        {"text": "nameless"},
        {"file_name": "a.png", "text": "  "},
        {"file_name": "a.png", "text": 7},
        {"file_name": "missing.png", "text": "x"},
        {"file_name": "folder.png", "text": "x"},
        {"file_name": "a.png", "text": "odd", "split": "someday"},
        "[" * 100_000,
        '{"file_name": "\\ud800.png", "text": "x"}',
    )
    found = list(FolderReader().examples(tmp_path))
    assert [(item.captions, item.split) for item in found if isinstance(item, Example)] == [(("fine", "odd"), None)]
    reasons = "\n".join(f"{item.name}: {item.reason}" for item in found if isinstance(item, Skipped))
    for line, words in {
        2: "not JSON",
        4: "not a JSON object",
        5: "no file_name",
        6: "no caption",
        7: "neither text nor",
        8: "no such file",
        9: "a folder",
        10: "neither train nor test",
        11: "not JSON",
        12: "not UTF-8",
    }.items():
        assert any(f"line {line}:" in row and words in row for row in reasons.split("\n")), (line, reasons)


def test_rows_of_one_picture_are_joined_and_repeats_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    lines = ("file_name,caption", "a.png,one", "./a.png,two", 'a.png,"one"')
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == ("one", "two")
    assert list(skipped) == ["metadata.csv line 4"]
    assert "repeats" in skipped["metadata.csv line 4"]


def test_tables_of_spreadsheets(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    table = (
        'file_name;captions;split\r\na.png;"[""one"", ""two""]";test\r\nb.png;"[sic] a; b\r\nc";\r\nb.png;x;y;z;z\r\n'
    )
    (tmp_path / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + table.encode())
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == ("one", "two")
    assert examples["a.png"].split == "test"
    assert examples["b.png"].captions == ("[sic] a; b c",)
    assert any("more fields" in reason for reason in skipped.values())


def test_a_table_without_the_columns_needed(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("name,words\na.png,7\n")
    with pytest.raises(DataError, match="name, words") as caught:
        list(FolderReader().examples(tmp_path))
    assert "file_name" in (caught.value.hint or "")


def test_metadata_inside_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        picture(tmp_path / split / "a.png")
        rows(tmp_path / split / "metadata.jsonl", {"file_name": "a.png", "text": split})
    examples, _ = read(tmp_path)
    assert {name: item.split for name, item in examples.items()} == {"train/a.png": "train", "test/a.png": "test"}
    (tmp_path / "test" / "metadata.jsonl").unlink()
    assert read(tmp_path)[0]["train/a.png"].split is None


@pytest.mark.parametrize("above", ["", "data/", "mine/photos/"])
def test_splits_are_those_of_the_folders_below_lone_ones(tmp_path: Path, above: str) -> None:
    names = [f"{above}train/a.png", f"{above}val/a.png"]
    for name in names:
        picture(tmp_path / name)
    rows(tmp_path / "metadata.jsonl", *({"file_name": name, "text": "x"} for name in names))
    assert [item.split for item in read(tmp_path)[0].values()] == ["train", "test"]


def test_names_that_leave_the_folder_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    picture(outside / "secret.png")
    (outside / "secret.txt").write_text("secret words")
    root = tmp_path / "data"
    picture(root / "a.png")
    (root / "link.png").symlink_to(outside / "secret.png")
    (root / "linked").symlink_to(outside)
    (root / "loop.png").symlink_to(root / "loop.png")
    names = ["../outside/secret.png", str(outside / "secret.png"), "link.png", "linked/secret.png", "a/../../outside/x"]
    names += ["..\\outside\\secret.png", "C:\\secret.png", "a\0.png", "loop.png", "..", "."]
    rows(root / "metadata.jsonl", {"file_name": "a.png", "text": "x"}, *[{"file_name": n, "text": "x"} for n in names])
    opened: list[str] = []
    original = Path.open

    def watched(self: Path, *arguments: object, **options: object) -> object:
        opened.append(os.path.realpath(self))
        return original(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", watched)
    examples, skipped = read(root)
    assert list(examples) == ["a.png"]
    assert all("out of the folder" in skipped[name] for name in names[:9] if "\0" not in name)
    (root / "metadata.jsonl").unlink()
    for name in ("a", "link"):
        (root / f"{name}.txt").write_text("x")
    picture(root / "b.png")
    (root / "b.txt").symlink_to(outside / "secret.txt")
    examples, skipped = read(root)
    assert list(examples) == ["a.png"]
    assert "out of the folder" in skipped["link.png"]
    assert "out of the folder" in skipped["b.png"]
    assert "not followed" in skipped["linked"]
    assert not [path for path in opened if path.startswith(str(outside))]


def test_sources_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "birds.zip"
    file.write_text("x")
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "bare" / "a.png")
    for source, words in (
        (None, "no folder to read"),
        (tmp_path / "nowhere", "There is no folder"),
        (file, "is a file"),
        (tmp_path / "empty", "holds no captioned picture"),
        (tmp_path / "bare", r"holds no captioned picture.*a\.png"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            list(FolderReader().examples(source))
        assert "metadata.jsonl" in (caught.value.hint or "")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "bare"))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match="bare cannot be opened: Permission denied"):
        list(FolderReader().examples(tmp_path / "bare"))
    assert FolderReader().recognises(tmp_path / "bare") is None


def test_recognises_its_own_layouts_alone(tmp_path: Path) -> None:
    for name in ("pairs/images/a.png", "bare/a.png"):
        picture(tmp_path / name)
    (tmp_path / "pairs" / "images" / "a.txt").write_text("x")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "metadata.csv").write_text("file_name,text")
    reader = FolderReader()
    assert "images/a.png" in (reader.recognises(tmp_path / "pairs") or "")
    assert "metadata.csv" in (reader.recognises(tmp_path / "table") or "")
    assert reader.recognises(tmp_path / "bare") is None
    assert reader.recognises(tmp_path / "nowhere") is None


def spelt(form: str, name: str) -> str:
    return unicodedata.normalize(form, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("file", "written"),
    [
        (spelt("NFC", "été.png"), spelt("NFD", "été.png")),
        (spelt("NFD", "Zoë/été.png"), spelt("NFC", "Zoë/été.png")),
        ("IMG_1.JPG", "img_1.JPG"),
        (spelt("NFD", "ÉTÉ.PNG"), spelt("NFC", "été.png")),
    ],
)
def test_names_that_are_spelt_in_another_way(tmp_path: Path, file: str, written: str, listed: bool) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    if listed:
        rows(tmp_path / "metadata.jsonl", {"file_name": written, "text": "one"}, {"file_name": written, "text": "two"})
    else:
        (tmp_path / written).parent.mkdir(exist_ok=True)
        (tmp_path / written).with_suffix(".txt").write_text("one\ntwo")
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {file: ("one", "two")}
    assert examples[file].image == tmp_path / file
    assert not [reason for reason in skipped.values() if "added" not in reason]


@pytest.mark.parametrize("listed", [False, True])
def test_names_that_differ_in_case_alone_are_pictures_of_their_own(tmp_path: Path, listed: bool) -> None:
    captions = {"A.png": "upper", "a.png": "lower", spelt("NFC", "é.png"): "one", spelt("NFD", "é.png"): "two"}
    for name, text in captions.items():
        (tmp_path / name).touch()
        if not listed:
            (tmp_path / name).with_suffix(".txt").write_text(text)
    if listed:
        rows(tmp_path / "metadata.jsonl", *({"file_name": name, "text": text} for name, text in captions.items()))
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {k: (v,) for k, v in captions.items()}
    assert not skipped


def test_accents_are_compared_before_case(tmp_path: Path) -> None:
    for name in ("é.png", "É.png"):
        (tmp_path / spelt("NFC", name)).touch()
    (tmp_path / spelt("NFD", "É.txt")).write_text("upper")
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {spelt("NFC", "É.png"): ("upper",)}
    assert "no text file" in skipped[spelt("NFC", "é.png")]


def test_texts_and_pictures_spelt_alike_are_not_guessed_at(tmp_path: Path) -> None:
    for name in ("One.png", "ONE.png", "two.png", "three.png", "Three.png"):
        (tmp_path / name).touch()
    for name in ("one.txt", "TWO.txt", "Two.txt", "three.txt"):
        (tmp_path / name).write_text(name)
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {"three.png": ("three.txt",)}
    assert all("more than one file" in skipped[name] for name in ("One.png", "ONE.png", "two.png"))
    assert "no text file" in skipped["Three.png"]


def test_rows_spelt_alike_are_not_guessed_at(tmp_path: Path) -> None:
    for name in ("One.png", "ONE.png", "two.png", "three.png", "sure.png"):
        (tmp_path / name).touch()
    names = ("one.png", "TWO.png", "Two.png", "three.png", "THREE.png", "sure.png")
    rows(tmp_path / "metadata.jsonl", *({"file_name": name, "text": name} for name in names))
    examples, skipped = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {
        "sure.png": ("sure.png",),
        "three.png": ("three.png",),
    }
    assert all("more than one file" in skipped[name] for name in ("one.png", "TWO.png", "Two.png"))
    assert "no such file" in skipped["THREE.png"]


@pytest.mark.parametrize("name", ["a.png", "a.txt"])
def test_pipes_and_sockets_are_not_waited_for(tmp_path: Path, name: str) -> None:
    for stem in ("a", "b", "c"):
        (tmp_path / f"{stem}.png").touch()
        (tmp_path / f"{stem}.txt").write_text("fine")
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    linked = (tmp_path / "b").with_suffix(Path(name).suffix)
    linked.unlink()
    linked.symlink_to(tmp_path / name)
    os.mkfifo(tmp_path / "metadata.jsonl")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(tmp_path / "socket.png"))
        examples, skipped = read(tmp_path)
    assert list(examples) == ["c.png"]
    assert all("a pipe, a socket or a device" in skipped[name] for name in ("a.png", "b.png", "socket.png"))
    assert "not a regular file" in skipped["metadata.jsonl"]


def test_a_pipe_in_place_of_a_caption_file_is_not_waited_for_by_any_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UnreadableCaptions, match="regular file"):
        CaptionFiles(LeftOut()).read(tmp_path / "a.txt", "a.txt")


def test_links_within_the_folder_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "b.txt").symlink_to("a.txt")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "left.png").symlink_to("right.png")
    (tmp_path / "right.png").symlink_to("left.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    examples, skipped = read(tmp_path)
    assert list(examples) == ["a.png", "b.png"]
    assert "in a circle" in skipped["left.png"]
    assert "not followed" in skipped["sub/up"]
    assert "a link to nothing" in skipped["gone.png"]


def test_a_folder_that_cannot_be_opened_costs_its_own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("closed/a.png", "open/b.png"):
        picture(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text("words")
    original = os.scandir

    def guarded(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert "captions" in (FolderReader().recognises(tmp_path) or "")
    examples, skipped = read(tmp_path)
    assert list(examples) == ["open/b.png"]
    assert skipped == {"closed": "this folder cannot be opened: Permission denied"}


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    for stem in (b"a", b"gr\xfcn"):
        for suffix in (b".png", b".txt"):
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + stem + suffix)).write_bytes(b"words")
    examples, skipped = read(tmp_path)
    assert list(examples) == ["a.png"]
    assert {name.encode(): reason for name, reason in skipped.items()} == {
        b"gr?n.png": "its name is not UTF-8",
        b"gr?n.txt": "its name is not UTF-8",
    }


def test_a_text_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("fine")
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    examples, skipped = read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(examples) == ["b.png"]
    assert "larger than a megabyte" in skipped["a.png"]
    assert peak < 16 << 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize(
    "captions", [("A red bird.", "It sings."), ("Ein „grüner“ Vogel", "schön"), ("Красная птица", "поёт"), ("x",)]
)
def test_encodings_with_and_without_a_mark(
    tmp_path: Path, captions: tuple[str, ...], ending: str, encoding: str
) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(ending.join(captions).encode(encoding))
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == captions
    assert not skipped


def test_a_stray_zero_does_not_make_another_encoding(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(b"a red\0bird\nwith w\0ings\n")
    examples, skipped = read(tmp_path)
    assert examples["a.png"].captions == ("a red bird", "with w ings")
    assert "damaged" in skipped["a.txt"]


@pytest.mark.parametrize("listed", [False, True])
def test_memory_for_each_picture_is_small(tmp_path: Path, listed: bool) -> None:
    names = [f"{number % 7}/picture_{number:06d}.jpg" for number in range(1500)]
    for folder in range(7):
        (tmp_path / str(folder)).mkdir()
    for name in names:
        (tmp_path / name).touch()
        if not listed:
            (tmp_path / name).with_suffix(".txt").write_text(f"a photo of thing {name}, red all over\n" * 10)
    if listed:
        rows(tmp_path / "metadata.jsonl", *({"file_name": name, "text": f"a thing, {name}"} for name in names))
    tracemalloc.start()
    count = sum(isinstance(item, Example) for item in FolderReader().examples(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == len(names)
    assert peak < 400 * len(names) + (1 << 18)


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_emoji() -> None:
    examples, skipped = read(Path(os.environ["STACKGAN_TEST_DATA"]) / "noto_emoji")
    assert len(examples) == 1643
    assert not skipped
    assert examples["images/emoji_u0023.png"].captions[0] == "hash sign"

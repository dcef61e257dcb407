"""WebDataset shards: what is found in them, what is left out and why, and what hostile ones cannot do."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import struct
import tarfile
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest
from sources import encoded, named, shade_of

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.pictures.decoding import UnreadablePicture
from stackgan_cli.readers.packed.webdataset import WebdatasetReader


def shard(path: Path, members: Mapping[str, bytes | str | dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in members.items():
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            add(archive, tarfile.TarInfo(name), data.encode() if isinstance(data, str) else data)


def add(archive: tarfile.TarFile, info: tarfile.TarInfo, data: bytes = b"") -> None:
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def read(source: Path) -> tuple[dict[str, Example], dict[str, str]]:
    return named(WebdatasetReader(), source)


def test_texts_records_and_classes(tmp_path: Path) -> None:
    file = tmp_path / "birds.tar"
    shard(
        file,
        {
            "notes.md": "no picture",
            "./a/0001.png": encoded(1),
            "./a/0001.txt": b"\xef\xbb\xbfA red bird.\r\n\r\n  It sings. \r\n",
            "./a/0001.json": {"caption": "not taken", "label": 7, "class_name": "finch"},
            "a/0002.v2.jpg": encoded(2, "JPEG"),
            "a/0002.json": {"captions": ["one", "", "two\nlines"], "label": 7},
            "a/0002.cls": "12\n",
            "a/0003.WEBP": encoded(3, "WEBP"),
            "a/0003.json": {"text": "three", "cls": 4},
            "a/0004.json": {"sentences": [{"raw": "four"}, {"text": "five"}], "class": "jay"},
            "a/0004.mask.png": encoded(6),
            "a/0004.png": encoded(4),
            "a/0004.npy": b"\x93NUMPY",
            "b/0001.png": encoded(5),
            "b/0001.txt": "same key in another folder",
        },
    )
    examples, skipped = read(file)
    assert {name: (item.captions, item.class_name, shade_of(item)) for name, item in examples.items()} == {
        "birds/a/0001": (("A red bird.", "It sings."), "finch", 1),
        "birds/a/0002": (("one", "two lines"), "12", 2),
        "birds/a/0003": (("three",), "4", 3),
        "birds/a/0004": (("four", "five"), "jay", 4),
        "birds/b/0001": (("same key in another folder",), None, 5),
    }
    assert list(skipped) == ["birds/a/0004"]
    assert "first of its pictures" in skipped["birds/a/0004"]


def test_splits_by_the_names_of_shards_and_folders(tmp_path: Path) -> None:
    names = ("train-000.tar", "train-001.tar", "birds_val_0.tar", "test/0.tgz", "Validation/0.tar", "extra-0.tar")
    for index, name in enumerate(names):
        shard(tmp_path / name, {"0.png": encoded(index), "0.txt": name})
    (tmp_path / ".hidden").mkdir()
    shard(tmp_path / ".hidden" / "train.tar", {"0.png": encoded(), "0.txt": "hidden"})
    examples, skipped = read(tmp_path)
    assert {name: item.split for name, item in examples.items()} == {
        "Validation/0/0": "test",
        "birds_val_0/0": "test",
        "extra-0/0": None,
        "test/0/0": "test",
        "train-000/0": "train",
        "train-001/0": "train",
    }
    assert list(examples) == sorted(examples)
    assert {name: shade_of(item) for name, item in examples.items() if name.startswith(("train", "test"))} == {
        "train-000/0": 0,
        "train-001/0": 1,
        "test/0/0": 3,
    }
    assert "neither train nor test" in skipped.pop("extra-0.tar")
    assert not skipped


def test_names_stay_unique_where_shards_are_called_alike(tmp_path: Path) -> None:
    for name in ("a.tar", "a.tar.gz", "a/b.tar"):
        shard(tmp_path / name, {"b/c.png": encoded(), "b/c.txt": "x", "c.png": encoded(), "c.txt": "y"})
    assert len(read(tmp_path)[0]) == 6


def test_pictures_stay_in_the_shard_until_they_are_fetched(tmp_path: Path) -> None:
    file = tmp_path / "0.tar"
    shard(file, {"0.png": encoded(7), "0.txt": "x", "1.png": encoded(8), "1.txt": "y"})
    examples, _ = read(file)
    image = pickle.loads(pickle.dumps(examples["0/1"].image))
    assert image.size == len(encoded(8))
    assert image() == encoded(8)
    file.write_bytes(file.read_bytes()[: image.offset + 10])
    with pytest.raises(UnreadablePicture, match="ends in the middle"):
        image()


def test_a_compressed_shard_gives_the_pictures_themselves(tmp_path: Path) -> None:
    # Compressed by its content, whatever it is called.
    shard(tmp_path / "0.tgz", {"0.png": encoded(7), "0.txt": "x"})
    (tmp_path / "0.tgz").rename(tmp_path / "0.tar")
    assert read(tmp_path)[0]["0/0"].image == encoded(7)


def test_keys_without_a_picture_or_a_caption(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    members: dict[str, bytes | str | dict[str, object]] = {
        "fine.png": encoded(),
        "fine.txt": b"caf\xff\xfe bird",
        "bare.png": encoded(),
        "alone.txt": "no picture",
        "blank.png": encoded(),
        "blank.txt": "\n \n",
        "list.png": encoded(),
        "list.json": "[1, 2]",
        "broken.png": encoded(),
        "broken.json": '{"caption": ',
        "deep.png": encoded(),
        "deep.json": "[" * 200_000,
        "number.png": encoded(),
        "number.json": {"caption": 7},
        "binary.png": encoded(),
        "binary.txt": b"\0\1\2\0\0\0\0\0",
        "long.png": encoded(),
        "long.txt": "x" * (1 << 20) + "y",
        "huge.png": encoded(),
        "huge.json": {"caption": "x" * (2 << 20)},
    }
    shard(file, members)
    with tarfile.open(file, "a") as archive:
        add(archive, tarfile.TarInfo("fine.png"), encoded())
        add(archive, tarfile.TarInfo("fine.txt"), b"again")
    examples, skipped = read(file)
    assert {name: item.captions for name, item in examples.items()} == {"s/fine": ("caf bird",)}
    for name, words in {
        "bare": "no caption beside it",
        "alone": "no picture beside",
        "blank": "no caption beside it",
        "list": "no object",
        "broken": "damaged",
        "deep": "damaged",
        "number": "neither text",
        "binary": "not text",
        "long": "larger than a megabyte",
        "huge": "larger than a megabyte",
    }.items():
        assert words in skipped[f"s/{name}"], name


def test_of_texts_without_end_under_one_key_the_first_are_kept(tmp_path: Path) -> None:
    line = b"a bird that is told of at length " * 30 + b"\n"
    texts = {f"a.{number}.txt": line * 300 for number in range(8)}
    shard(tmp_path / "x.tar.gz", {"a.jpg": encoded(1), **texts, "b.jpg": encoded(2), "b.txt": "short"})
    examples, skipped = read(tmp_path / "x.tar.gz")
    assert [len(each.captions) for each in examples.values()] == [900, 1]
    assert "beyond a megabyte" in skipped["x/a"]


def test_a_key_that_comes_twice_and_damaged_text_are_said(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    with tarfile.open(file, "w") as archive:
        for key in ("a", "b", "a"):
            add(archive, tarfile.TarInfo(f"{key}.png"), encoded())
            add(archive, tarfile.TarInfo(f"{key}.txt"), b"a red\xff\xffbird")
    found = list(WebdatasetReader().examples(file))
    assert [(item.name, item.captions) for item in found if isinstance(item, Example)] == [
        ("s/a", ("a red bird",)),
        ("s/b", ("a red bird",)),
    ]
    damaged = "kept; damaged characters were read as spaces"
    assert [(item.name, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("s/a", damaged),
        ("s/b", damaged),
        ("s/a", "the same key came earlier in the shard"),
    ]


def test_members_that_are_no_files_or_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(6))
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "s.tar"
    with tarfile.open(file, "w", encoding="utf-8", errors="surrogateescape") as archive:
        for name in ("../secret", str(tmp_path / "secret"), "a/../../../secret", "bad\udcff"):
            add(archive, tarfile.TarInfo(f"{name}.png"), encoded())
            add(archive, tarfile.TarInfo(f"{name}.txt"), b"x")
        for key, kind in (
            ("soft", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("device", tarfile.CHRTYPE),
            ("pipe", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(f"{key}.png")
            info.type, info.linkname = kind, str(tmp_path / "secret.png")
            archive.addfile(info)
            add(archive, tarfile.TarInfo(f"{key}.txt"), b"x")
        add(archive, tarfile.TarInfo("fine.png"), encoded(3))
        add(archive, tarfile.TarInfo("fine.txt"), b"x")
    before = sorted(tmp_path.rglob("*"))
    examples, skipped = read(tmp_path / "data")
    assert {name: shade_of(item) for name, item in examples.items()} == {"s/fine": 3}
    assert sorted(tmp_path.rglob("*")) == before
    assert "leads out" in skipped["s/../secret.png"]
    assert any("not UTF-8" in reason for reason in skipped.values())
    for key in ("soft", "hard"):
        assert "link" in skipped[f"s/{key}"]
    for key in ("device", "pipe"):
        assert "no ordinary file" in skipped[f"s/{key}"]


def test_sparse_members_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.png")
        info.pax_headers = {"GNU.sparse.map": "0,5", "GNU.sparse.size": "1000000000000", "GNU.sparse.name": "a.png"}
        add(archive, info, b"12345")
        for name, data in (("a.txt", b"x"), ("b.png", encoded()), ("b.txt", b"y")):
            add(archive, tarfile.TarInfo(name), data)
    examples, skipped = read(file)
    assert list(examples) == ["s/b"]
    assert "no ordinary file" in skipped["s/a"]


def test_links_out_of_the_folder_are_not_opened(tmp_path: Path) -> None:
    shard(tmp_path / "outside" / "o.tar", {"o.png": encoded(), "o.txt": "secret"})
    inside = tmp_path / "data"
    shard(inside / "a.tar", {"a.png": encoded(), "a.txt": "x"})
    (inside / "link.tar").symlink_to(tmp_path / "outside" / "o.tar")
    (inside / "loop.tar").symlink_to(inside / "loop.tar")
    (inside / "linked").symlink_to(tmp_path / "outside")
    (inside / "folder.tar").mkdir()
    os.mkfifo(inside / "pipe.tar")
    examples, skipped = read(inside)
    assert list(examples) == ["a/a"]
    assert "out of the folder" in skipped["link.tar"]
    assert skipped.keys() == {"link.tar", "loop.tar", "linked", "pipe.tar"}


def header(name: str, size: int | bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar header whose size may be any number, or the twelve bytes of its field."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    field = size if isinstance(size, bytes) else b"\x80" + size.to_bytes(11, "big")
    block[124:136] = field
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


BACKWARDS = b"\xff" + (2**88 - 4096).to_bytes(11, "big")


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (header("big.png", 1 << 50), "impossible size"),
        (header("big.png", 1 << 20), "cut off"),
        (header("../../long", 1 << 40, tarfile.GNUTYPE_LONGNAME), "longer than any name"),
        (header("pax", 1 << 40, tarfile.XHDTYPE), "longer than any name"),
        (header("back.png", BACKWARDS), "leads back"),
        (header("minus", BACKWARDS, tarfile.GNUTYPE_LONGNAME), "longer than any name"),
        (b"\1" * 512, "damaged header"),
        (b"\1" * 100, "cut short"),
        (b"", "cut short"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_what_comes_before_a_damage_is_kept(tmp_path: Path, tail: bytes, words: str, compressed: bool) -> None:
    file = tmp_path / "s.tar"
    shard(file, {"a.png": encoded(), "a.txt": "x"})
    with tarfile.open(file) as archive:
        end = archive.getmembers()[-1].offset_data + 512
    data = file.read_bytes()[:end] + tail
    file.write_bytes(gzip.compress(data) if compressed else data)
    examples, skipped = read(file)
    assert list(examples) == ["s/a"]
    reasons = " ".join(skipped.values())
    if compressed and "big" in tail[:3].decode("latin1"):
        assert "not read to its end" in reasons
    else:
        assert words in reasons


def test_shards_that_hold_nothing(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        add(archive, tarfile.TarInfo("a.png"), encoded())
        add(archive, tarfile.TarInfo("a.txt"), b"x")
    for name, data in (
        ("empty", b""),
        ("zeros", bytes(10240)),
        ("text", b"this is no tar file" * 100),
        ("gzip", gzip.compress(whole.getvalue())[:40]),
        ("short", whole.getvalue()[:700]),
    ):
        file = tmp_path / f"{name}.tar"
        file.write_bytes(data)
        with pytest.raises(DataError, match="no captioned picture") as caught:
            list(WebdatasetReader().examples(file))
        assert "0001.jpg" in (caught.value.hint or "")
        assert WebdatasetReader().recognises(file) is None
    shard(tmp_path / "good.tar", {"a.png": encoded(), "a.txt": "x"})
    examples, skipped = read(tmp_path)
    assert list(examples) == ["good/a"]
    assert {"empty.tar", "text.tar", "gzip.tar"} <= skipped.keys()


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for source, words in (
        (None, "nothing to read"),
        (tmp_path / "nowhere", "nothing at"),
        (tmp_path / "bare", "no file whose name ends in .tar"),
    ):
        with pytest.raises(DataError, match=words):
            list(WebdatasetReader().examples(source))


def test_members_sorted_apart_are_explained(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    shard(file, {"a.png": encoded(), "b.png": encoded(), "a.txt": "x", "b.txt": "y"})
    with pytest.raises(DataError, match="--sort=name"):
        list(WebdatasetReader().examples(file))


def test_memory_does_not_grow_with_the_members(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        file = tmp_path / f"{count}.tar"
        with tarfile.open(file, "w") as archive:
            for index in range(count):
                add(archive, tarfile.TarInfo(f"{index:06d}.png"), b"x" * 600)
                add(archive, tarfile.TarInfo(f"{index:06d}.txt"), b"a caption")
            archive.members.clear()  # type: ignore[attr-defined]
        tracemalloc.start()
        try:
            assert sum(isinstance(item, Example) for item in WebdatasetReader().examples(file)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(500), peak(4000)
    # A key of six characters, to notice repeated ones; a header takes a hundred times as much.
    assert (many - few) / 3500 < 200


def test_random_damage_never_escapes(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    shard(file, {f"{index}.{end}": encoded() if end == "png" else "x" for index in range(4) for end in ("png", "txt")})
    whole = file.read_bytes()[: 16 * 512]
    chance = random.Random(5)
    for round_ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        start = chance.randrange(0, len(data), 512)
        if round_ % 3 == 0:  # a header with a valid sum, so that its fields are believed
            block = data[start : start + 512]
            block[124:136] = struct.pack(">BxxxQ", chance.choice((0x80, 0xFF)), chance.randrange(1 << 63))
            block[156:157] = chance.choice(b"05LKgxSV\0").to_bytes(1, "big")
            block[148:156] = b"        "
            block[148:156] = b"%06o\0 " % sum(block)
            data[start : start + 512] = block
        file.write_bytes(gzip.compress(bytes(data)) if round_ % 5 == 0 else data[: chance.choice((len(data), start))])
        WebdatasetReader().recognises(file)
        try:
            for item in WebdatasetReader().examples(file):
                assert isinstance(item, Example | Skipped)
        except DataError:
            pass


def test_recognises_pairs_alone(tmp_path: Path) -> None:
    reader = WebdatasetReader()
    shard(tmp_path / "photos" / "all.tgz", {"CUB/a.jpg": encoded(), "CUB/b.jpg": encoded(), "CUB/list.txt": "x"})
    shard(tmp_path / "set" / "train" / "000.tar", {"a.jpg": encoded(), "a.json": {"caption": "x"}})
    (tmp_path / "empty").mkdir()
    assert reader.recognises(tmp_path / "photos") is None
    assert reader.recognises(tmp_path / "empty") is None
    assert reader.recognises(tmp_path / "nowhere") is None
    assert "000.tar holds a.jpg and a.json" in (reader.recognises(tmp_path / "set") or "")
    assert "000.tar" in (reader.recognises(tmp_path / "set" / "train" / "000.tar") or "")

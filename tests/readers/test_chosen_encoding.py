"""``--encoding`` decides what captions say, whichever reader finds them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sources import encoded, found

from stackgan_cli.components.protocols import DatasetReader
from stackgan_cli.readers.birds_and_flowers.cub import CubReader
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader
from stackgan_cli.readers.coco.coco import CocoReader
from stackgan_cli.readers.encodings import read_as
from stackgan_cli.readers.folder.folder import FolderReader
from stackgan_cli.readers.packed.hub import HubReader
from stackgan_cli.readers.packed.webdataset import WebdatasetReader

SAID = "красная птица"
BYTES = SAID.encode("koi8-r")
"""What nobody can tell from other encodings by so few letters."""


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def cub(root: Path) -> DatasetReader:
    put(root / "images.txt", b"1 001.A/a.jpg\n")
    put(root / "bounding_boxes.txt", b"1 0.0 0.0 2.0 2.0\n")
    put(root / "images" / "001.A" / "a.jpg", encoded(1, "JPEG"))
    put(root / "text_c10" / "001.A" / "a.txt", BYTES)
    return CubReader()


def flowers(root: Path) -> DatasetReader:
    put(root / "jpg" / "image_00001.jpg", encoded(1, "JPEG"))
    put(root / "text_c10" / "class_00020" / "image_00001.txt", BYTES)
    return FlowersReader()


def coco(root: Path) -> DatasetReader:
    listed = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": SAID}]}
    put(root / "captions.json", json.dumps(listed, ensure_ascii=False).encode("koi8-r"))
    put(root / "a.jpg", encoded(1, "JPEG"))
    return CocoReader()


def text_beside(root: Path) -> DatasetReader:
    put(root / "a.jpg", encoded(1, "JPEG"))
    put(root / "a.caption", BYTES)
    return FolderReader()


def record_beside(root: Path) -> DatasetReader:
    put(root / "a.jpg", encoded(1, "JPEG"))
    put(root / "a.json", b'{"caption": "' + BYTES + b'"}')
    return FolderReader()


def tokens(root: Path) -> DatasetReader:
    put(root / "a.jpg", encoded(1, "JPEG"))
    put(root / "x.token", b"a.jpg#0\t" + BYTES)
    return FolderReader()


def one_json(root: Path) -> DatasetReader:
    put(root / "a.jpg", encoded(1, "JPEG"))
    put(root / "x.json", b'{"a.jpg": "' + BYTES + b'"}')
    return FolderReader()


def shard(root: Path, suffix: str, text: bytes) -> DatasetReader:
    root.mkdir(exist_ok=True)
    with tarfile.open(root / "0.tar", "w") as archive:
        for name, data in (("a.jpg", encoded(1, "JPEG")), (f"a.{suffix}", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return WebdatasetReader()


def shard_of_texts(root: Path) -> DatasetReader:
    return shard(root, "txt", BYTES)


def shard_of_records(root: Path) -> DatasetReader:
    return shard(root, "json", b'{"caption": "' + BYTES + b'"}')


def table(root: Path) -> DatasetReader:
    import pyarrow
    from pyarrow import parquet

    root.mkdir(exist_ok=True)
    # Some programs write text as it comes, whatever the form says.
    columns = {"image": [encoded(1)], "caption": pyarrow.array([BYTES]).view(pyarrow.string())}
    parquet.write_table(pyarrow.table(columns), root / "x.parquet")
    return HubReader()


MAKERS = (cub, flowers, coco, text_beside, record_beside, tokens, one_json, shard_of_texts, shard_of_records, table)


@pytest.mark.parametrize("make", MAKERS, ids=[make.__name__ for make in MAKERS])
def test_every_reader_reads_as_it_is_told(tmp_path: Path, make: Callable[[Path], DatasetReader]) -> None:
    reader = make(tmp_path)
    with read_as("koi8-r"):
        examples, skipped = found(reader, tmp_path)
    assert [item.captions for item in examples] == [(SAID,)]
    assert not [item for item in skipped if "kept" in item.reason]


@pytest.mark.parametrize("make", [cub, coco, tokens, one_json, shard_of_texts], ids=lambda make: make.__name__)
def test_what_is_guessed_is_said(tmp_path: Path, make: Callable[[Path], DatasetReader]) -> None:
    _, skipped = found(make(tmp_path), tmp_path)
    assert any("is not UTF-8 and was read as" in item.reason for item in skipped)

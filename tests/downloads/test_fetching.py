"""``prepare --download``, from a server of this machine that offers a tiny data set in the published layout."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from stackgan_cli.downloads.addresses import ByHand, PublishedData, RemoteFile
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader

PLAIN = ("--encoder", "hashed-words", "--resolution", "16")


class Silent(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


def archive(path: Path) -> str:
    with tarfile.open(path, "w:gz") as package:
        for index in range(1, 7):
            buffer = io.BytesIO()
            Image.new("RGB", (40, 30), (index * 40, 90, 10)).save(buffer, "JPEG")
            member = tarfile.TarInfo(f"jpg/image_{index:05d}.jpg")
            member.size = buffer.tell()
            package.addfile(member, io.BytesIO(buffer.getvalue()))
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishedData]:
    (tmp_path / "served").mkdir()
    checksum = archive(tmp_path / "served" / "flowers.tgz")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    data = PublishedData(
        title="Six flowers",
        terms="Anybody may use them.",
        page=address,
        files=(RemoteFile("flowers.tgz", f"{address}/flowers.tgz", address, None, checksum, "jpg"),),
        by_hand=(ByHand("the captions", "text_c10", "Write them yourself, one folder for each class."),),
    )
    monkeypatch.setattr(FlowersReader, "published", data)
    monkeypatch.setattr(Silent, "asked", [])
    yield data
    server.shutdown()
    server.server_close()


def write_captions(folder: Path) -> None:
    for index in range(1, 7):
        place = folder / "text_c10" / f"class_{20 + index % 2:05d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image_{index:05d}.txt").write_text(f"flower number {index}\n")


def test_what_has_an_address_is_fetched_and_the_rest_is_asked_for(
    stackgan: Callable[..., Any], empty_home: Path, published: PublishedData
) -> None:
    first = stackgan("prepare", "--data", "flowers", "--download", *PLAIN)
    assert first.code == 3
    assert first.says("Six flowers", "Anybody may use them", "The captions are still missing", "Write them yourself")
    folder = empty_home / "downloads" / "flowers"
    assert len(list((folder / "jpg").glob("*.jpg"))) == 6
    assert not (empty_home / "data").exists() or not any((empty_home / "data").iterdir())
    write_captions(folder)
    asked = len(Silent.asked)
    second = stackgan("prepare", "--data", "flowers", "--download", "--json", *PLAIN)
    assert second.code == 0, second.err
    assert len(Silent.asked) == asked
    assert second.json["counts"] == {"train": 3, "test": 3}
    assert not list(folder.rglob("*.tgz"))


def test_the_source_may_be_named(stackgan: Callable[..., Any], tmp_path: Path, published: PublishedData) -> None:
    place = tmp_path / "my flowers"
    write_captions(place)
    done = stackgan("prepare", "--data", "mine", "--reader", "flowers", "--source", place, "--download", *PLAIN)
    assert done.code == 0, done.err
    assert (place / "jpg" / "image_00001.jpg").is_file()


def test_nothing_is_fetched_without_that_word(
    stackgan: Callable[..., Any], tmp_path: Path, published: PublishedData
) -> None:
    write_captions(tmp_path / "source")
    for options in ((), ("--source", tmp_path / "source")):
        assert stackgan("prepare", "--data", "flowers", *options, *PLAIN).code == 3
    assert Silent.asked == []


def test_data_without_an_address_is_one_message(stackgan: Callable[..., Any], published: PublishedData) -> None:
    done = stackgan("prepare", "--data", "mine", "--download")
    assert done.code == 3
    assert done.says("No public address", "flowers")


def test_a_wrong_file_is_one_message(
    stackgan: Callable[..., Any], empty_home: Path, tmp_path: Path, published: PublishedData
) -> None:
    (tmp_path / "served" / "flowers.tgz").write_bytes(b"something else" * 100)
    done = stackgan("prepare", "--data", "flowers", "--download")
    assert done.code == 3, done.err
    assert done.err.count("Error:") == 1
    assert not (empty_home / "downloads" / "flowers" / "jpg").exists()

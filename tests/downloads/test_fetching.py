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
from stackgan_cli.downloads.fetching import fetch
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader

PLAIN = ("--encoder", "hashed-words", "--resolution", "16")


class Silent(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    open: ClassVar[threading.Event] = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.open.wait(10)
        super().do_GET()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishedData]:
    (tmp_path / "served").mkdir()
    archive = tmp_path / "served" / "flowers.tgz"
    with tarfile.open(archive, "w:gz") as package:
        for index in range(1, 7):
            buffer = io.BytesIO()
            Image.new("RGB", (40, 30), (index * 40, 90, 10)).save(buffer, "JPEG")
            member = tarfile.TarInfo(f"jpg/image_{index:05d}.jpg")
            member.size = buffer.tell()
            package.addfile(member, io.BytesIO(buffer.getvalue()))
    packed = archive.read_bytes()
    checksum = f"sha256:{hashlib.sha256(packed).hexdigest()}"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(archive.parent))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        data = PublishedData(
            title="Six flowers",
            terms="Anybody may use them.",
            page=address,
            files=(RemoteFile(f"{address}/flowers.tgz", len(packed), checksum, "jpg"),),
            by_hand=(ByHand("the captions", "text_c10", "Write them yourself, one folder for each class."),),
        )
        monkeypatch.setattr(FlowersReader, "published", data)
        Silent.asked.clear()
        Silent.open.set()
        yield data
        server.shutdown()


def write_captions(folder: Path) -> None:
    for index in range(1, 7):
        place = folder / "text_c10" / f"class_{20 + index % 2:05d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image_{index:05d}.txt").write_text(f"flower number {index}\n")


def test_what_has_an_address_is_fetched_once_and_the_rest_is_asked_for(
    stackgan: Callable[..., Any], empty_home: Path, published: PublishedData
) -> None:
    first = stackgan("prepare", "--data", "flowers", "--download", *PLAIN)
    assert first.code == 3
    assert first.says("Six flowers", "Anybody may use them", "The captions are still missing", "Write them yourself")
    folder = empty_home / "downloads" / "flowers"
    assert [path.name for path in folder.iterdir()] == ["jpg"]
    assert len(list((folder / "jpg").glob("*.jpg"))) == 6
    write_captions(folder)
    second = stackgan("prepare", "--data", "flowers", "--download", "--json", *PLAIN)
    assert second.code == 0, second.err
    assert Silent.asked == ["/flowers.tgz"]
    assert second.json["counts"] == {"train": 3, "test": 3}


def test_nothing_is_fetched_without_that_word_and_the_source_may_be_named(
    stackgan: Callable[..., Any], tmp_path: Path, published: PublishedData
) -> None:
    place = tmp_path / "my flowers"
    write_captions(place)
    for options in ((), ("--source", place)):
        assert stackgan("prepare", "--data", "flowers", *options, *PLAIN).code == 3
    assert Silent.asked == []
    done = stackgan("prepare", "--data", "mine", "--reader", "flowers", "--source", place, "--download", *PLAIN)
    assert done.code == 0, done.err
    assert (place / "jpg" / "image_00001.jpg").is_file()


@pytest.mark.parametrize(
    ("in_the_way", "words"),
    [
        ("jpg/mine.txt", "exists already, and is not what flowers.tgz unpacks to"),
        ("", "could not be written"),
        ("flowers.tgz", "not the published file"),
    ],
)
def test_what_is_in_the_way_is_kept_and_told_before_anything_is_fetched(
    stackgan: Callable[..., Any], tmp_path: Path, published: PublishedData, in_the_way: str, words: str
) -> None:
    mine = tmp_path / "source" / in_the_way
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("my own work")
    done = stackgan("prepare", "--data", "flowers", "--download", "--source", tmp_path / "source")
    assert done.code == 3
    assert done.says(words)
    assert mine.read_text() == "my own work"
    assert Silent.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_full_disk_and_a_wrong_file_are_one_message(
    stackgan: Callable[..., Any], empty_home: Path, tmp_path: Path, published: PublishedData
) -> None:
    part = empty_home / "downloads" / "flowers" / "flowers.tgz.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    full = stackgan("prepare", "--data", "flowers", "--download")
    part.unlink()
    (tmp_path / "served" / "flowers.tgz").write_bytes(bytes(published.size))
    wrong = stackgan("prepare", "--data", "flowers", "--download")
    nowhere = stackgan("prepare", "--data", "mine", "--download")
    for done, words in (
        (full, "Make room on the disk"),
        (wrong, "not the published file"),
        (nowhere, "No public address"),
    ):
        assert done.code == 3
        assert done.err.count("Error:") == 1
        assert done.says(words)
    assert not list(empty_home.rglob("*jpg*"))


def test_two_runs_do_not_write_one_folder(
    stackgan: Callable[..., Any], tmp_path: Path, published: PublishedData
) -> None:
    write_captions(tmp_path / "source")
    Silent.open.clear()
    first = threading.Thread(target=fetch, args=(published, tmp_path / "source", lambda *_: None))
    first.start()
    while not Silent.asked:
        first.join(0.01)
    second = stackgan("prepare", "--data", "flowers", "--download", "--source", tmp_path / "source")
    assert second.code == 1
    assert second.says("Another process is downloading into", "Wait until it has ended")
    Silent.open.set()
    first.join()
    assert len(list((tmp_path / "source" / "jpg").glob("*.jpg"))) == 6
    assert Silent.asked == ["/flowers.tgz"]

"""Archives, honest and hostile: what comes out is whole and inside its folder, or it is nothing."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.downloads.unpacking import STAMP, is_unpacked, unpack
from stackgan_cli.errors import StackganError

NOISE = random.Random(0).randbytes(1 << 20)
FILES = {"set/a.jpg": b"a", "set/deep/er/b.jpg": NOISE, "./set/ü ñ.txt": b"", "other/c.jpg": b"c", "top.txt": b"top"}
KINDS = pytest.mark.parametrize("kind", ["tgz", "zip"])


def packed(folder: Path, kind: str, files: dict[str, bytes], unix_mode: int = 0, **properties: Any) -> Path:
    """Make an archive; ``properties`` are those of the `tarfile.TarInfo` of every empty file."""
    path = folder / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr, entry.compress_type = unix_mode << 16, zipfile.ZIP_DEFLATED
                package.writestr(entry, data)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in ({} if data else properties).items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(data))
    return path


def content(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != STAMP}


def unpacked(archive: Path, report: Callable[[int, int], None] = lambda *_: None) -> Path:
    """Unpack the folder ``set`` beside the archive."""
    folder = archive.parent / "set"
    unpack(archive, folder, "sha256:12", report)
    return folder


def refused(archive: Path, words: str | None = None) -> None:
    """Check that nothing is unpacked and nothing written beside, and that one message says so."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(StackganError, match=words) as error:
        unpacked(archive)
    assert sorted(archive.parent.rglob("*")) == before
    assert error.value.hint


@KINDS
def test_one_folder_of_an_archive(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, FILES, 0o106777, mode=0o6777, uid=12345)
    reports: list[tuple[int, int]] = []
    folder = unpacked(archive, lambda *numbers: reports.append(numbers))
    assert content(folder) == {"a.jpg": b"a", "deep/er/b.jpg": NOISE, "ü ñ.txt": b""}
    assert sorted(tmp_path.iterdir()) == [archive, folder]
    assert (folder / "ü ñ.txt").stat().st_uid != 12345
    assert not (folder / "ü ñ.txt").stat().st_mode & 0o7022
    assert reports == sorted(reports)
    assert reports[-1][0] == reports[-1][1]
    assert is_unpacked(folder, "sha256:12")
    assert not is_unpacked(folder, "sha256:1")
    assert not is_unpacked(tmp_path, "sha256:12")


@KINDS
def test_a_stopped_run_leaves_nothing_and_a_killed_one_is_swept(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, FILES)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpacked(archive, stop)
    assert list(tmp_path.iterdir()) == [archive]
    (tmp_path / ".set.abc.partial" / "half").mkdir(parents=True)
    (tmp_path / ".other.abc.partial").mkdir()
    unpacked(archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.abc.partial", archive.name, "set"]


@KINDS
@pytest.mark.parametrize(
    "name", ["../evil", "set/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "set/C:/../../../x"]
)
def test_names_that_lead_out(tmp_path: Path, kind: str, name: str) -> None:
    refused(packed(tmp_path, kind, {"set/fine.txt": b"fine", name: b"evil"}), "leads out")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "set/a", "nothing"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE])
def test_links_devices_and_the_like(tmp_path: Path, kind: bytes, target: str) -> None:
    entries = {"set/a": b"a", "set/b": b"", "set/b/through": b"evil"}
    refused(packed(tmp_path, "tgz", entries, type=kind, linkname=target))
    refused(packed(tmp_path, "zip", {"set/a": target.encode()}, 0o120777), "neither a file")


@KINDS
def test_a_bomb(tmp_path: Path, kind: str) -> None:
    refused(packed(tmp_path, kind, {"set/a": bytes(40 << 20), "other": bytes(40 << 20)}), "trap")


@pytest.mark.parametrize("size", [-512, 1 << 33])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_an_impossible_header_is_refused_without_reading_it_into_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    header = tarfile.TarInfo("set/a")
    header.type, header.size = kind, size
    (tmp_path / "x.tgz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(48 << 20), 1))
    tracemalloc.start()
    refused(tmp_path / "x.tgz")
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@KINDS
def test_every_cut_is_noticed_and_a_changed_bit_is_noticed_or_harmless(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, {"set/a.jpg": NOISE[:300], "set/b.txt": b"text " * 50})
    data = archive.read_bytes()
    for length in {*range(0, len(data), 17), len(data) - 1}:
        archive.write_bytes(data[:length])
        refused(archive)
    for position in range(0, len(data), 7):
        archive.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        try:
            folder = unpacked(archive)
        except StackganError:
            assert list(tmp_path.iterdir()) == [archive]
            continue
        # A name in a zip has no checksum; what lies in the files has one.
        assert {*content(folder).values()} <= {NOISE[:300], b"text " * 50}
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "junk", [b"", b"junk" * 500, b"PK\3\4junk", b"\x1f\x8bjunk", b"PK\5\6" + bytes(18), b"<!DOCTYPE html><html>"]
)
def test_no_archive_or_nothing_wanted_in_it(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "x.tgz").write_bytes(junk)
    refused(tmp_path / "x.tgz", "damaged, or no archive")
    refused(packed(tmp_path, "tgz", {"other/a": b"a"}), "no file in a folder set")

"""Archives, honest and hostile: what comes out is whole and inside its folder, or it is nothing."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stackgan_cli.downloads.addresses import CUB, FLOWERS
from stackgan_cli.downloads.unpacking import STAMP, is_unpacked, unpack
from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.cub import CubReader
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader

NOISE = random.Random(0).randbytes(3 << 20)
FILES = {"set/a.jpg": b"a", "set/deep/er/b.jpg": NOISE, "set/ü ñ.txt": b"", "other/c.jpg": b"c", "top.txt": b"top"}
KINDS = ["tgz", "tar", "zip", "stored.zip"]


def tar(path: Path, *members: tuple[str, bytes | None], mode: str = "w:gz", **properties: Any) -> Path:
    """Make a tar of files, or of members with the ``properties`` of a `tarfile.TarInfo` where the content is None."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                for key, value in properties.items():
                    setattr(info, key, value)
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, *members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, content)
    return path


def packed(folder: Path, kind: str, *members: tuple[str, bytes]) -> Path:
    path = folder / f"archive.{kind}"
    if kind.endswith("zip"):
        return zipped(path, *members, method=zipfile.ZIP_DEFLATED if kind == "zip" else zipfile.ZIP_STORED)
    return tar(path, *members, mode="w:gz" if kind == "tgz" else "w")


def content(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return {name: path.read_bytes() for name, path in found.items() if name != STAMP}


@pytest.fixture(params=["with the filter of tarfile", "without it"])
def filtered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has that filter since 3.11.4; what is refused may not depend on it."""
    if request.param == "without it":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def quiet(done: int, total: int | None) -> None:
    pass


def refused(archive: Path, words: str | None = None, **options: Any) -> str:
    """Check that nothing is unpacked and nothing written beside; return what is said."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(DataError, match=words) as error:
        unpack(archive, archive.parent / "out", report=quiet, **options)
    assert sorted(archive.parent.rglob("*")) == before
    assert error.value.hint
    return error.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_an_archive_or_one_folder_of_it(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, *FILES.items())
    reports: list[tuple[int, int | None]] = []
    whole = unpack(archive, tmp_path / "sub" / "whole", report=lambda *numbers: reports.append(numbers))
    assert content(whole) == FILES
    assert reports == sorted(reports)
    assert reports[-1][0] == reports[-1][1]
    assert len(reports) > len(FILES)
    one = unpack(archive, tmp_path / "set", report=quiet, inside="set")
    assert content(one) == {"a.jpg": b"a", "deep/er/b.jpg": NOISE, "ü ñ.txt": b""}
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.name, "set", "sub"]


def test_a_folder_that_is_unpacked_is_left_alone(tmp_path: Path) -> None:
    archive = packed(tmp_path, "tgz", *FILES.items())
    folder = unpack(archive, tmp_path / "set", report=quiet, inside="set")
    (folder / "a.jpg").write_bytes(b"my own work")
    before = folder.stat().st_mtime_ns
    assert unpack(archive, folder, report=quiet, inside="set") == folder
    assert (folder / "a.jpg").read_bytes() == b"my own work"
    assert folder.stat().st_mtime_ns == before
    for words in ({"inside": "other"}, {"inside": "set", "checksum": "md5:00"}):
        with pytest.raises(DataError, match="exists already"):
            unpack(archive, folder, report=quiet, **words)
    assert (folder / "a.jpg").read_bytes() == b"my own work"


def test_the_archive_is_not_needed_any_more_where_its_checksum_is_known(tmp_path: Path) -> None:
    archive = packed(tmp_path, "zip", *FILES.items())
    folder = unpack(archive, tmp_path / "out", report=quiet, checksum="sha256:12")
    archive.unlink()
    assert unpack(archive, folder, report=quiet, checksum="sha256:12") == folder
    assert is_unpacked(folder, "sha256:12")
    assert not is_unpacked(folder, "sha256:13")
    assert not is_unpacked(tmp_path / "nothing", "sha256:12")


@pytest.mark.parametrize("stamp", ["", "[]", "{", "7", "[" * 100_000, '{"checksum": null}'])
def test_a_stamp_that_is_none(tmp_path: Path, stamp: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / STAMP).write_text(stamp)
    assert not is_unpacked(folder, "sha256:12")
    refused(packed(tmp_path, "zip", *FILES.items()), "exists already")


def test_somebodys_own_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    archive = packed(tmp_path, "zip", *FILES.items())
    refused(archive, "exists already")
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    refused(archive, "exists already")


def test_a_stopped_run_leaves_nothing_and_a_killed_one_is_swept(tmp_path: Path) -> None:
    archive = packed(tmp_path, "tgz", *FILES.items())

    def stop(done: int, _: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "out", report=stop)
    assert list(tmp_path.iterdir()) == [archive]
    (tmp_path / ".out.abc.partial" / "half").mkdir(parents=True)
    (tmp_path / ".other.abc.partial").mkdir()
    unpack(archive, tmp_path / "out", report=quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.abc.partial", archive.name, "out"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil", "a/.."])
def test_names_that_lead_out(filtered: None, tmp_path: Path, kind: str, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    archive = packed(folder, kind, ("a/fine.txt", b"fine"), (name, b"evil"))
    if name == "a/..":
        assert content(unpack(archive, folder / "out", report=quiet)) == {"a/fine.txt": b"fine"}
    else:
        refused(archive, "leads out")
        refused(archive, "leads out", inside="a")


@pytest.mark.parametrize("name", ["a//b.txt", "./a/b.txt", "a/./c/../b.txt", "a\\b.txt"])
@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_only_odd(tmp_path: Path, kind: str, name: str) -> None:
    archive = packed(tmp_path, kind, (name, b"x"))
    assert content(unpack(archive, tmp_path / "out", report=quiet, inside="a")) == {"b.txt": b"x"}


@pytest.mark.parametrize(
    "members",
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "A.JPG"),
        ("caf\u00e9.txt", "cafe\u0301.txt"),
        ("stra\u00dfe/a", "STRASSE/b"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/b", "./a//b"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(tmp_path: Path, kind: str, members: tuple[str, str]) -> None:
    refused(packed(tmp_path, kind, *((name, b"x") for name in members)), "one and the same|twice")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "nothing", ".", "folder", "me"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_of_a_tar_that_are_refused(filtered: None, tmp_path: Path, kind: bytes, target: str) -> None:
    properties = {"type": kind, "linkname": target}
    refused(tar(tmp_path / "x.tgz", ("folder/a", b"a"), ("me", None), **properties), "link|leads out")


def test_nothing_is_written_through_a_link(filtered: None, tmp_path: Path) -> None:
    members = [("sub", None), ("sub/evil.txt", b"evil")]
    outside = tmp_path / "outside"
    outside.mkdir()
    for target in (str(outside), "../outside", "elsewhere"):
        archive = tar(tmp_path / "x.tgz", *members, type=tarfile.SYMTYPE, linkname=target)
        refused(archive)
    assert list(outside.iterdir()) == []


def test_links_to_files_of_the_archive_become_files(tmp_path: Path) -> None:
    symbolic = tar(tmp_path / "a.tgz", ("d/x", None), ("d/e/a", b"a"), type=tarfile.SYMTYPE, linkname="e/a")
    hard = tar(tmp_path / "b.tgz", ("d/e/a", b"a"), ("d/x", None), type=tarfile.LNKTYPE, linkname="d/e/a")
    unix = tmp_path / "c.zip"
    with zipfile.ZipFile(unix, "w") as package:
        link = zipfile.ZipInfo("d/x")
        link.external_attr = 0o120777 << 16
        package.writestr(link, "e/a")
        package.writestr("d/e/a", b"a")
    for archive in (symbolic, hard, unix):
        folder = unpack(archive, tmp_path / archive.stem, report=quiet, inside="d")
        assert content(folder) == {"x": b"a", "e/a": b"a"}
        assert not (folder / "x").is_symlink()


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../../x", b"nothing", b"\xff\xfe", b"x" * 5000])
def test_links_of_a_zip_that_are_refused(tmp_path: Path, target: bytes) -> None:
    refused(zipped(tmp_path / "x.zip", ("a", target), mode=0o120777))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"?"])
def test_devices_pipes_and_the_like(filtered: None, tmp_path: Path, kind: bytes) -> None:
    refused(tar(tmp_path / "x.tar", ("a", b"a"), ("dev", None), mode="w", type=kind), "dev|header|size")
    refused(zipped(tmp_path / "x.zip", ("dev", b""), mode=0o020666), "neither")


def test_permissions_and_owners_are_not_taken_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("run.sh")
        info.mode, info.uid, info.size = 0o6777, 12345, 1
        archive.addfile(info, io.BytesIO(b"x"))
        folder = tarfile.TarInfo("closed")
        folder.type, folder.mode = tarfile.DIRTYPE, 0
        archive.addfile(folder)
    out = unpack(tmp_path / "x.tar", tmp_path / "out", report=quiet)
    status = (out / "run.sh").stat()
    assert not status.st_mode & 0o7111
    assert status.st_uid != 12345
    assert (out / "closed").stat().st_mode & 0o700 == 0o700


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_the_disk_holds(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(tmp_path, kind, *FILES.items())
    usage, size = shutil.disk_usage(tmp_path), 1 << 20

    def free(_: Path) -> object:
        taken = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and path != archive)
        return usage._replace(free=size - taken)

    monkeypatch.setattr(shutil, "disk_usage", free)
    refused(archive, "too little room")
    if kind.endswith("zip"):
        # A zip says in front how much it holds, so nothing is written in vain.
        with pytest.raises(DataError, match="too little room"):
            unpack(archive, tmp_path / "out", report=lambda *_: pytest.fail("it began"))
    assert content(unpack(archive, tmp_path / "set", report=quiet, inside="other")) == {"c.jpg": b"c"}
    size = len(NOISE) + 2000
    assert content(unpack(archive, tmp_path / "out", report=quiet)) == FILES


@pytest.mark.parametrize("kind", ["tgz", "zip"])
def test_a_bomb(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, ("a", bytes(40 << 20)), ("b", bytes(40 << 20)))
    assert archive.stat().st_size < 200_000
    refused(archive, "trap")


def test_a_bomb_of_links(tmp_path: Path) -> None:
    members = [("a", bytes(1 << 20)), *((f"link{number}", None) for number in range(100))]
    refused(tar(tmp_path / "x.tgz", *members, type=tarfile.LNKTYPE, linkname="a"), "trap")


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new)


@pytest.mark.parametrize("stated", [5, 2_000_000])
def test_a_zip_that_lies_about_a_size(tmp_path: Path, stated: int) -> None:
    archive = packed(tmp_path, "zip", ("a", b"z" * 1_000_000))
    archive.write_bytes(changed(archive.read_bytes(), struct.pack("<I", 1_000_000), struct.pack("<I", stated)))
    refused(archive, "damaged|larger")


def test_a_tar_with_impossible_headers_is_refused_without_reading_it_into_memory(tmp_path: Path) -> None:
    nothing = gzip.compress(bytes(48 << 20), 1)
    tracemalloc.start()
    try:
        for kind in (tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE):
            for size in (-512, 1 << 33):
                info = tarfile.TarInfo("a")
                info.type, info.size = kind, size
                (tmp_path / "x.tgz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)) + nothing)
                refused(tmp_path / "x.tgz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path, kind, *((name, data[:2000]) for name, data in FILES.items()))
    data = archive.read_bytes()
    # A tar ends with two blocks of zeros and is padded to 10,240 bytes.
    end = len(data.rstrip(b"\0")) + 400 if kind == "tar" else len(data) - 1
    for length in {*range(0, end, 97), end}:
        archive.write_bytes(data[:length])
        refused(archive)


@pytest.mark.parametrize("kind", ["tgz", "zip", "stored.zip"])
def test_a_changed_bit_is_noticed_or_harmless(tmp_path: Path, kind: str) -> None:
    members = [("set/a.jpg", NOISE[:300]), ("set/b.jpg", b"text " * 50)]
    archive = packed(tmp_path, kind, *members)
    data = archive.read_bytes()
    for position in range(0, len(data), 7):
        archive.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        try:
            folder = unpack(archive, tmp_path / "out", report=quiet)
        except DataError:
            assert list(tmp_path.iterdir()) == [archive]
            continue
        # A name in a zip has no checksum; what lies in the files has one.
        assert {*content(folder).values()} <= {data for _, data in members}
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "junk", [b"", b"junk" * 500, bytes(20_000), b"PK\3\4junk", b"\x1f\x8bjunk", b"PK\5\6" + bytes(18)]
)
def test_no_archive(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "x.tgz").write_bytes(junk)
    refused(tmp_path / "x.tgz")


def test_a_web_page_a_folder_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"<!DOCTYPE html><html>")
    refused(tmp_path / "x.tgz", "web page")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder")
    refused(tmp_path / "missing.tgz")


def test_the_wanted_folder_is_not_in_it(tmp_path: Path) -> None:
    archive = packed(tmp_path, "tgz", *FILES.items())
    refused(archive, "no file in a folder jpg", inside="jpg")
    refused(tar(tmp_path / "y.tgz", ("folder", None), type=tarfile.DIRTYPE), "no file")


def test_an_encrypted_zip_and_a_method_that_is_not_read(tmp_path: Path) -> None:
    archive = packed(tmp_path, "stored.zip", ("a", b"abc"))
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    archive.write_bytes(bytes(data))
    refused(archive, "encrypted")
    refused(zipped(tmp_path / "x.zip", ("a", bytes(1000)), method=zipfile.ZIP_LZMA), "packed in a way")


def test_names_that_are_too_long(tmp_path: Path) -> None:
    refused(packed(tmp_path, "tgz", ("a/" * 20_000 + "b", b"x")), "characters")
    refused(packed(tmp_path, "tgz", ("a" * 500, b"x")))


def cub(folder: Path) -> dict[str, bytes]:
    name = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18"
    words = folder / CUB.by_hand[0].place / f"{name}.txt"
    words.parent.mkdir(parents=True)
    words.write_text("a bird\n")
    return {
        "attributes.txt": b"1 has_bill_shape::curved",
        "CUB_200_2011/images.txt": f"1 {name}.jpg\n".encode(),
        "CUB_200_2011/bounding_boxes.txt": b"1 1.0 1.0 2.0 2.0\n",
        f"CUB_200_2011/images/{name}.jpg": picture(),
    }


def flowers(folder: Path) -> dict[str, bytes]:
    words = folder / FLOWERS.by_hand[0].place / "class_00001" / "image_00001.txt"
    words.parent.mkdir(parents=True)
    words.write_text("a flower\n")
    return {"jpg/image_00001.jpg": picture()}


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "reader", "make"), [(CUB, CubReader, cub), (FLOWERS, FlowersReader, flowers)])
def test_a_published_archive_becomes_what_its_reader_reads(
    tmp_path: Path, data: Any, reader: Any, make: Callable[[Path], dict[str, bytes]]
) -> None:
    source = tmp_path / "source"
    archive = packed(tmp_path, "tgz", *make(source).items())
    inside = data.files[0].inside
    unpack(archive, source / inside, report=quiet, inside=inside)
    assert reader().recognises(source)
    (example,) = reader().examples(source)
    assert example.captions[0].startswith("a ")
    assert Image.open(example.image).size == (4, 4)

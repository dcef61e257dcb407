"""What a person may name as a source beside folders: archives of any layout, and lists, which mean their folders."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stackgan_cli.preparing.prepare as preparing

Stackgan = Callable[..., Any]


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (90, 80, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


PAIRS: dict[str, bytes] = {
    name: data for key in "abc" for name, data in ((f"images/{key}.jpg", jpeg()), (f"text/{key}.txt", b"a bird"))
}
LISTED = {f"{key}.jpg": jpeg() for key in "abc"} | {"metadata.csv": b"file_name,text\na.jpg,x\nb.jpg,y\nc.jpg,z\n"}
COCO = {
    "photos/images/9.jpg": jpeg(),
    "photos/captions.json": json.dumps(
        {"images": [{"id": 9, "file_name": "9.jpg"}], "annotations": [{"image_id": 9, "caption": "a meal"}]}
    ).encode(),
}
FORMS = {"zip": "", "tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def packed(path: Path, files: dict[str, bytes], **member: Any) -> Path:
    """Write an archive of the kind that its name says; ``member`` are properties of every file in a tar."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, FORMS[path.name.partition(".")[2]]) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for key, value in member.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def prepare(stackgan: Stackgan, empty_home: Path) -> Stackgan:
    def call(source: Path, *more: object) -> Any:
        common = ("--data", "mine", "--resolution", 16, "--encoder", "hashed-words", "--json")
        return stackgan("prepare", "--source", source, *common, *more)

    return call


def left_of(home: Path) -> list[str]:
    """What lies beside prepared data, but for locks."""
    folder = home / "data"
    return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.exists() else []


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_of_a_folder_is_read_and_leaves_nothing_unpacked(
    prepare: Stackgan, tmp_path: Path, empty_home: Path, form: str
) -> None:
    archive = packed(tmp_path / f"birds.{form}", {f"set/{name}": data for name, data in PAIRS.items()})
    done = prepare(archive)
    assert done.code == 0, done.err
    assert done.says(f"{archive.name} is an archive", "Reading with folder: set/images/a.jpg")
    assert sum(done.json["counts"].values()) == 3
    assert done.json["source"] == str(archive)
    assert left_of(empty_home) == ["mine"]


@pytest.mark.parametrize(
    ("files", "reader"), [(LISTED, "folder"), (COCO, "coco"), ({f"a/b/{k}": v for k, v in COCO.items()}, "coco")]
)
def test_archives_of_any_layout_with_what_macos_adds(
    prepare: Stackgan, tmp_path: Path, files: dict[str, bytes], reader: str
) -> None:
    more = {"__MACOSX/._a.jpg": b"x", ".DS_Store": b"x"}
    done = prepare(packed(tmp_path / "set.zip", files | more))
    assert done.code == 0, done.err
    assert done.says(f"Reading with {reader}")


def test_the_same_archive_is_read_again_for_more(prepare: Stackgan, tmp_path: Path, empty_home: Path) -> None:
    archive = packed(tmp_path / "set.tar.gz", PAIRS)
    assert prepare(archive).code == 0
    for more in (("--resolution", 24), ("--verify",)):
        done = prepare(archive, *more)
        assert done.code == 0, done.err
        assert left_of(empty_home) == ["mine"]
    again = prepare(archive)
    assert again.says("holds exactly these pictures already")


def test_a_stopped_run_goes_on_with_what_was_unpacked(
    prepare: Stackgan, tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(tmp_path / "set.zip", PAIRS)
    original = preparing.survey

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "survey", stop)
    assert prepare(archive).code == 130
    assert left_of(empty_home) == [".mine.unpacked"]
    monkeypatch.setattr(preparing, "survey", original)
    done = prepare(archive)
    assert done.code == 0, done.err
    assert "is an archive" not in done.err
    assert left_of(empty_home) == ["mine"]


@pytest.mark.parametrize(
    ("name", "files", "member", "words"),
    [
        ("x.zip", PAIRS | {"../evil.txt": b"x"}, {}, "leads out of the folder"),
        ("x.zip", PAIRS | {"/tmp/evil.txt": b"x"}, {}, "leads out of the folder"),
        ("x.tar", PAIRS | {"a/../../evil.txt": b"x"}, {}, "leads out of the folder"),
        ("x.tar.gz", PAIRS | {"C:\\evil.txt": b"x"}, {}, "leads out of the folder"),
        ("x.tar", {"images/a.jpg": b""}, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "neither a file nor"),
        ("x.tgz", {"images/a.jpg": b""}, {"type": tarfile.LNKTYPE, "linkname": "../../x"}, "neither a file nor"),
        ("x.tar", {"images/a.jpg": b""}, {"type": tarfile.FIFOTYPE}, "neither a file nor"),
        ("x.zip", PAIRS | {"a.txt": bytes(80 << 20)}, {}, "as in a trap"),
        ("x.tar.gz", PAIRS | {"a.txt": bytes(80 << 20)}, {}, "as in a trap"),
        ("x.tar.bz2", PAIRS | {"a.txt": bytes(80 << 20)}, {}, "as in a trap"),
        ("x.tar.xz", PAIRS | {"a.txt": bytes(80 << 20)}, {}, "as in a trap"),
        ("x.zip", {}, {}, "it holds no file"),
        ("x.zip", PAIRS | {f"{'a' * 300}.jpg": b""}, {}, "a name that cannot be in the folder (File name too long)"),
        ("x.tar", {"a": b"", "a/b.jpg": b""}, {}, "a name that cannot be in the folder (Not a directory)"),
    ],
)
def test_hostile_archives_are_refused_and_nothing_is_kept(
    prepare: Stackgan,
    tmp_path: Path,
    empty_home: Path,
    name: str,
    files: dict[str, bytes],
    member: dict[str, Any],
    words: str,
) -> None:
    archive = packed(tmp_path / name, files, **member)
    before = sorted(tmp_path.iterdir())
    done = prepare(archive)
    assert done.code == 3
    assert done.says(words, "Nothing of it was kept", "give the folder to --source")
    assert left_of(empty_home) == []
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("form", FORMS)
def test_archives_that_are_cut_short(prepare: Stackgan, tmp_path: Path, empty_home: Path, form: str) -> None:
    archive = packed(tmp_path / f"set.{form}", PAIRS)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 2 // 3])
    done = prepare(archive)
    assert done.code == 3
    assert done.err.count("Error:") == 1
    assert left_of(empty_home) == []


def test_what_is_wrong_in_an_archive_is_said_of_the_archive(prepare: Stackgan, tmp_path: Path) -> None:
    archive = packed(tmp_path / "set.zip", {name: data for name, data in PAIRS.items() if name.startswith("images")})
    done = prepare(archive)
    assert done.code == 3
    assert done.says(f"No reader recognises the layout of {archive}: it holds")
    assert ".unpacked" not in done.err


def test_of_a_long_name_in_an_archive_enough_is_said(prepare: Stackgan, tmp_path: Path) -> None:
    done = prepare(packed(tmp_path / "set.zip", {"../" * 2000 + "x.png": jpeg()}))
    assert done.code == 3
    assert done.says("no archive to be trusted", "Nothing of it was kept")
    assert len(done.err) < 1000


def test_an_archive_within_an_archive_stays_one(prepare: Stackgan, tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", PAIRS).read_bytes()
    done = prepare(packed(tmp_path / "outer.zip", {"inner.zip": inner}))
    assert done.code == 3
    assert done.says("No reader recognises")


def test_the_reader_that_a_person_names_gets_what_is_inside(prepare: Stackgan, tmp_path: Path) -> None:
    archive = packed(tmp_path / "photos.zip", COCO)
    done = prepare(archive, "--reader", "coco")
    assert done.code == 0, done.err
    shards = packed(tmp_path / "shard.tar", {"a.jpg": jpeg(), "a.txt": b"x", "b.jpg": jpeg(), "b.txt": b"y"})
    done = prepare(shards, "--reader", "webdataset", "--force")
    assert done.code == 0, done.err
    assert "is an archive" not in done.err


def test_shards_are_read_where_they_lie_and_other_tars_are_unpacked(prepare: Stackgan, tmp_path: Path) -> None:
    apart = {f"{key}.jpg": jpeg() for key in "abc"} | {f"{key}.txt": b"x" for key in "abc"}
    done = prepare(packed(tmp_path / "apart.tar", apart))
    assert done.code == 0, done.err
    assert done.says("is an archive", "Reading with folder")
    together = {name: apart[name] for name in sorted(apart)}
    done = prepare(packed(tmp_path / "together.tar", together), "--force")
    assert done.says("Reading with webdataset")


def unpacked(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.mark.parametrize(
    ("files", "named", "folder"),
    [
        (LISTED, "metadata.csv", "."),
        ({f"train/{name}": data for name, data in LISTED.items()}, "train/metadata.csv", "train"),
        (PAIRS | {"words.csv": b"a.jpg,one\nb.jpg,two\nc.jpg,three\n"}, "words.csv", "."),
        (PAIRS | {"ann/words.json": b'{"a.jpg": "one", "b.jpg": "two", "c": "three"}'}, "ann/words.json", "."),
        (COCO, "photos/captions.json", "photos"),
    ],
)
def test_a_list_means_its_folder(
    prepare: Stackgan, tmp_path: Path, files: dict[str, bytes], named: str, folder: str
) -> None:
    root = unpacked(tmp_path / "data", files)
    done = prepare(root / named)
    assert done.code == 0, done.err
    assert done.says(f"{Path(named).name} is a list, so its pictures are looked for in {(root / folder).resolve()}")
    assert done.json["source"] == str((root / folder).resolve())
    assert done.json["reader"]["options"].get("captions") == (
        None if "metadata" in named else Path(named).relative_to(folder).as_posix()
    )


def test_captions_may_be_named_from_here_or_from_the_source(
    prepare: Stackgan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: data for name, data in PAIRS.items() if name.startswith("images")}
    root = unpacked(tmp_path / "data", files | {"in.csv": b"a.jpg,inside\n", "in2.csv": b"a.jpg,x\n"})
    unpacked(tmp_path / "here", {"out.csv": b"a.jpg,outside\n", "texts/a.txt": b"words"})
    monkeypatch.chdir(tmp_path / "here")
    for named, kept in (("in.csv", "in.csv"), ("out.csv", str(tmp_path / "here" / "out.csv")), ("texts", None)):
        done = prepare(root, "--captions", named, "--force")
        assert done.code == 0, done.err
        assert kept in (None, done.json["reader"]["options"]["captions"])
    done = prepare(root, "--captions", "nowhere.csv", "--force")
    assert done.code == 3


def test_what_img2dataset_writes_is_read_without_its_tables(prepare: Stackgan, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    files: dict[str, bytes] = {}
    for shard in ("00000", "00001"):
        key = f"{shard}0004"
        record = json.dumps({"caption": "a thing", "key": key, "url": "https://example.org"}).encode()
        files |= {f"{shard}/{key}.jpg": jpeg(), f"{shard}/{key}.txt": b"a thing", f"{shard}/{key}.json": record}
        files[f"{shard}_stats.json"] = b'{"count": 1}'
    root = unpacked(tmp_path / "data", files)
    parquet.write_table(pyarrow.table({"url": ["https://x"], "caption": ["a thing"]}), root / "00000.parquet")
    done = prepare(root)
    assert done.code == 0, done.err
    assert done.says("Reading with folder", "text file beside it")
    assert done.json["classes"] == []
    assert sum(done.json["counts"].values()) == 2


def test_a_table_of_names_in_parquet_is_a_list_and_one_of_pictures_is_not(prepare: Stackgan, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    root = unpacked(tmp_path / "data", {f"{key}.jpg": jpeg() for key in "abc"})
    parquet.write_table(pyarrow.table({"path": ["a.jpg", "b.jpg"], "text": ["one", "two"]}), root / "all.parquet")
    for source in (root, root / "all.parquet"):
        done = prepare(source, "--force")
        assert done.code == 0, done.err
        assert done.says("Reading with folder: all.parquet lists pictures and captions")

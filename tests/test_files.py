from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

import pytest

from stackgan_cli.errors import StackganError
from stackgan_cli.files import atomic_file, atomic_folder, sweep, write_text


def test_an_atomic_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    (target / "old").write_text("old")

    def fail() -> None:
        with atomic_folder(target) as folder:
            (folder / "new").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (target / "old").read_text() == "old"
    with atomic_folder(target) as folder:
        (folder / "new").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "new"]


def test_an_atomic_file_keeps_what_was_there_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "first")

    def fail() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(StackganError, match="No space left"):
        fail()
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="this system cannot exchange two names")
def test_a_folder_that_is_replaced_is_there_at_every_moment(tmp_path: Path) -> None:
    target = tmp_path / "stage1"
    target.mkdir()
    missed, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            if not target.is_dir():
                missed.append(1)

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(200):
        with atomic_folder(target) as folder:
            (folder / "number").write_text(str(number))
    done.set()
    looking.join()
    assert not missed
    assert (target / "number").read_text() == "199"
    assert [path.name for path in tmp_path.iterdir()] == ["stage1"]


def test_only_what_we_left_half_written_is_swept(tmp_path: Path) -> None:
    for name in (".stage1.abcd1234.partial", ".best.abcd1234.old/best", ".git.old/objects", ".notes.partial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".log.jsonl.4711.partial").touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git.old", ".notes.partial", "best"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "room"), (errno.EDQUOT, "room"), (errno.EACCES, "permissions"), (errno.EROFS, "permissions")],
)
def test_room_is_asked_for_only_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(StackganError, match=os.strerror(number)) as error:
        write_text(tmp_path / "a.txt", "a")
    assert remedy in str(error.value.hint)
    assert ("room" in str(error.value.hint)) == (remedy == "room")

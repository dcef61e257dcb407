from __future__ import annotations

from pathlib import Path

import pytest

from stackgan_cli.errors import StackganError
from stackgan_cli.files import atomic_file, atomic_folder, write_text


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

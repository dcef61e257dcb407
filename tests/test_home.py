from __future__ import annotations

from pathlib import Path

import pytest

from stackgan_cli import home as places
from stackgan_cli.errors import DataError, UsageError


def test_names_live_in_the_home_folder_and_paths_where_they_say(empty_home: Path, tmp_path: Path) -> None:
    assert places.data_folder("cub") == empty_home / "data" / "cub"
    assert places.model_folder("cub") == empty_home / "models" / "cub"
    assert places.model_folder(str(tmp_path / "mine")) == tmp_path / "mine"
    assert places.model_folder("./mine") == Path.cwd() / "mine"


@pytest.mark.parametrize("name", ["", "  ", "a b", "x" * 101, "naïve", "a\nb", "-x"])
def test_what_is_neither_name_nor_path_is_refused(empty_home: Path, name: str) -> None:
    with pytest.raises(UsageError):
        places.data_folder(name)


def test_a_missing_name_is_answered_with_those_that_are_there(empty_home: Path) -> None:
    (empty_home / "data" / "there").mkdir(parents=True)
    (empty_home / "data" / "there" / "data.json").write_text("{}")
    with pytest.raises(DataError) as data:
        places.existing_data("cub")
    assert "there" in str(data.value.hint)
    assert "stackgan prepare --data cub" in str(data.value.hint)
    assert "Did you mean" not in str(data.value.hint)


@pytest.mark.parametrize("slip", ["drawn_birds", "Drawn-Birds", "drawn-bird", "drwan-birds"])
def test_a_slip_in_a_name_is_understood(empty_home: Path, slip: str) -> None:
    (empty_home / "data" / "drawn-birds").mkdir(parents=True)
    (empty_home / "data" / "drawn-birds" / "data.json").write_text("{}")
    with pytest.raises(DataError) as data:
        places.existing_data(slip)
    assert "Did you mean 'drawn-birds'?" in str(data.value.hint)


def test_commands_name_folders_so_that_they_can_be_typed(empty_home: Path, tmp_path: Path) -> None:
    assert places.shell_name(empty_home / "data" / "cub", "data") == "cub"
    assert places.shell_name(tmp_path / "it's mine", "data") == f"'{tmp_path}/it'\"'\"'s mine'"


def test_a_folder_that_was_not_finished_is_never_listed(empty_home: Path) -> None:
    partial = empty_home / "data" / ".cub.abc.partial"
    partial.mkdir(parents=True)
    (partial / "data.json").write_text("{}")
    assert places.names("data", "data.json") == []


@pytest.mark.parametrize("given", ["/tmp/caf\udce9", "~nosuchuser/home"])
def test_a_home_that_cannot_be_is_told_at_once(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("STACKGAN_HOME", given)
    with pytest.raises(UsageError, match=r"not UTF-8|cannot be followed") as told:
        places.data_folder("birds")
    assert not told.value.message.endswith("..")

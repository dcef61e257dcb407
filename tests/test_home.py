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


def test_a_folder_that_was_not_finished_is_never_listed(empty_home: Path) -> None:
    partial = empty_home / "data" / ".cub.abc.partial"
    partial.mkdir(parents=True)
    (partial / "data.json").write_text("{}")
    assert places.names("data", "data.json") == []

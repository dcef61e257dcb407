from __future__ import annotations

from pathlib import Path

import pytest

from stackgan_cli import home as places
from stackgan_cli.errors import DataError, ModelError, UsageError


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
    for kind, manifest in (("data", "data.json"), ("models", "stackgan.json")):
        (empty_home / kind / "there").mkdir(parents=True)
        (empty_home / kind / "there" / manifest).write_text("{}")
    with pytest.raises(DataError) as data:
        places.existing_data("cub")
    assert "there" in str(data.value.hint)
    assert "stackgan prepare --data cub" in str(data.value.hint)
    with pytest.raises(ModelError) as model:
        places.existing_model("cub")
    assert "there" in str(model.value.hint)


def test_the_model_is_the_named_then_the_variable_then_the_last_trained_then_the_bundled(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    assert places.existing_model(None) == places.BUNDLED
    for age, name in enumerate(("newest", "older", "oldest")):
        folder = empty_home / "models" / name
        folder.mkdir(parents=True)
        (folder / "stackgan.json").write_text("{}")
        os.utime(folder / "stackgan.json", (1e9 - age * 1000,) * 2)
    assert places.existing_model(None).name == "newest"
    monkeypatch.setenv("STACKGAN_MODEL", "older")
    assert places.existing_model(None).name == "older"
    assert places.existing_model("oldest").name == "oldest"
    assert places.existing_model("bundled") == places.BUNDLED


def test_a_folder_that_was_not_finished_is_never_listed(empty_home: Path) -> None:
    partial = empty_home / "data" / ".cub.abc.partial"
    partial.mkdir(parents=True)
    (partial / "data.json").write_text("{}")
    assert places.names("data", "data.json") == []

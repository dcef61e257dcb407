from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.recipes.finding import recipes

NAMES = [recipe.name for recipe in recipes() if recipe.built_in]
Stackgan = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_list_names_every_recipe_with_its_package_and_summary(stackgan: Stackgan) -> None:
    listed = stackgan("recipes", "list", "--json").json
    ours = [row for row in listed["recipes"] if row["package"] == "stackgan-cli"]
    assert [row["name"] for row in ours] == NAMES
    assert all(row["version"] and row["summary"] for row in ours)
    assert all(name in stackgan("recipes", "list").out for name in NAMES)


def test_what_show_prints_is_a_recipe_file(stackgan: Stackgan, here: Path) -> None:
    shown = stackgan("recipes", "show", NAMES[0])
    assert "# Side of the generator's pictures in pixels.\nresolution = " in shown.out
    (here / "mine.toml").write_text(shown.out)
    assert stackgan("recipes", "show", "mine.toml").out == shown.out
    assert (
        stackgan("recipes", "show", "mine.toml", "--json").json == stackgan("recipes", "show", NAMES[0], "--json").json
    )


def test_copy_writes_a_file_to_change_and_overwrites_none(stackgan: Stackgan, here: Path) -> None:
    name = NAMES[0]
    assert stackgan("recipes", "copy", f"stackgan-cli:{name}").out.strip() == f"{name}.toml"
    assert (here / f"{name}.toml").read_text() == stackgan("recipes", "show", name).out
    (here / f"{name}.toml").write_text(f'extends = "{name}"\nsummary = "Mine"')
    again = stackgan("recipes", "copy", name)
    assert again.code == 2
    assert again.says(f"{name}.toml exists already")
    done = stackgan("recipes", "copy", f"{name}.toml", "mine.toml", "--json")
    assert done.json == {"recipe": f"{name}.toml", "file": "mine.toml"}
    assert 'summary = "Mine"' in (here / "mine.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "qick"), 3, "Did you mean 'quick'?"),
        (("show", "absent.toml"), 3, "absent.toml"),
        (("copy", "qick"), 3, "Did you mean 'quick'?"),
        (("copy", "quick", "mine.txt"), 2, ".toml"),
        (("copy", "quick", "nowhere/mine.toml"), 1, "nowhere/mine.toml"),
    ],
)
def test_slips_are_told_and_leave_nothing(
    stackgan: Stackgan, here: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = stackgan("recipes", *arguments)
    assert done.code == code
    assert done.says(words)
    assert not list(here.iterdir())


def test_a_run_is_planned_from_the_settings_of_another(stackgan: Stackgan, model: Path) -> None:
    settings = model / "training" / "stage1" / "settings.toml"
    again = ("--data", "birds", "--recipe", settings, "--dry-run", "--json")
    plan = stackgan("train-stage1", "--name", "again", *again)
    assert plan.code == 0, plan.err
    assert (plan.json["resolution"], plan.json["steps"]) == (16, 6)
    refused = stackgan("train-stage2", *again)
    assert refused.code == 3
    assert refused.says("nothing for Stage-II")


def test_no_help_names_recipes_which_are_listed_by_a_command(stackgan: Stackgan) -> None:
    for command in ("train-stage1", "train-stage2", "recipes", "recipes list", "recipes show", "recipes copy"):
        assert not re.search(rf"\b({'|'.join(NAMES)})\b", stackgan(*command.split(), "--help").out), command
    assert "stackgan recipes list" in " ".join(stackgan("train-stage1", "--help").out.replace("│", " ").split())


def test_names_are_completed_without_torch() -> None:
    program = "import sys; from stackgan_cli.commands.completing import complete_recipe as names; print(*names())"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print({{'torch', 'numpy', 'pydantic'}} & set(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == [" ".join(NAMES), "set()"]

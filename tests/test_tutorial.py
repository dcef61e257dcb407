"""The code of plugins/README.md, installed as it stands there: what people copy must work."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.registry import Kind
from stackgan_cli.recipes.loading import load_recipe

PAGE = (Path(__file__).parents[1] / "plugins" / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(\S+/\S+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PROJECTS = [tomllib.loads(text)["project"] for path, text in FILES.items() if path.endswith("pyproject.toml")]
OFFERED = [
    (f"{project['name']}:{name}", kind)
    for project in PROJECTS
    for kind in Kind
    for name in project["entry-points"].get(kind.group, {})
]


@pytest.fixture
def tutorial(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of the page, installed for a test."""
    for project in PROJECTS:
        groups = project["entry-points"].items()
        lines = [line for group, names in groups for line in (f"[{group}]", *map(" = ".join, names.items()))]
        site = install(project["name"], "\n".join(lines), version=project["version"])
        (site / f"{project['name'].replace('-', '_')}.py").unlink()
    for path, text in FILES.items():
        _, source, inside = path.partition("/src/")
        if source:
            (site / inside).parent.mkdir(parents=True, exist_ok=True)
            (site / inside).write_text(text, encoding="utf-8")
    # Importing every module anew takes seconds with torch.
    monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")


@pytest.mark.parametrize(("name", "kind"), OFFERED)
def test_components_of_the_page_conform(tutorial: None, name: str, kind: Kind) -> None:
    assert_conforms(kind, name)


def test_the_reader_the_recipe_and_the_command_of_the_page_work(
    tutorial: None, stackgan: Callable[..., Any], captioned_folder: Callable[..., Path]
) -> None:
    folder = captioned_folder(2)
    (folder / "captions.tsv").write_text("000.png\tone\n000.png\tfirst one\n001.png\ttwo\n", encoding="utf-8")
    assert_conforms(Kind.DATASET_READER, "table", source=folder)
    stage = load_recipe("first").stage1
    assert stage is not None
    assert stage.generator.name == "stackgan-first-parts:sketch"
    assert stackgan("count-words", folder / "captions.tsv", "--most", "1").out.split() == ["2", "000.png"]


def test_the_model_of_the_page_is_drawn_with(
    tutorial: None, stackgan: Callable[..., Any], made_once: Path, tmp_path: Path
) -> None:
    shutil.copytree(made_once / "models" / "birds", tmp_path / "site" / "stackgan_flowers" / "model")
    drawn = stackgan("generate", "a yellow flower", "--model", "flowers", "-o", tmp_path / "flower.png")
    assert drawn.code == 0, drawn.err

"""The notebook of the examples: what is committed is its text alone, and it runs from top to bottom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "examples" / "08-the-paper-as-a-notebook"


@pytest.fixture
def cells() -> list[dict[str, Any]]:
    notebook = json.loads((FOLDER / "the-paper.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = notebook["cells"]
    return found


def test_the_notebook_holds_no_outputs(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in cells}) == len(cells)


@pytest.mark.slow
def test_the_notebook_runs_and_shows_pictures(
    tmp_path: Path, cells: list[dict[str, Any]], run_example: Callable[[Path], Any]
) -> None:
    done = run_example(FOLDER)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert f"cell {len(code)} of {len(code)}" in done.out
    pictures = sorted((tmp_path / "08").glob("the-paper-*.png"))
    assert len(pictures) == len(code) - 1
    assert all(Image.open(path).width >= 256 for path in pictures)

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MOST_BYTES = 14_000_000


@pytest.fixture(scope="session")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sentences drawn as a newcomer would, eight pictures each."""
    folder = tmp_path_factory.mktemp("flowers")
    sentences = ("a flower with purple petals", "a flower with yellow petals")
    command = [sys.executable, "-m", "stackgan_cli", "generate", *sentences, "--model", "flowers"]
    subprocess.run([*command, "-n", "8", "--seed", "1", "--output", folder], check=True, timeout=600)
    return folder


def test_sentences_become_pictures_in_the_colours_that_they_name(draw: Path) -> None:
    colours = {}
    for name in ("purple", "yellow"):
        files = sorted(draw.glob(f"*{name}*.png"))
        assert len(files) == 8
        pictures = [Image.open(file) for file in files]
        assert {picture.size for picture in pictures} == {(256, 256)}
        # The middle of the picture, where the flower is.
        colours[name] = np.mean([np.asarray(picture)[64:192, 64:192].reshape(-1, 3).mean(0) for picture in pictures], 0)
    red, green, blue = colours["yellow"] - colours["purple"]
    assert green > 20
    assert blue < -20
    assert red > -60


def test_the_model_is_found_by_its_name_and_is_small() -> None:
    from stackgan_cli.models.finding import find_model

    folder = find_model("flowers").folder
    assert folder.parent.name == "stackgan_flowers"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < MOST_BYTES

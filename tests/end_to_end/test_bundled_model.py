"""The model that comes with the package: small, whole, and true to the colours that it is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stackgan_cli.drawn_birds.palette import PLUMAGE
from stackgan_cli.models.finding import find_model
from stackgan_cli.pipeline import Pipeline

COLOURS = ("red", "blue", "green", "yellow", "black", "white")
SEEDS = range(4)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_pretrained("bundled")


def middle(pipeline: Pipeline, prompt: str) -> np.ndarray:
    """Mean colour of the middle of the picture, where the bird is, over some seeds."""
    pictures = [np.asarray(pipeline.draw(prompt, seed=seed), dtype=float)[96:176, 80:176] for seed in SEEDS]
    return np.mean(pictures, axis=(0, 1, 2))


def test_both_stages_are_there_and_small_and_say_how_they_were_made(pipeline: Pipeline) -> None:
    assert pipeline.stages == [1, 2]
    assert pipeline.resolution == 256
    bundled = find_model("bundled").folder
    weights = sum(path.stat().st_size for path in bundled.rglob("*.safetensors"))
    assert 0 < weights < 12_000_000
    for stage in (1, 2):
        training = bundled / "training" / f"stage{stage}"
        lines = (training / "log.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] == pipeline.model.manifest.stages[str(stage)].steps
        assert (training / "settings.toml").is_file()


def test_a_bird_is_nearest_the_colour_asked_for(pipeline: Pipeline) -> None:
    means = {colour: middle(pipeline, f"a large {colour} bird") for colour in COLOURS}
    average = np.mean(list(means.values()), axis=0)
    asked = {colour: np.array(PLUMAGE[colour], dtype=float) for colour in COLOURS}
    palette = np.mean(list(asked.values()), axis=0)
    for colour, mean in means.items():
        # Backgrounds are part of the middle too; they are alike for all, so what is left differs by the bird.
        # Black and white are further from all others than these are from each other: only the direction tells.
        likeness = {
            name: float(np.dot(mean - average, value - palette) / np.linalg.norm(value - palette))
            for name, value in asked.items()
        }
        assert max(likeness, key=lambda name: likeness[name]) == colour


def test_the_background_follows_the_words(pipeline: Pipeline) -> None:
    def corners(prompt: str) -> np.ndarray:
        pictures = [np.asarray(pipeline.draw(prompt, seed=seed), dtype=float) for seed in SEEDS]
        return np.mean([picture[-24:, :24] for picture in pictures], axis=(0, 1, 2))

    grass, snow = (
        corners("a small brown bird standing in the grass"),
        corners("a small brown bird standing in the snow"),
    )
    assert grass[1] - grass[2] > 30
    assert snow.mean() > grass.mean() + 30

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

SMALL = {"width": 8, "channels": 4, "input_side": 32, "epochs": 1, "count": 40}


@pytest.fixture
def compare(stackgan: Callable[..., Any], model: Path) -> Callable[..., Any]:
    """``stackgan evaluate --compare`` with a small extractor and few pictures, on the data ``birds``."""
    options = [part for name, value in SMALL.items() for part in ("--extractor-option", f"{name}={value}")]

    def called(*arguments: object) -> Any:
        return stackgan("evaluate", "--data", "birds", "--num-images", 24, *options, "--compare", *arguments)

    return called


def test_models_are_compared_on_the_same_captions_and_noise(compare: Callable[..., Any], model: Path) -> None:
    twin, blank = model.parent / "twin", model.parent / "blank"
    for copy in (twin, blank):
        shutil.copytree(model, copy)
    weights = blank / "stage2" / "model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(weights).items()}, weights)
    done = compare("birds", "twin", "blank", "--json")
    assert done.code == 0, done.err
    first, same, other = done.json["models"]
    assert [each["model"] for each in (first, same, other)] == ["birds", "twin", "blank"]
    assert "against_first" not in first
    assert same["metrics"] == first["metrics"]
    # What is one model's own is said of each, and of none for all.
    assert same["generators"] == first["generators"]
    assert {stage for stage in "12" if other["generators"][stage] != first["generators"][stage]} == {"2"}
    assert (first["stages"], first["resolution"]) == ({"1": 6, "2": 6}, 64)
    assert not done.json["protocol"].keys() & first.keys()
    assert done.json["comparable_to"] == [
        "models measured with this extractor's sha256 and this number of pictures, and nothing else"
    ]
    # A model does not differ from itself, and surely not by chance.
    assert same["against_first"].keys() >= {"frechet-distance", "attribute-accuracy"}
    assert all(each["value"] == 0 and each["interval"] == [0, 0] for each in same["against_first"].values())
    difference = other["against_first"]["frechet-distance"]
    assert difference["value"] == pytest.approx(
        other["metrics"]["frechet-distance"]["value"] - first["metrics"]["frechet-distance"]["value"]
    )
    low, high = difference["interval"]
    assert low < high
    # Those that are of all drawings of a caption, or of all training pictures, are told without a difference.
    assert "diversity" in other["metrics"]
    assert "diversity" not in other["against_first"]
    (folder,) = (model.parent.parent / "evaluation" / "comparisons" / "birds").iterdir()
    assert json.loads((folder / "comparison.json").read_text()) == done.json
    with Image.open(folder / "comparison.png") as figure:
        figure.load()
        assert figure.width > 8 * 128
        assert figure.height > 3 * 128


def test_a_protocol_that_is_not_met_says_so_of_a_comparison_too(compare: Callable[..., Any]) -> None:
    done = compare("birds", "birds", "--protocol", "stackgan-cub", "--extractor", "drawn-birds-judge", "--json")
    assert done.code == 0, done.err
    assert done.json["comparable_to"] == []
    why = "generated: the published number had 30,000, and this one has 24."
    assert done.json["not_comparable_because"].count(why) == 1


def test_the_table_has_a_column_for_each_model_and_names_need_the_option(
    compare: Callable[..., Any], stackgan: Callable[..., Any], model: Path
) -> None:
    done = compare("birds", "birds")
    assert done.code == 0, done.err
    assert "+0 (+0 to +0)" in " ".join(done.out.replace("│", " ").split())
    # At 80 columns, every word whole.
    assert max(map(len, done.out.splitlines())) <= 80
    assert "…" not in done.out
    assert "R-precision ↑" in done.out
    # Another measurement does not take the place of the first.
    assert compare("birds", "birds", "--seed", 1).code == 0
    assert len(list((model.parent.parent / "evaluation" / "comparisons" / "birds").iterdir())) == 2
    reported = compare("birds", "birds", "--report")
    assert reported.code == 2
    assert reported.says("are for one model")
    alone = compare("birds")
    assert alone.code == 2
    assert alone.says("two models or more")
    unasked = stackgan("evaluate", "birds", "--data", "birds")
    assert unasked.code == 2
    assert unasked.says("--compare, or --model birds")

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from stackgan_cli.pictures.picture_files import read_facts

COMMON = ("model", "fingerprint", "stage", "stackgan")
"""What is said of everything that is drawn."""
SIDE = 64
"""Of the pictures of the test's model; its sketches have 16."""


@pytest.fixture
def generate(stackgan: Callable[..., Any], model: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(*arguments: object) -> Any:
        where = () if "-o" in arguments else ("-o", tmp_path / "out")
        return stackgan("generate", "--device", "cpu", *arguments, *where)

    return run


def pixels(path: str | Path) -> Any:
    return np.asarray(Image.open(path).convert("RGB"))


def found(whole: Any, part: Any) -> tuple[int, int]:
    """Where a picture lies on a sheet: row and column."""
    height, width = part.shape[:2]
    corners = itertools.product(range(whole.shape[0] - height + 1), range(whole.shape[1] - width + 1))
    close = (each for each in corners if np.array_equal(whole[each], part[0, 0]))
    return next(
        (top, left) for top, left in close if np.array_equal(whole[top : top + height, left : left + width], part)
    )


def enlarged(picture: Any, times: int) -> Any:
    return picture.repeat(times, axis=0).repeat(times, axis=1)


@pytest.mark.parametrize("form", ["png", "webp"])
def test_enlarged_pictures_have_the_same_pixels_and_say_so(
    generate: Callable[..., Any], stackgan: Callable[..., Any], form: str
) -> None:
    plain = generate("a bird", "--seed", 1, "--format", form).out.strip()
    large = generate("a bird", "--seed", 1, "--format", form, "--upscale", 3, "--json").json["pictures"][0]
    assert np.array_equal(pixels(large["path"]), enlarged(pixels(plain), 3))
    assert (large["size"], large["upscale"]) == (3 * SIDE, 3)
    told = stackgan("info", large["path"], "--json").json["picture"]
    assert (told["size"], told["upscale"]) == (3 * SIDE, 3)
    assert "--upscale 3" in told["again"]
    again = generate("--again", large["path"], "--format", form).out.strip()
    assert np.array_equal(pixels(again), pixels(large["path"]))
    smaller = generate("--again", large["path"], "--format", form, "--upscale", 1).out.strip()
    assert np.array_equal(pixels(smaller), pixels(plain))


def test_enlarged_pictures_are_others_to_go_on_with(generate: Callable[..., Any]) -> None:
    assert len(generate("a bird", "a fish", "--seed", 1).out.splitlines()) == 2
    for _ in range(2):
        done = generate("a bird", "a fish", "--seed", 1, "--upscale", 2, "--resume")
    assert done.says("2 of 2 pictures were there already")


def test_sheets_and_ways_are_enlarged_too(generate: Callable[..., Any], tmp_path: Path) -> None:
    one = generate("a bird", "--seed", 1).out.strip()
    generate("a bird", "a fish", "--seed", 1, "--upscale", 2, "--grid-only", "-o", tmp_path / "sheet.png")
    found(pixels(tmp_path / "sheet.png"), enlarged(pixels(one), 2))
    generate("a bird", "a fish", "--seed", 1, "--interpolate", "--upscale", 2, "-o", tmp_path / "way.png")
    assert found(pixels(tmp_path / "way.png"), enlarged(pixels(one), 2)) == (0, 0)


@pytest.mark.parametrize("times", [0, -1, 1000])
def test_sizes_that_cannot_be_meant_are_refused(generate: Callable[..., Any], tmp_path: Path, times: int) -> None:
    done = generate("a bird", "--upscale", times)
    assert done.code == 2
    assert not (tmp_path / "out").exists()


def test_a_sheet_may_come_alone(generate: Callable[..., Any], tmp_path: Path) -> None:
    done = generate("a bird", "-n", 5, "--seed", 1, "--grid-only", "--json")
    assert done.code == 0, done.err
    (only,) = done.json["pictures"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [Path(only["path"]).name] == ["a-bird-1-grid.png"]
    named = generate("a bird", "-n", 5, "--seed", 1, "--grid-only", "-o", tmp_path / "sheet.webp").out.strip()
    assert np.array_equal(pixels(named), pixels(only["path"]))
    assert generate("a bird", "--grid-only", "-o", tmp_path / "sheet.webp").code == 2
    assert generate("a bird", "-n", 5, "--seed", 1, "--grid-only", "--resume").says("A sheet alone leaves no pictures")


@pytest.mark.parametrize(
    ("prompts", "each", "columns", "rows"),
    [(1, 3, 3, 1), (1, 4, 2, 2), (1, 6, 3, 2), (1, 12, 4, 3), (2, 3, 3, 2), (2, 8, 8, 2), (2, 12, 6, 4)],
)
def test_a_sheet_has_a_sensible_shape(
    generate: Callable[..., Any], prompts: int, each: int, columns: int, rows: int
) -> None:
    birds = [f"a bird, number {number}" for number in range(prompts)]
    done = generate(*birds, "-n", each, "--seed", 1, "--stage", 1, "--grid", "--json", "--upscale", 2)
    *pictures, sheet = [each["path"] for each in done.json["pictures"]]
    whole = pixels(sheet)
    places = [found(whole, pixels(path)) for path in pictures]
    assert len({left for _, left in places}) == columns
    assert len({top for top, _ in places}) == rows
    assert places == sorted(places)


def test_the_seed_stands_under_each_picture(generate: Callable[..., Any], tmp_path: Path) -> None:
    def under_first(seed: int) -> Any:
        path = tmp_path / f"{seed}.png"
        done = generate("a bird", "--seeds", f"{seed},99", "--grid-only", "-o", path)
        assert done.code == 0, done.err
        return pixels(path)[8 + SIDE : 8 + SIDE + 12, 8 : 8 + SIDE]

    ones = [under_first(seed) for seed in (1, 11, 2**63 - 1)]
    assert all((each < 200).any() for each in ones)
    assert not np.array_equal(ones[0], ones[1])


def test_sheets_and_ways_say_of_their_model_what_a_picture_says(generate: Callable[..., Any], tmp_path: Path) -> None:
    [one] = generate("a bird", "--seed", 1, "--json").json["pictures"]
    generate("a bird", "a fish", "--seed", 1, "--grid-only", "-o", tmp_path / "sheet.png")
    for name in ("way.png", "way.gif", "way.webp"):
        generate("a bird", "a fish", "--seed", 1, "--interpolate", "--frames", 2, "-o", tmp_path / name)
    for name in ("sheet.png", "way.png", "way.gif", "way.webp"):
        facts = read_facts(tmp_path / name)
        assert {key: facts[key] for key in COMMON} == {key: one[key] for key in COMMON}, name
    told = Image.open(tmp_path / "sheet.png").info["parameters"]
    assert told.splitlines()[:2] == ["a bird", "a fish"]
    assert told.splitlines()[2].startswith("seeds: [1, 1], model: birds, fingerprint: ")


def test_prompts_may_have_different_numbers_of_pictures_on_a_sheet(
    generate: Callable[..., Any], stackgan: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "prompts.csv").write_text("prompt,seeds,count\na bird,,3\na fish,7,\na frog,4-5,\n")
    done = generate("--from", tmp_path / "prompts.csv", "--seed", 1, "--grid", "--json")
    *pictures, sheet = [each["path"] for each in done.json["pictures"]]
    whole = pixels(sheet)
    assert len({found(whole, pixels(path)) for path in pictures}) == 6
    told = stackgan("info", sheet, "--json").json["picture"]
    assert (told["prompts"], told["seeds"]) == (["a bird", "a fish", "a frog"], [1, 2, 3, 7, 4, 5])
    assert told["again"] is None


@pytest.mark.parametrize("seeds", [("--seeds", "3,5,9"), ("--seed", 4, "-n", 3)])
def test_a_sheet_says_how_to_draw_it_again(
    generate: Callable[..., Any], stackgan: Callable[..., Any], tmp_path: Path, seeds: tuple[Any, ...]
) -> None:
    done = generate("a bird", "a fish", *seeds, "--sketches", "--grid", "--json")
    sheet = done.json["pictures"][-1]["path"]
    again = stackgan("info", sheet, "--json").json["picture"]["again"]
    command = shlex.split(again)[1:]
    once_more = stackgan(*command, "--device", "cpu", "-o", tmp_path / "again", "--json").json["pictures"][-1]["path"]
    assert np.array_equal(pixels(once_more), pixels(sheet))


def test_sketches_are_the_pictures_of_stage_one(generate: Callable[..., Any], tmp_path: Path) -> None:
    done = generate("a bird", "--seed", 1, "-n", 2, "--sketches", "--grid", "--json")
    assert done.code == 0, done.err
    first, sketch, *_, sheet = done.json["pictures"]
    assert [Path(each["path"]).name for each in (first, sketch)] == ["a-bird-1.png", "a-bird-1-sketch.png"]
    assert (first["stage"], sketch["stage"], sketch["size"]) == (2, 1, SIDE // 4)
    alone = generate("a bird", "--seed", 1, "--stage", 1).out.strip()
    assert np.array_equal(pixels(alone), pixels(sketch["path"]))
    again = generate("--again", sketch["path"]).out.strip()
    assert np.array_equal(pixels(again), pixels(sketch["path"]))
    whole = pixels(sheet["path"])
    left, right = found(whole, enlarged(pixels(sketch["path"]), 4)), found(whole, pixels(first["path"]))
    assert (right[0], right[1] - left[1]) == (left[0], SIDE + 4)
    listed = [json.loads(line) for line in (tmp_path / "out" / "pictures.jsonl").read_text().splitlines()]
    assert [each["stage"] for each in listed] == [2, 1, 2, 1]


def test_a_checkpoint_is_of_the_stage_that_is_drawn(generate: Callable[..., Any], model: Path) -> None:
    weights = model / "training" / "stage1" / "best" / "averaged.safetensors"
    nothing = {name: 0 * tensor for name, tensor in load_file(weights).items()}
    weights.unlink()
    save_file(nothing, weights)
    told = {
        stage: generate("a bird", "--seed", 1, "--checkpoint", "best", *options, "--json").json["pictures"]
        for stage, options in ((1, ("--stage", 1)), (2, ("--sketches",)))
    }
    assert np.ptp(pixels(told[1][0]["path"])) == 0
    sketch = told[2][1]
    assert [each.get("checkpoint") for each in told[2]] == ["best", None]
    assert np.ptp(pixels(sketch["path"])) > 0
    again = generate("--again", sketch["path"]).out.strip()
    assert np.array_equal(pixels(again), pixels(sketch["path"]))


def test_a_missing_sketch_is_drawn_again_and_nothing_else(generate: Callable[..., Any], tmp_path: Path) -> None:
    command = ("a bird", "-n", 3, "--seed", 1, "--sketches", "--upscale", 2)
    assert generate(*command).code == 0
    for name in ("a-bird-1-sketch.png", "a-bird-3.png"):
        (tmp_path / "out" / name).unlink()
    again = [Path(line).name for line in generate(*command, "--resume").out.splitlines()]
    assert again == ["a-bird-1-sketch.png", "a-bird-3.png"]
    assert generate(*command, "--resume").out == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sketches", "--stage", 1), "Stage-I draws alone"),
        (("--sketches", "-o", "one.png"), "one file"),
        (("--sketches", "--interpolate"), "A way is one file"),
        (("--grid-only", "--interpolate"), "A way is one file"),
        (("--grid", "-o", "one.png"), "one file"),
    ],
)
def test_what_does_not_go_together_is_refused(
    generate: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[Any, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = generate("a bird", *options)
    assert done.code == 2
    assert done.says(words)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "one.png").exists()

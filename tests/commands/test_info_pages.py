"""What ``info`` tells of a model, of data and of a picture, for people and for programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from stackgan_cli.drawing.interpolating import animation

MODEL = {
    "name", "folder", "package", "version", "bytes", "resolution", "stages", "text_encoder", "words", "glossary",
    "data", "saved", "samples", "checkpoints",
}  # fmt: skip


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_the_page_of_a_model_tells_how_it_came_to_be(stackgan: Callable[..., Any], model: Path) -> None:
    page = flat(stackgan("info", "birds").out)
    for words in ("16 px, 6 of 6 steps of 4", "64 px, 6 of 6 steps of 4", "quick, seed 0", "hashed-words", "birds"):
        assert words in page
    sheet = max((model / "training" / "stage2" / "samples").iterdir())
    assert str(sheet) in page
    assert "best" in page


def test_a_slip_in_the_name_of_data_is_understood(stackgan: Callable[..., Any], home: Path) -> None:
    done = stackgan("info", "brids")
    assert done.code == 3
    assert done.says("Did you mean 'birds'?")


def test_no_table_has_an_empty_header(stackgan: Callable[..., Any], model: Path) -> None:
    for arguments in (("info", "birds"), ("environment",)):
        lines = stackgan(*arguments).out.splitlines()
        assert all(any(map(str.isalnum, line)) for line in lines)


def test_programs_find_the_same_keys_everywhere(stackgan: Callable[..., Any], model: Path, tmp_path: Path) -> None:
    mine, bundled = (stackgan("info", name, "--json").json for name in ("birds", "bundled"))
    assert set(mine["model"]) == set(bundled["model"]) == MODEL
    assert set(mine) == set(bundled) == {"model", "data", "picture"}
    assert mine["model"]["checkpoints"] == {"1": ["6", "best"], "2": ["6", "best"]}
    assert bundled["data"] is None
    assert mine["data"]["counts"] == {"train": 45, "test": 3}
    pictures = [
        stackgan("generate", "a bird", *more, "-o", tmp_path, "--json").json["pictures"][-1]["path"]
        for more in ((), ("--condition", "sample"), ("a red bird", "--grid"))
    ]
    facts = [stackgan("info", path, "--json").json["picture"] for path in pictures]
    assert set(facts[0]) == set(facts[1]) == set(facts[2])


@pytest.mark.parametrize(
    "options", [("--stage", 1), ("--checkpoint", "best"), ("--condition", "sample"), ("-n", 2, "--grid")], ids=str
)
def test_the_page_of_a_picture_draws_it_again(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    drawn = stackgan("generate", "it's -- a $red bird", *options, "-o", tmp_path / "one")
    path = drawn.out.splitlines()[-1]
    command = stackgan("info", path, "--json").json["picture"]["again"]
    assert command in stackgan("info", path).out
    again = stackgan(*shlex.split(command)[1:], "-o", tmp_path / "two").out.splitlines()[-1]
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(again)))


@pytest.mark.parametrize(
    "asked",
    [
        ("a red bird", "a blue bird", "--seed", 3),
        ("a bird", "--seeds", "5,3"),
        ("a red bird", "a bird", "--seeds", "2,1"),
        ("a red bird", "a bird", "--seed", 3, "--condition", "sample", "--truncation", 0.5, "--checkpoint", "best"),
    ],
    ids=str,
)
def test_the_page_of_a_way_draws_it_again(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, asked: tuple[object, ...]
) -> None:
    path = stackgan("generate", *asked, "--interpolate", "--frames", 4, "-o", tmp_path / "way.png").out.strip()
    command = stackgan("info", path, "--json").json["picture"]["again"]
    again = stackgan(*shlex.split(command)[1:], "-o", tmp_path / "again.png").out.strip()
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(again)))
    assert stackgan("generate", "--again", path).says("is on a way, or shows one", "stackgan info")


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_an_animation_says_how_it_is_drawn_again(
    stackgan: Callable[..., Any], empty_home: Path, tmp_path: Path, form: str
) -> None:
    sentence = "ein Vögel " * 40
    facts = {"prompt": sentence, "way": [[sentence, 1], [sentence, 2]], "frames": 2, "model": "birds", "stage": 2}
    path = tmp_path / f"way.{form}"
    path.write_bytes(animation([Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")], form, facts))
    again = shlex.split(stackgan("info", path, "--json").json["picture"]["again"])
    assert again[2:] == [
        sentence,
        "--seeds",
        "1,2",
        "--interpolate",
        "--frames",
        "2",
        "--model",
        "birds",
        "--stage",
        "2",
    ]
    path.write_bytes(animation([Image.new("RGB", (8, 8))] * 2, form, None))
    assert stackgan("info", path).says("does not say how it was made")


@pytest.mark.parametrize("way", ["7", "[]", '[["a", 1]]', '[["a", 1], ["b", "2"]]', '[["a", 1], {}]', '[["a"], ["b"]]'])
def test_a_way_of_a_stranger_says_what_it_can(
    stackgan: Callable[..., Any], empty_home: Path, tmp_path: Path, way: str
) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("stackgan", f'{{"prompt": "a -> b", "frames": 4, "way": {way}}}')
    Image.new("RGB", (8, 8)).save(tmp_path / "odd.png", pnginfo=chunks)
    assert stackgan("info", tmp_path / "odd.png", "--json").json["picture"]["again"] is None


@pytest.mark.parametrize(
    "said", ['{"prompt": ["a", 1], "seed": {}, "stage": "x", "seeds": 7}', '{"prompt": "a bird"}'], ids=str
)
def test_a_picture_of_a_stranger_says_what_it_can(
    stackgan: Callable[..., Any], empty_home: Path, tmp_path: Path, said: str
) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("stackgan", said)
    Image.new("RGB", (8, 8)).save(tmp_path / "odd.png", pnginfo=chunks)
    assert stackgan("info", tmp_path / "odd.png").code == 0
    assert stackgan("info", tmp_path / "odd.png", "--json").json["picture"]["again"] is None


@pytest.mark.parametrize(("said", "code"), [({"stage": 1.0}, 0), ({"stage": True}, 0), ({"truncation": 1e308}, 2)])
def test_numbers_of_a_stranger_are_taken_for_what_they_are(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, said: dict[str, Any], code: int
) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("stackgan", json.dumps({"prompt": "a bird", "seed": 1, "model": "birds", **said}))
    Image.new("RGB", (8, 8)).save(tmp_path / "odd.png", pnginfo=chunks)
    page = stackgan("info", tmp_path / "odd.png")
    assert page.code == 0
    assert "stage" not in page.out.lower()
    drawn = stackgan("generate", "--again", tmp_path / "odd.png", "-o", tmp_path / "again.png")
    assert drawn.code == code, drawn.err

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.generating import picture_list


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def generate(stackgan: Callable[..., Any], model: Path, out: Path) -> Callable[..., Any]:
    def run(*arguments: object) -> Any:
        where = () if "-o" in arguments else ("-o", out)
        return stackgan("generate", "--device", "cpu", "--stage", 1, *arguments, *where)

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "pictures.jsonl")


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "pictures.jsonl").read_text().splitlines()]


def test_several_pictures_in_a_folder_are_listed(generate: Callable[..., Any], model: Path, out: Path) -> None:
    done = generate("a red bird", "ein Vögelchen", "-n", 2, "--seed", 5, "--truncation", 1.5, "--json")
    assert done.code == 0, done.err
    listed = entries(out)
    assert [(each["file"], each["prompt"], each["seed"]) for each in listed] == [
        (Path(each["path"]).name, each["prompt"], each["seed"]) for each in done.json["pictures"]
    ]
    for each in listed:
        assert (each["model"], each["stage"], each["truncation"]) == ("birds", 1, 1.5)
        assert each["fingerprint"] == done.json["pictures"][0]["fingerprint"]
        assert (out / each["file"]).is_file()
    assert "Vögelchen" in (out / "pictures.jsonl").read_text(encoding="utf-8")
    assert generate("a fish", "a frog", "--seed", 1).code == 0
    assert len(entries(out)) == 6


def test_a_single_picture_is_not_listed(generate: Callable[..., Any], out: Path, tmp_path: Path) -> None:
    assert generate("a red bird").code == 0
    assert generate("a red bird", "-o", tmp_path / "one.png").code == 0
    assert not list(tmp_path.rglob("pictures.jsonl"))


def test_what_is_there_is_not_drawn_again(generate: Callable[..., Any], out: Path) -> None:
    command = ("a red bird", "a blue bird", "-n", 3, "--seed", 5)
    assert generate(*command).code == 0
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    done = generate(*command, "--resume", "--json")
    assert done.code == 0, done.err
    assert done.json == {"pictures": [], "there_already": 6}
    assert done.says("6 of 6 pictures were there already")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()} == before
    (out / "a-blue-bird-6.png").unlink()
    (out / "a-red-bird-5.png").write_bytes(b"")
    again = generate(*command, "--resume")
    assert [Path(line).name for line in again.out.splitlines()] == ["a-red-bird-5-2.png", "a-blue-bird-6.png"]
    assert (out / "a-blue-bird-6.png").read_bytes() == before[out / "a-blue-bird-6.png"][1]
    more = generate("a red bird", "a blue bird", "-n", 4, "--seed", 5, "--resume")
    assert [Path(line).name for line in more.out.splitlines()] == ["a-red-bird-8.png", "a-blue-bird-8.png"]


@pytest.mark.parametrize(
    "other",
    [
        ("--seed", 6),
        ("--seed", 5, "--condition", "sample"),
        ("--seed", 5, "--truncation", 0.5),
        ("--seed", 5, "--format", "webp"),
        ("--seed", 5, "--stage", 2),
    ],
    ids=lambda other: other[-1],
)
def test_pictures_that_would_look_otherwise_are_drawn(
    generate: Callable[..., Any], out: Path, other: tuple[Any, ...]
) -> None:
    assert generate("a red bird", "a fish", "--seed", 5).code == 0
    assert len(generate("a red bird", "a fish", *other, "--resume").out.splitlines()) == 2


def test_another_model_of_the_same_name_draws(generate: Callable[..., Any], model: Path) -> None:
    assert generate("a red bird", "a fish", "--seed", 5).code == 0
    weights = model / "stage1" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    assert len(generate("a red bird", "a fish", "--seed", 5, "--resume").out.splitlines()) == 2


def test_the_same_command_without_a_seed_goes_on_with_the_seed_of_before(
    generate: Callable[..., Any], out: Path
) -> None:
    first = generate("a red bird", "-n", 3).out.splitlines()
    Path(first[1]).unlink()
    again = generate("a red bird", "-n", 3, "--resume").out.splitlines()
    assert again == [first[1]]
    assert names(out) == sorted(Path(line).name for line in first)


def test_a_seed_that_was_chosen_has_to_be_given_again(generate: Callable[..., Any]) -> None:
    assert generate("a red bird", "-n", 2, "--seed", 7).code == 0
    done = generate("a red bird", "-n", 2, "--resume")
    assert done.code == 2
    assert done.says("--resume needs them again", "the last picture has 8")


def test_resuming_may_be_asked_for_from_the_start(generate: Callable[..., Any], out: Path) -> None:
    assert generate("a red bird", "--seed", 3, "--resume").code == 0
    assert names(out) == ["a-red-bird-3.png"]
    assert generate("a red bird", "--seed", 3, "--resume").out == ""


def test_the_same_prompt_twice_is_drawn_twice_and_passed_over_twice(
    generate: Callable[..., Any], tmp_path: Path, out: Path
) -> None:
    (tmp_path / "prompts.csv").write_text("prompt,seed\na bird,1\na fish,1\na bird,1\n")
    command = ("--from", tmp_path / "prompts.csv")
    assert generate(*command).code == 0
    assert names(out) == ["a-bird-1-2.png", "a-bird-1.png", "a-fish-1.png"]
    (out / "a-bird-1-2.png").unlink()
    assert len(generate(*command, "--resume").out.splitlines()) == 1
    assert names(out) == ["a-bird-1-2.png", "a-bird-1.png", "a-fish-1.png"]


def test_a_list_that_was_cut_off_or_spoilt_is_gone_on_with(generate: Callable[..., Any], out: Path) -> None:
    command = ("a red bird", "-n", 4, "--seed", 5)
    assert generate(*command).code == 0
    path = out / "pictures.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    strange = json.dumps(json.loads(lines[2]) | {"file": "../out/a-red-bird-7.png"}).encode()
    path.write_bytes(lines[0] + b"\xff[[[\n\n5\n" + strange + b"\n" + lines[1] + lines[3][:40])
    done = generate(*command, "--resume")
    assert done.code == 0, done.err
    assert done.out == ""
    assert names(out) == [f"a-red-bird-{seed}.png" for seed in (5, 6, 7, 8)]
    added = path.read_bytes().splitlines()[-2:]
    assert [json.loads(line)["file"] for line in added] == ["a-red-bird-7.png", "a-red-bird-8.png"]


@pytest.mark.parametrize(
    ("options", "drawn"),
    [(("--sketches",), 0), (("--format", "webp", "--upscale", 2), 0), (("--no-metadata",), 1)],
    ids=str,
)
def test_who_is_killed_before_a_picture_is_listed_finds_it_again(
    generate: Callable[..., Any], out: Path, options: tuple[Any, ...], drawn: int
) -> None:
    command = ("a red bird", "-n", 3, "--seed", 5, "--stage", 2, *options)
    assert generate(*command).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    path = out / "pictures.jsonl"
    *lines, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines))
    done = generate(*command, "--resume")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == drawn
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert generate(*command, "--resume").out == ""


@pytest.mark.parametrize("other", ["cut off", "another seed", "another model", "no picture"])
def test_what_only_is_called_like_a_picture_is_not_taken_for_it(
    generate: Callable[..., Any], model: Path, out: Path, other: str
) -> None:
    command = ("a red bird", "-n", 2, "--seed", 5)
    assert generate(*command).code == 0
    (out / "pictures.jsonl").unlink()
    place = out / "a-red-bird-6.png"
    if other == "cut off":
        place.write_bytes(place.read_bytes()[:-200])
    elif other == "another seed":
        place.write_bytes((out / "a-red-bird-5.png").read_bytes())
    elif other == "another model":
        config = model / "stage1" / "config.json"
        config.write_text(config.read_text() + "\n")
    else:
        place.write_text("mine")
    before = {path: path.read_bytes() for path in out.iterdir()}
    done = generate(*command, "--resume")
    assert done.code == 0, done.err
    assert (out / "a-red-bird-6-2.png").is_file()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("content", ["my own list\n", '{"file": "a.png", "prompt": "a bird"}\n', "[]"])
def test_somebody_elses_file_of_that_name_is_left_alone(generate: Callable[..., Any], out: Path, content: str) -> None:
    out.mkdir()
    (out / "pictures.jsonl").write_text(content)
    done = generate("a red bird", "-n", 2)
    assert done.code == 0
    assert done.says("no list that generate has written")
    assert (out / "pictures.jsonl").read_text() == content
    refused = generate("a red bird", "-n", 2, "--resume")
    assert refused.code == 2
    assert (out / "pictures.jsonl").read_text() == content


def test_a_folder_of_that_name_is_in_nobodys_way(generate: Callable[..., Any], out: Path) -> None:
    (out / "pictures.jsonl").mkdir(parents=True)
    assert generate("a red bird", "-n", 2).code == 0


def test_a_sheet_shows_what_was_there_and_what_is_new(generate: Callable[..., Any], out: Path) -> None:
    command = ("a red bird", "a fish", "-n", 2, "--seed", 5, "--grid")
    assert generate(*command).code == 0
    whole = np.asarray(Image.open(out / "a-red-bird-5-grid.png"))
    assert generate(*command, "--resume").out == ""
    for name in ("a-red-bird-5-grid.png", "a-red-bird-6.png"):
        (out / name).unlink()
    again = [Path(line).name for line in generate(*command, "--resume").out.splitlines()]
    assert again == ["a-red-bird-6.png", "a-red-bird-5-grid.png"]
    assert np.array_equal(np.asarray(Image.open(out / "a-red-bird-5-grid.png")), whole)


@pytest.mark.parametrize("options", [("--interpolate",), ("-o", "one.png"), ("--again", "one.png")])
def test_there_is_nothing_to_go_on_with_but_a_folder(generate: Callable[..., Any], options: tuple[str, ...]) -> None:
    prompts = () if "--again" in options else ("a red bird",)
    assert generate(*prompts, *options, "--resume").code == 2


def test_a_list_that_cannot_be_written_is_one_message(
    generate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture_list.os, "write", full)
    done = generate("a red bird", "-n", 2)
    assert done.code == 1
    assert done.says("pictures.jsonl could not be written: No space left on device", "Make room")

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from stackgan_cli.pipeline import Pipeline


@pytest.fixture
def generate(stackgan: Callable[..., Any], model: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(*arguments: object, stdin: str | bytes = "") -> Any:
        where = () if "-o" in arguments else ("-o", tmp_path / "out")
        return stackgan("generate", "--device", "cpu", *arguments, *where, stdin=stdin)

    return run


def pixels(path: str | Path) -> Any:
    return np.asarray(Image.open(path))


def test_stdout_is_one_path_a_picture_and_stderr_says_which_model(generate: Callable[..., Any]) -> None:
    done = generate("a small red bird", "A Blue Bird!", "-n", 2, "--seed", 5)
    assert done.code == 0, done.err
    names = [Path(line).name for line in done.out.splitlines()]
    assert names == [f"{slug}-{seed}.png" for slug in ("a-small-red-bird", "a-blue-bird") for seed in (5, 6)]
    assert done.says("birds")
    for line in done.out.splitlines():
        assert Image.open(line).size == (64, 64)


def test_a_picture_does_not_depend_on_how_many_are_asked_for(generate: Callable[..., Any]) -> None:
    many = generate("a bird in snow", "a small red bird", "-n", 3, "--seed", 4, "--json").json["pictures"]
    one = generate("a small red bird", "--seed", 6, "--json").json["pictures"]
    assert (many[-1]["prompt"], many[-1]["seed"]) == (one[0]["prompt"], one[0]["seed"])
    assert np.array_equal(pixels(many[-1]["path"]), pixels(one[0]["path"]))


def test_another_process_draws_the_same_picture(generate: Callable[..., Any], tmp_path: Path) -> None:
    here = generate("a small red bird", "--seed", 6)
    arguments = ["generate", "a small red bird", "--seed", "6", "--device", "cpu", "-o", str(tmp_path / "there")]
    there = subprocess.run(
        [sys.executable, "-m", "stackgan_cli", *arguments], check=False, capture_output=True, text=True
    )
    assert there.returncode == 0, there.stderr
    assert np.array_equal(pixels(here.out.strip()), pixels(there.stdout.strip()))


def test_without_a_seed_pictures_differ_and_say_their_seed(generate: Callable[..., Any]) -> None:
    one, other = (generate("a bird", "--json").json["pictures"][0] for _ in range(2))
    assert one["seed"] != other["seed"]
    again = generate("a bird", "--seed", one["seed"]).out.strip()
    assert np.array_equal(pixels(again), pixels(one["path"]))


def test_nothing_is_ever_overwritten(generate: Callable[..., Any], tmp_path: Path) -> None:
    paths = [Path(generate("a bird", "--seed", 1).out.strip()) for _ in range(3)]
    assert [path.name for path in paths] == ["a-bird-1.png", "a-bird-1-2.png", "a-bird-1-3.png"]
    target = tmp_path / "mine.png"
    assert generate("a bird", "--seed", 1, "-o", target).code == 0
    before = target.read_bytes()
    assert generate("a bird", "--seed", 2, "-o", target).code == 2
    assert target.read_bytes() == before


def test_a_file_that_comes_while_a_picture_is_drawn_is_left_alone(
    generate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackgan_cli.pipeline import Pipeline

    target, real = tmp_path / "mine.png", Pipeline.draw_all

    def raced(*arguments: Any, **more: Any) -> Any:
        for drawn in real(*arguments, **more):
            target.write_text("another's")
            yield drawn

    monkeypatch.setattr(Pipeline, "draw_all", raced)
    done = generate("a bird", "-o", target)
    assert done.code == 2
    assert done.says("exists already, and nothing is overwritten")
    assert target.read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("a bird", "-n", "2", "-o", "one.png"),
        ("a bird", "another", "-o", "one.png"),
        ("a bird", "--grid", "-o", "one.png"),
        ("a bird", "-o", "one.bmp"),
    ],
)
def test_one_file_holds_one_picture(
    generate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = generate(*arguments)
    assert done.code == 2
    assert done.err.count("Error:") == 1
    assert not list(tmp_path.glob("one*"))


def test_a_folder_with_a_dot_in_its_name_is_a_folder(generate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "run.5").mkdir()
    done = generate("a bird", "another bird", "-o", tmp_path / "run.5")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "run.5").glob("*.png"))) == 2


def test_the_picture_tells_how_it_was_made(generate: Callable[..., Any], stackgan: Callable[..., Any]) -> None:
    path = generate("ein Vögel 🐦 [bold]", "--seed", 3, "--stage", 1).out.strip()
    told = stackgan("info", path, "--json").json["picture"]
    assert told["prompt"] == "ein Vögel 🐦 [bold]"
    assert (told["seed"], told["model"], told["stage"], told["size"]) == (3, "birds", 1, 16)
    assert "ein Vögel 🐦 [bold]" in stackgan("info", path).out
    bare = generate("a bird", "--no-metadata").out.strip()
    assert stackgan("info", bare).code == 3
    assert Image.open(bare).info == {}


def test_a_grid_is_one_more_picture(generate: Callable[..., Any]) -> None:
    done = generate("a red bird", "a blue bird", "-n", 3, "--seed", 1, "--grid", "--json").json["pictures"]
    assert [bool(each.get("sheet")) for each in done] == [False] * 6 + [True]
    sheet = Image.open(done[-1]["path"])
    assert sheet.width > 3 * 64
    whole = np.asarray(sheet)
    first = pixels(done[0]["path"])
    assert any(
        np.array_equal(whole[top : top + 64, left : left + 64], first) for top in range(20) for left in range(20)
    )


def test_prompts_come_from_files_and_from_stdin(generate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes("\ufeffa red bird\r\n\n  a blue bird  \n".encode())
    done = generate("a green bird", "--from", tmp_path / "prompts.txt", "--json").json["pictures"]
    assert [each["prompt"] for each in done] == ["a green bird", "a red bird", "a blue bird"]
    piped = generate("--from", "-", "--json", stdin="a white bird\n\na black bird").json["pictures"]
    assert [each["prompt"] for each in piped] == ["a white bird", "a black bird"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00bird"], ids=["empty", "blank", "no UTF-8"])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_source_without_prompts_is_one_message(
    generate: Callable[..., Any], tmp_path: Path, content: bytes, way: str
) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    done = generate("--from", tmp_path / "prompts.txt") if way == "file" else generate("--from", "-", stdin=content)
    assert done.code in (2, 3), done.err
    assert done.err.count("Error:") == 1


def test_a_file_of_prompts_that_is_not_there(generate: Callable[..., Any], tmp_path: Path) -> None:
    assert generate("--from", tmp_path / "absent.txt").code == 3
    assert generate("--from", tmp_path).code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        ("   ",),
        ("🐦",),
        ("🐦 🐤 🌳" * 20,),
        ("bird " * 4000,),
        ("a bird", "--seed", "-1"),
        ("a bird", "--seed", str(2**63)),
        ("a bird", "-n", "2", "--seed", str(2**63 - 1)),
        ("a bird", "--seed", "seven"),
        ("a bird", "-n", "0"),
        ("a bird", "--stage", "3"),
        ("a bird", ""),
        ("a bird", "--device", "abacus"),
        ("a bird", "--colour"),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_what_cannot_be_meant_is_one_message_and_no_picture(
    generate: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = generate(*arguments)
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert done.err.count("Error") == 1
    assert done.out == ""
    assert not (tmp_path / "out").exists()


def test_what_is_passed_over_of_a_prompt_is_said(generate: Callable[..., Any]) -> None:
    done = generate("a bird 🐦 🐤")
    assert done.code == 0
    assert done.says("Note:", "passed over")
    assert "Note:" not in generate("a small red bird").err


def test_words_that_the_model_never_met_are_named_and_drawn_all_the_same(generate: Callable[..., Any]) -> None:
    done = generate("a small purple dinosaur driving a car")
    assert done.code == 0
    assert done.says("met no 'purple', 'dinosaur', 'driving', 'car' in its training")
    assert Image.open(done.out.strip()).size == (64, 64)
    assert "met no" not in generate("A small RED bird.").err


def test_the_bundled_model_knows_its_words(generate: Callable[..., Any]) -> None:
    done = generate("a small red bird", "a purple dinosaur", "--model", "bundled")
    assert done.err.count("met no") == 1
    assert done.says("met no 'purple', 'dinosaur'")


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_drawn(
    generate: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [b"a red bird", "🐦".encode(), b"", b"a \xff bird", b"bird " * 4000, b"a blue bird"]
    (tmp_path / "prompts.txt").write_bytes(b"\n".join(lines))
    done = generate("--from", tmp_path / "prompts.txt", "--json")
    assert done.code == 1
    assert [each["prompt"] for each in done.json["pictures"]] == ["a red bird", "a blue bird"]
    assert sorted(each["line"] for each in done.json["left_out"]) == [2, 4, 5]
    assert done.says("Line 2 of", "Line 4 of", "Line 5 of", "not UTF-8")


def test_rows_of_a_table_are_drawn_as_often_as_they_say_and_bad_ones_are_named(
    generate: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "prompts.csv").write_bytes(
        "prompt,seed,count\na red bird,5,2\na bird,five,\n🐦,1,\na blue bird,,\n".encode("utf-16")
    )
    done = generate("--from", tmp_path / "prompts.csv", "--seed", 9, "--json", "--grid")
    assert done.code == 1
    *pictures, sheet = done.json["pictures"]
    drawn = [(each["prompt"], each["seed"]) for each in pictures]
    assert drawn == [("a red bird", 5), ("a red bird", 6), ("a blue bird", 9)]
    assert [each["line"] for each in done.json["left_out"]] == [3, 4]
    assert done.says("Line 3 of", "'five'", "Line 4 of", "can be read")
    assert sheet["sheet"]
    alone = generate("a red bird", "--seed", 6).out.strip()
    assert np.array_equal(pixels(alone), pixels(pictures[1]["path"]))


def test_what_the_model_does_not_know_of_many_prompts_is_said_of_a_few(
    generate: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("".join(f"a bird and dinosaur{'x' * at}\n" for at in range(30)))
    done = generate("--from", tmp_path / "prompts.txt", "--stage", 1)
    assert done.code == 0
    assert done.err.count("met no") == 20
    assert done.says("So it is with 10 more prompts")


def test_a_sentence_without_quotation_marks_is_told_from_several_prompts(generate: Callable[..., Any]) -> None:
    done = generate("a", "small", "bird")
    assert done.code == 0
    assert len(done.out.splitlines()) == 3
    assert done.says("Each of the 3 words is drawn by itself", "stackgan generate 'a small bird'")
    options = ("--stage", 1, "--seed", 3)
    whole = re.search(r"one prompt: (.*)", " ".join(generate("red", "bird", *options).err.split()))
    assert whole
    assert whole[1].startswith("stackgan generate 'red bird' ")
    assert "--stage 1 --seed 3" in whole[1]
    assert "by itself" not in generate("a bird", "snow").err


def test_only_the_stages_that_draw_are_named(generate: Callable[..., Any]) -> None:
    assert generate("a bird", "--stage", 1).says("Stage-I.")
    assert generate("a bird").says("Stage-I and II.")


def test_a_folder_that_cannot_be_written_is_one_message(generate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = generate("a bird", "-o", tmp_path / "file" / "below")
    assert done.code == 1
    assert done.err.count("Error:") == 1
    assert "Traceback" not in done.err


def test_any_number_of_pictures_can_be_asked_for(
    generate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Pipeline.draw_all

    def first_three(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        yield from itertools.islice(real(*arguments, **keywords), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "draw_all", first_three)
    done = generate("a small red bird", "-n", 10**12, "--seed", 1)
    assert done.code == 130
    assert done.says("3 pictures are written")
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_a_sheet_has_bounds_and_says_so_before_anything_is_drawn(generate: Callable[..., Any], tmp_path: Path) -> None:
    done = generate("a small red bird", "-n", 10**12, "--grid")
    assert done.code == 2
    assert done.says("A sheet takes", "without --grid")
    assert not (tmp_path / "out").exists()


def test_seeds_end_somewhere(generate: Callable[..., Any]) -> None:
    done = generate("a small red bird", "-n", 10, "--seed", 2**63 - 5)
    assert done.code == 2
    assert done.says("The seed")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no file without end")
def test_prompts_without_end_are_refused(generate: Callable[..., Any], tmp_path: Path) -> None:
    done = generate("--from", "/dev/zero")
    assert done.code == 3
    assert done.says("/dev/zero has more than", "no prompts")
    os.mkfifo(tmp_path / "pipe")
    assert generate("--from", tmp_path / "pipe").says("There is no prompt")


def test_prompts_come_from_a_pipe_that_a_shell_makes(generate: Callable[..., Any]) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a small red bird\n")
    os.close(writing)
    done = generate("--from", f"/dev/fd/{reading}")
    os.close(reading)
    assert done.code == 0, done.err


def test_what_is_not_utf8_is_told_before_anything_is_loaded(generate: Callable[..., Any]) -> None:
    assert generate("a small \udce9 bird").says("The prompt is not UTF-8")
    assert generate("a bird", "--model", "./\udce9").says("is not UTF-8")
    assert generate("--from", "~nosuchuser/prompts.txt").says("cannot be followed")


def test_a_closed_standard_input_holds_no_prompts(model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stackgan_cli", "generate", "--from", "-"],
        stdin=None,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.close(0),
    )
    assert done.returncode == 2
    assert "There is no prompt" in done.stderr


def test_seeds_are_listed_one_by_one_and_in_ranges(generate: Callable[..., Any]) -> None:
    drawn = generate("a bird", "a fish", "--seeds", "0-2, 42", "--json").json["pictures"]
    assert [each["seed"] for each in drawn] == [0, 1, 2, 42] * 2
    alone = generate("a bird", "--seed", 42).out.strip()
    assert np.array_equal(np.asarray(Image.open(alone)), np.asarray(Image.open(drawn[3]["path"])))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seeds", "7-3"),
        ("--seeds", "1,,2"),
        ("--seeds", "red"),
        ("--seeds", "-5"),
        ("--seeds", "9" * 30),
        ("--seeds", "0-9999999999999999999"),
        ("--seeds", "1", "--seed", "2"),
        ("--seeds", "1", "-n", "2"),
    ],
)
def test_seeds_that_cannot_be_meant_are_refused(
    generate: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = generate("a bird", *arguments)
    assert done.code == 2
    assert done.err.count("Error:") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [(), ("--stage", 1), ("--condition", "mean"), ("--format", "webp")])
def test_a_picture_is_drawn_again_from_itself_alone(generate: Callable[..., Any], options: tuple[Any, ...]) -> None:
    first = generate("a small red bird", "--seed", 9, *options).out.strip()
    again = generate("--again", first).out.strip()
    assert again != first
    assert np.array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(again)))


def test_a_noise_that_python_truncated_at_a_whole_number_is_drawn_again(
    generate: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    [first] = Pipeline.from_pretrained(model, "cpu", truncation=1)("a bird", seed=3).save(tmp_path)
    again = generate("--again", first).out.strip()
    assert np.array_equal(pixels(again), pixels(first))
    assert generate("--again", first, "--truncation", 0).says("it without --truncation")


def test_drawing_again_says_what_is_missing(
    generate: Callable[..., Any], model: Path, stackgan: Callable[..., Any], tmp_path: Path
) -> None:
    first = generate("a small red bird", "--seed", 9).out.strip()
    assert generate("--again", first, "--seed", 3).says("--again draws what the picture was drawn from", "--seed")
    assert generate("a bird", "--again", first).code == 2
    sheet = generate("a bird", "--grid", "--json").json["pictures"][-1]["path"]
    assert generate("--again", sheet).says("is a sheet of several pictures")
    weights = model / "stage1" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    other = generate("--again", first)
    assert other.code == 5
    assert other.says("was drawn by another model than 'birds'", "--model with the folder of the one that drew it")
    model.rename(model.with_name("renamed"))
    gone = stackgan("generate", "--again", first, "--output", tmp_path / "out")
    assert gone.code == 5
    assert gone.says("was drawn by the model 'birds', which is not here", "--model with the folder")


def test_a_picture_is_drawn_again_by_its_model_wherever_that_lies_and_tells_nobody_where(
    generate: Callable[..., Any], stackgan: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    """The picture has the name of a folder; by its fingerprint the model is found under any name that it has here."""
    elsewhere = model.rename(tmp_path / "mine")
    first = generate("a small red bird", "--seed", 9, "--model", elsewhere).out.strip()
    assert str(tmp_path).encode() not in Path(first).read_bytes()
    assert stackgan("info", first).says("No model here has this fingerprint; --model with the folder")
    assert generate("--again", first).says("was drawn by the model 'mine', which is not here")
    by_path = generate("--again", first, "--model", elsewhere).out.strip()
    elsewhere.rename(model.with_name("another-name"))
    assert generate("--again", first, "--model", "bundled").says("another model than", "Try: --model another-name")
    found = generate("--again", first).out.strip()
    command = stackgan("info", first, "--json").json["picture"]["again"]
    typed = generate(*shlex.split(command)[2:]).out.strip()
    assert all(np.array_equal(pixels(path), pixels(first)) for path in (by_path, found, typed))


def frames_of(path: str | Path) -> list[Any]:
    with Image.open(path) as animation:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]


def test_a_way_between_sentences_begins_and_ends_with_their_pictures(
    generate: Callable[..., Any], tmp_path: Path
) -> None:
    way = ("--interpolate", "a red bird", "a blue bird", "--frames", 5, "--seed", 3)
    path = generate(*way, "-o", tmp_path / "way.png").out.strip()
    drawn = np.asarray(Image.open(path))
    for prompt, left in (("a red bird", 0), ("a blue bird", 4 * (64 + 4))):
        alone = pixels(generate(prompt, "--seed", 3).out.strip())
        assert np.array_equal(drawn[:64, left : left + 64], alone)
    middle = drawn[:64, 2 * 68 : 2 * 68 + 64].astype(int)
    assert np.abs(middle - drawn[:64, :64]).mean() > 0
    animated = frames_of(generate(*way, "-o", tmp_path / "way.webp").out.strip())
    assert len(animated) == 5
    assert np.abs(animated[0].astype(int) - drawn[:64, :64]).mean() < 8
    named = generate(*way).out.strip()
    assert Path(named).name == "a-red-bird-to-a-blue-bird-3.gif"
    assert len(frames_of(named)) == 5


def test_a_way_between_noises_keeps_the_sentence(generate: Callable[..., Any], tmp_path: Path) -> None:
    told = generate(
        "--interpolate", "a red bird", "--seeds", "1,2,3", "--frames", 5, "-o", tmp_path / "w.png", "--json"
    )
    facts = told.json["pictures"][0]
    assert facts["way"] == [["a red bird", 1], ["a red bird", 2], ["a red bird", 3]]
    strip = np.asarray(Image.open(facts["path"]))
    assert np.array_equal(strip[:64, 2 * 68 : 2 * 68 + 64], pixels(generate("a red bird", "--seed", 2).out.strip()))


@pytest.mark.parametrize("frames", [3, 4, 6])
def test_a_way_leads_through_every_stop(generate: Callable[..., Any], tmp_path: Path, frames: int) -> None:
    stops = ("a red bird", "a blue bird", "a green bird")
    way = ("--interpolate", *stops, "--seed", 3, "--frames", frames, "-o", tmp_path / "way.png")
    drawn = pixels(generate(*way).out.strip())
    parts = [drawn[:, left : left + 64] for left in range(0, drawn.shape[1], 68)]
    assert len(parts) == frames
    alone = [pixels(path) for path in generate(*stops, "--seed", 3).out.splitlines()]
    places = [[np.array_equal(part, picture) for part in parts].index(True) for picture in alone]
    assert (places[0], places[-1]) == (0, frames - 1)
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--interpolate", "a bird", "a fish", "a bird", "--frames", 2), ("as many or more, not 2", "--frames 3")),
        (("a bird", "--frames", 4), ("--frames counts the pictures on a way", "--interpolate")),
        (("a bird", "--format", "avif", "-o", "x.jpg"), ("ends in another format than avif", "--output x.avif")),
        (("a bird", "-n", 2, "--grid-only", "--format", "png", "-o", "x.webp"), ("another format than png",)),
        (
            ("--interpolate", "a bird", "a fish", "--format", "webp", "-o", "x.gif"),
            ("--format is for single pictures",),
        ),
    ],
)
def test_what_would_be_passed_over_is_refused(
    generate: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[Any, ...],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    done = generate(*arguments)
    assert done.code == 2
    assert done.says(*words)
    assert not list(tmp_path.glob("x.*"))


def test_a_format_that_agrees_with_the_name_is_taken_and_a_picture_is_drawn_again_in_its_own(
    generate: Callable[..., Any], tmp_path: Path
) -> None:
    jpeg = tmp_path / "one.jpg"
    assert generate("a bird", "--seed", 1, "--format", "jpeg", "-o", jpeg).code == 0
    again = generate("--again", jpeg).out.strip()
    assert Path(again).name == "a-bird-1.jpg"
    assert Path(again).read_bytes() == jpeg.read_bytes()
    assert Path(generate("--again", jpeg, "--format", "png").out.strip()).name == "a-bird-1.png"


@pytest.mark.parametrize(
    "arguments",
    [
        ("a bird",),
        ("a bird", "a fish", "--seeds", "1,2,3"),
        ("a bird", "a fish", "--frames", "1"),
        ("a bird", "a fish", "--frames", "100000"),
        ("a bird", "--seeds", "1-1000"),
        ("a bird", "a fish", "--format", "jpeg"),
        ("a bird", "a fish", "-o", "way.mp4"),
        ("a bird", " "),
    ],
)
def test_ways_that_cannot_be_gone_are_refused(
    generate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = generate("--interpolate", *arguments)
    assert done.code == 2
    assert not list(tmp_path.glob("way*"))
    assert not list((tmp_path / "out").glob("*"))


def test_a_way_overwrites_nothing(generate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "way.gif").write_text("mine")
    done = generate("--interpolate", "a bird", "a fish", "-o", tmp_path / "way.gif")
    assert done.code == 2
    assert (tmp_path / "way.gif").read_text() == "mine"


def test_truncated_noise_makes_pictures_alike_and_is_remembered(generate: Callable[..., Any], tmp_path: Path) -> None:
    def spread(*options: object) -> float:
        drawn = generate("a red bird", "-n", 6, "--seed", 0, *options, "--json").json["pictures"]
        return float(np.stack([pixels(each["path"]).astype(float) for each in drawn]).std(axis=0).mean())

    assert spread("--truncation", 0.3) < 0.7 * spread()
    first = generate("a red bird", "--seed", 4, "--truncation", 0.5).out.strip()
    assert np.array_equal(pixels(generate("--again", first).out.strip()), pixels(first))
    assert not np.array_equal(pixels(generate("a red bird", "--seed", 4).out.strip()), pixels(first))
    for senseless in (0, -1, "nan"):
        assert generate("a red bird", "--truncation", senseless).code == 2


def test_seeds_that_reach_beyond_the_largest_name_the_one_that_was_typed(generate: Callable[..., Any]) -> None:
    done = generate("a bird", "--seed", 2**63 - 1, "-n", 2)
    assert done.code == 2
    assert done.says("from 9223372036854775807 on", "a smaller seed, or fewer pictures")
    assert generate("a bird", "--seeds", "9999999999999999999999").says("does not list seeds")


def test_a_table_whose_columns_have_one_name_is_not_guessed_at(generate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("Prompt,prompt\na red bird,a blue bird\n")
    done = generate("--from", tmp_path / "prompts.csv")
    assert done.code == 3
    assert done.says("two columns called 'prompt'")
    (tmp_path / "prompts.csv").write_text("A red_bird,Blue Wings\na,b\n")
    assert generate("--from", tmp_path / "prompts.csv").says("has the columns A red_bird, Blue Wings.")

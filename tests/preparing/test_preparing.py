from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.errors import DataError
from stackgan_cli.preparing import writing

PLAIN = ("--encoder", "hashed-words", "--resolution", "16")


@pytest.fixture
def prepare(stackgan: Callable[..., Any]) -> Callable[..., Any]:
    def run(*options: object, source: Path | None = None) -> Any:
        where = () if source is None else ("--source", source)
        return stackgan("prepare", "--data", "mine", *where, *options)

    return run


def skipped_in(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "skipped.jsonl").read_text().splitlines()]


def test_pictures_are_stored_with_the_margin_of_the_published_code(made_once: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    assert len(data.train) + len(data.test) == 48
    for resolution, side in ((16, 19), (64, 76)):
        assert data.train.store(resolution).take(torch.tensor([0, 1])).shape == (2, side, side, 3)
    centre = data.train.pictures([0], 64)[0].permute(1, 2, 0)
    assert torch.equal(centre, data.train.store(64).take(torch.tensor([0]))[0][6:70, 6:70])
    assert data.train.pictures([0, 1], 128).shape == (2, 3, 128, 128)
    with pytest.raises(DataError, match="16, 64"):
        data.train.store(256)


def test_attributes_and_what_captions_state_are_kept(made_once: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    assert data.train.attributes is not None
    for truth, captions, stated in zip(data.train.attributes, data.train.captions, data.train.stated, strict=True):
        assert len(captions) == len(stated) == 10
        assert all(set(names) <= set(truth) for names in stated)
    assert data.train.classes == list(range(len(data.train)))


def test_the_same_source_twice_says_so_and_changes_nothing(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(6)
    assert prepare(*PLAIN, source=source).code == 0
    folder = empty_home / "data" / "mine"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = prepare("--resolution", 16, source=source)
    assert again.code == 0
    assert again.says("already")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_pictures_that_are_drawn_have_no_contents_to_compare(stackgan: Callable[..., Any], home: Path) -> None:
    done = stackgan("prepare", "--data", "birds", "--verify")
    assert done.code == 0, done.err
    assert done.says("These pictures are drawn, not read, so there are no bytes to compare.")


def test_other_settings_or_another_source_need_force(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(6)
    assert prepare(*PLAIN, source=source).code == 0
    before = (empty_home / "data" / "mine" / "data.json").read_text()
    for refused in (
        prepare(*PLAIN, "--seed", 1, source=source),
        prepare(*PLAIN, "--limit", 3, source=source),
        prepare(*PLAIN, source=captioned_folder(7, "others")),
    ):
        assert refused.code == 3
        assert refused.says("--force")
    assert (empty_home / "data" / "mine" / "data.json").read_text() == before
    forced = prepare("--encoder", "hashed-words", "--resolution", 64, "--force", "--json", source=source)
    assert forced.code == 0
    assert forced.json["pictures"] == {"64": "raw"}
    assert [path.name for path in (empty_home / "data").iterdir()] == ["mine"]


def test_unreadable_pictures_are_listed_with_reasons_and_counted_aloud(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(9)
    (source / "001.png").write_bytes(b"")
    (source / "002.png").write_bytes((source / "003.png").read_bytes()[:60])
    (source / "004.txt").unlink()
    done = prepare(*PLAIN, "--json", source=source)
    assert done.code == 0
    listed = skipped_in(empty_home / "data" / "mine")
    assert {each["name"].split(".")[0] for each in listed} == {"001", "002", "004"}
    assert all(each["reason"] for each in listed)
    assert done.json["skipped"] == 3
    assert sum(done.json["counts"].values()) == 6
    assert done.says("3 ", "left out", "skipped.jsonl")


def test_a_file_name_that_is_not_utf_8_is_told_and_no_reason_to_end(
    prepare: Callable[..., Any], tmp_path: Path, empty_home: Path
) -> None:
    texts = tmp_path / "flowers" / "text_c10" / "class_00001"
    for folder in (texts, tmp_path / "flowers" / "jpg"):
        folder.mkdir(parents=True)
    for number in range(1, 4):
        Image.new("RGB", (80, 80)).save(tmp_path / "flowers" / "jpg" / f"image_0000{number}.jpg")
        (texts / f"image_0000{number}.txt").write_text("a flower")
    (texts / os.fsdecode(b"\xff.txt")).write_text("a flower")
    assert prepare(*PLAIN, source=tmp_path / "flowers").code == 0
    assert "class_00001/?.txt" in [each["name"] for each in skipped_in(empty_home / "data" / "mine")]


def test_where_nothing_can_be_read_nothing_is_left_behind(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(5)
    for path in source.glob("*.png"):
        path.write_bytes(b"no picture")
    done = prepare(*PLAIN, source=source)
    assert done.code == 3
    assert "Traceback" not in done.err
    assert not (empty_home / "data").exists()


@pytest.mark.parametrize("broken", ["absent", "empty", "file"])
def test_a_source_that_is_none_is_one_message(
    prepare: Callable[..., Any], tmp_path: Path, empty_home: Path, broken: str
) -> None:
    source = tmp_path / broken
    if broken == "empty":
        source.mkdir()
    elif broken == "file":
        source.write_text("x")
    done = prepare(*PLAIN, source=source)
    assert done.code == 3
    assert done.err.count("Error:") == 1
    assert not (empty_home / "data" / "mine").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--reader", "nonesuch"), 4),
        (("--encoder", "hashed-words", "--encoder-option", "width"), 2),
        (("--crop", "round"), 3),
        (("--resolution", "3"), 2),
    ],
)
def test_wrong_options_are_refused_with_the_documented_code(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], options: tuple[str, ...], code: int
) -> None:
    done = prepare("--resolution", 16, *options, source=captioned_folder(4))
    assert done.code == code, done.err
    assert "Traceback" not in done.err


def test_a_prepare_that_was_killed_leaves_nothing_that_looks_whole(
    stackgan: Callable[..., Any], fork: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(4)
    # Killed at the worst moment: everything is written, and only the renaming is missing.
    program = """
import os, signal, sys
from stackgan_cli import app
from stackgan_cli.preparing import writing
real = writing.write_manifest
def write_and_die(*arguments):
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
writing.write_manifest = write_and_die
app.main()
"""
    arguments = ["prepare", "--data", "mine", "--source", str(source), *PLAIN]
    killed = fork(*arguments, script=program).ended()
    assert killed.code == -signal.SIGKILL, killed.err
    assert stackgan("environment", "--json").json["data"] == []
    training = stackgan("train-stage1", "--data", "mine")
    assert training.code == 3
    assert training.says("stackgan prepare --data mine")
    assert stackgan(*arguments).code == 0
    assert stackgan("environment", "--json").json["data"] == ["mine"]


def test_an_encoder_is_added_later_without_reading_the_pictures_again(
    prepare: Callable[..., Any], captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    source = captioned_folder(6)
    assert prepare(*PLAIN, source=source).code == 0
    folder = empty_home / "data" / "mine"
    arrow = {path: path.stat().st_mtime_ns for path in folder.rglob("*.arrow")}
    source.rename(source.with_name("gone"))
    options = ("--encoder-option", "variant=cvpr", "--encoder-option", "width=16", "--encoder-option", "fit_steps=2")
    added = prepare("--encoder", "char-cnn-rnn", *options)
    assert added.code == 0, added.err
    data = PreparedData(folder)
    assert data.encoders == ["hashed-words", "char-cnn-rnn"]
    assert data.train.features(data.encoder_folder("char-cnn-rnn")).width == 16
    assert data.encoder_folder("stackgan-cli:char-cnn-rnn") == data.encoder_folder("char-cnn-rnn")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.arrow")} == arrow
    with pytest.raises(DataError, match="hashed-words, char-cnn-rnn"):
        data.encoder_folder("nonesuch")


def test_large_data_is_stored_as_jpeg_and_looks_the_same(
    stackgan: Callable[..., Any],
    captioned_folder: Callable[..., Path],
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ("--source", captioned_folder(6), "--encoder", "hashed-words", "--resolution", 64, "--json")
    assert stackgan("prepare", "--data", "mine", *options).json["pictures"] == {"64": "raw"}
    raw = PreparedData(empty_home / "data" / "mine")
    monkeypatch.setattr(writing, "RAW_BYTES", 0)
    assert stackgan("prepare", "--data", "packed", *options).json["pictures"] == {"64": "jpeg"}
    packed = PreparedData(empty_home / "data" / "packed")
    everything = list(range(len(raw.train)))
    one, two = raw.train.pictures(everything, 64).float(), packed.train.pictures(everything, 64).float()
    assert 0 < (one - two).abs().mean() < 3
    store = packed.train.store(64)
    store.hold()
    assert torch.equal(store.take(torch.tensor([1])), packed.train.store(64).take(torch.tensor([1])))


@pytest.mark.parametrize("part", ["train", "test", "text"])
def test_damaged_prepared_data_is_one_message(train_tiny: Callable[..., Any], home: Path, part: str) -> None:
    for path in (home / "data" / "birds" / part).rglob("*"):
        if path.suffix in (".arrow", ".safetensors"):
            path.write_bytes(path.read_bytes()[:100])
    done = train_tiny(1, "--steps", 1, "--dry-run")
    assert done.code == 3, done.err
    assert done.says("stackgan prepare --data birds --force")

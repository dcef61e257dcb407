"""Preparing that is killed, crowded, or short of room, and the second look at what was prepared."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.locks import only_one

COUNT = 140
PLAIN = ("--encoder", "hashed-words", "--resolution", "16")

KILLED_LATER = """
import os, signal
from stackgan_cli import app
from stackgan_cli.preparing.journal import Journal
real, seen = Journal.add, []
def add(self, chunk, written):
    real(self, chunk, written)
    seen.append(chunk)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
Journal.add = add
app.main()
"""

WITH_LITTLE_ROOM = """
import resource, signal
from stackgan_cli import app
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
app.main()
"""


def arguments(source: Path, *more: object) -> list[str]:
    return ["prepare", "--data", "mine", "--source", str(source), *PLAIN, *map(str, more)]


@pytest.fixture
def source(captioned_folder: Callable[..., Path]) -> Path:
    return captioned_folder(COUNT, side=24)


@pytest.fixture
def killed(source: Path, fork: Callable[..., Any], empty_home: Path) -> Path:
    """The unfinished folder that a prepare left which was killed after two of its files."""
    done = fork(*arguments(source), script=KILLED_LATER).ended()
    assert done.code == -signal.SIGKILL, done.err
    assert all(path.name.startswith(".") for path in (empty_home / "data").iterdir())
    work = empty_home / "data" / ".mine.partial"
    assert work.is_dir()
    return work


def rows(folder: Path) -> list[dict[str, Any]]:
    data = PreparedData(folder)
    return [row for split in (data.train, data.test) for row in split.table.to_pylist()]


def test_a_killed_prepare_goes_on_where_it_was_and_ends_the_same(
    stackgan: Callable[..., Any], source: Path, killed: Path, empty_home: Path
) -> None:
    assert stackgan("environment", "--json").json["data"] == []
    done = stackgan(*arguments(source))
    assert done.code == 0, done.err
    assert done.says("going on after", f"of {COUNT} pictures")
    assert not killed.exists()
    assert stackgan("prepare", "--data", "whole", "--source", source, *PLAIN).code == 0
    assert rows(empty_home / "data" / "mine") == rows(empty_home / "data" / "whole")
    one, other = (json.loads((empty_home / "data" / name / "data.json").read_text()) for name in ("mine", "whole"))
    assert one == other
    assert one["counts"] == {"train": COUNT - 14, "test": 14}


def test_what_a_kill_left_half_written_is_done_again(
    stackgan: Callable[..., Any], source: Path, killed: Path, empty_home: Path
) -> None:
    journal = killed / "progress.jsonl"
    journal.write_text(journal.read_text() + '{"file": "train/data-00')
    first = next(iter(sorted((killed / "train").glob("*.arrow"))))
    first.write_bytes(first.read_bytes()[:-100])
    done = stackgan(*arguments(source))
    assert done.code == 0, done.err
    names = [row["name"] for row in rows(empty_home / "data" / "mine")]
    assert len(names) == len(set(names)) == COUNT


@pytest.mark.parametrize("damage", ["other settings", "no journal", "journal of nonsense"])
def test_what_a_kill_left_for_something_else_is_begun_anew_and_said(
    stackgan: Callable[..., Any], source: Path, killed: Path, empty_home: Path, damage: str
) -> None:
    if damage == "no journal":
        (killed / "progress.jsonl").unlink()
    elif damage == "journal of nonsense":
        (killed / "progress.jsonl").write_text("[" * 10_000 + "\n1\n")
    more = ["--seed", 1] if damage == "other settings" else []
    done = stackgan(*arguments(source, *more))
    assert done.code == 0, done.err
    assert done.says("from the beginning")
    assert not done.says("going on after")
    assert len(rows(empty_home / "data" / "mine")) == COUNT


def test_workers_end_with_a_killed_prepare(source: Path, empty_home: Path) -> None:
    def ours() -> set[int]:
        found = set()
        for each in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = each.read_bytes().split(b"\0")
            except OSError:
                continue
            if f"STACKGAN_HOME={empty_home}".encode() in environment:
                found.add(int(each.parent.name))
        return found

    running = subprocess.Popen(
        [sys.executable, "-m", "stackgan_cli", *arguments(source)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while len(ours()) < 3 and time.monotonic() < until and running.poll() is None:
        time.sleep(0.01)
    if running.poll() is not None:
        pytest.skip("this machine prepared everything on one processor, or too quickly to look")
    running.kill()
    running.wait()
    while ours() and time.monotonic() < until:
        time.sleep(0.05)
    assert not ours()


def test_two_at_once_are_told_apart(stackgan: Callable[..., Any], source: Path, empty_home: Path) -> None:
    with only_one(empty_home / "data" / "mine", "writing"):
        refused = stackgan(*arguments(source))
    assert refused.code == 1
    assert refused.says("Another process is writing", "Wait until it has ended")
    assert not (empty_home / "data" / "mine").exists()
    assert stackgan(*arguments(source)).code == 0


def test_a_disk_without_room_is_one_message_and_the_next_run_goes_on(
    stackgan: Callable[..., Any], fork: Callable[..., Any], source: Path, empty_home: Path
) -> None:
    done = fork(*arguments(source), script=WITH_LITTLE_ROOM).ended()
    assert done.code == 1, done.err
    assert "could not be written" in done.err
    assert "Traceback" not in done.err
    assert not (empty_home / "data" / "mine").exists()
    assert stackgan(*arguments(source)).code == 0


def test_contents_are_compared_byte_by_byte_when_asked(
    stackgan: Callable[..., Any], source: Path, empty_home: Path
) -> None:
    assert stackgan(*arguments(source)).code == 0
    same = stackgan("prepare", "--data", "mine", "--verify")
    assert same.code == 0, same.err
    assert same.says(f"contents of {COUNT} pictures are what was prepared")
    victim = source / "017.png"
    data = bytearray(victim.read_bytes())
    data[-20] ^= 1
    victim.write_bytes(data)
    unseen = stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16)
    assert unseen.code == 0
    assert unseen.says("already")
    for again in (
        stackgan("prepare", "--data", "mine", "--verify"),
        stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16, "--verify"),
    ):
        assert again.code == 3
        assert again.says(f"Of {COUNT} pictures", "1 hold other bytes than then (017.png)", "--force")
    (source / "003.txt").unlink()
    fewer = stackgan("prepare", "--data", "mine", "--verify")
    assert fewer.code == 3
    assert fewer.says(f"Of {COUNT} pictures", "1 hold other", "1 are not in the source any more (003.png)")
    source.rename(source.with_name("gone"))
    gone = stackgan("prepare", "--data", "mine", "--verify")
    assert gone.code == 3
    assert gone.err.count("Error:") == 1


def test_damage_to_what_was_prepared_is_noticed(stackgan: Callable[..., Any], source: Path, empty_home: Path) -> None:
    assert stackgan(*arguments(source)).code == 0
    folder = empty_home / "data" / "mine" / "train"
    path = sorted(folder.glob("*.arrow"))[-1]
    path.write_bytes(path.read_bytes()[:-20])
    done = stackgan(*arguments(source))
    assert done.code == 3
    assert done.says(f"{path} is missing or cut short", "--force")
    assert stackgan(*arguments(source), "--force").code == 0
    assert stackgan(*arguments(source)).says("already")


def test_a_look_at_the_data(stackgan: Callable[..., Any], source: Path, empty_home: Path) -> None:
    (source / "000.png").write_bytes(b"no picture")
    Image.new("RGB", (500, 30)).save(source / "001.png")
    done = stackgan(*arguments(source))
    assert done.code == 0, done.err
    folder = empty_home / "data" / "mine"
    with Image.open(folder / "preview.png") as preview:
        assert preview.width > 4 * 160
        assert len(set(preview.convert("RGB").resize((60, 60)).get_flattened_data())) > 50
    facts = json.loads((folder / "data.json").read_text())
    assert facts["summary"]["captions_per_picture"] == [2, 2, 2]
    assert facts["summary"]["caption_words"] == [3, 3, 4]
    assert facts["summary"]["long_side"] == [24, 24, 500]
    assert facts["why_skipped"] == [["not a picture", 1]]
    shown = stackgan("info", "mine")
    for table in (done.out, shown.out):
        flat = " ".join(re.sub(r"[│┃]", " ", table).split())
        assert "24 to 500 px, median 24" in flat
        assert "3 to 4, median 3" in flat
        assert "not a picture 1" in flat
        assert "hashed-words" in flat


def test_unfinished_features_are_swept_before_the_next(
    stackgan: Callable[..., Any], source: Path, empty_home: Path
) -> None:
    assert stackgan(*arguments(source)).code == 0
    text = empty_home / "data" / "mine" / "text"
    (text / ".char-cnn-rnn.a1b2c3d4.partial").mkdir()
    assert stackgan("prepare", "--data", "mine", "--encoder", "hashed-words", "--encoder-option", "width=64").code == 0
    assert [path.name for path in text.iterdir()] == ["hashed-words"]

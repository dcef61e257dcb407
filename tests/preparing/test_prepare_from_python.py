"""``prepare(PrepareRequest(...))``: what the command does, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from stackgan_cli import PrepareRequest, prepare
from stackgan_cli.dataset.manifest import read_manifest
from stackgan_cli.dataset.shards import read_shards_index
from stackgan_cli.errors import ComponentError, DataError, UsageError

PLAIN: dict[str, Any] = {"data": "mine", "encoders": ["hashed-words"], "resolutions": [16]}

DROPPING = """
import torch
from torch import nn
from stackgan_cli.components.protocols import TextFeatures

class Dropping(nn.Module):
    width = 8

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def encode(self, captions):
        return TextFeatures(self.drop(torch.ones(len(captions), 8)), torch.ones(len(captions), 2, 3))
"""


class Recorder:
    """A program that listens."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.phases: dict[str, list[tuple[int, int | None]]] = {}
        self.open: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.warned.append(message)

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Any]:
        told = self.phases[title] = [(start, total)]
        self.open.append(title)
        try:
            yield lambda done, total=None, words="": told.append((done, total))
        finally:
            self.open.remove(title)

    def last(self, title: str) -> int:
        return self.phases[title][-1][0]


@pytest.fixture
def source(captioned_folder: Callable[..., Path]) -> Path:
    return captioned_folder(20, side=24)


def test_a_program_prepares_and_hears_what_a_person_would(source: Path, empty_home: Path, tmp_path: Path) -> None:
    (source / "007.png").write_bytes(b"no picture")
    heard = Recorder()
    result = prepare(PrepareRequest(source=source, shards=tmp_path / "shards", **PLAIN), heard)
    assert result.folder == empty_home / "data" / "mine"
    assert result.manifest == read_manifest(result.folder)
    assert (result.manifest.counts.train, result.manifest.counts.test) == (17, 2)
    assert result.measured == {"hashed-words": {}}
    assert list(result.notes) == heard.warned
    assert "1 thing was left out or mended (not a picture: 1)" in result.notes[0]
    assert heard.said[0].startswith("Reading with folder: ")
    assert heard.last("Looking through the source") == heard.last("Pictures") == 20
    assert heard.last("Encoding captions") == result.manifest.captions == 38
    assert heard.last("Shards") == read_shards_index(str(tmp_path / "shards")).rows == 17
    assert heard.open == []


def test_nobody_needs_to_listen(
    source: Path, empty_home: Path, stackgan: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    result = prepare(PrepareRequest(source=str(source), **PLAIN))
    assert capfd.readouterr() == ("", "")
    command = ["--source", source, "--encoder", "hashed-words", "--resolution", 16]
    done = stackgan("prepare", "--data", "other", *command, "--json")
    assert done.json == {
        **result.manifest.as_json(),
        "data": str(empty_home / "data" / "other"),
        "measured": {"hashed-words": {}},
    }


def test_what_is_there_is_kept_and_only_what_is_missing_is_added(source: Path, empty_home: Path) -> None:
    prepare(PrepareRequest(source=source, **PLAIN))
    heard = Recorder()
    again = prepare(PrepareRequest(source=source, **PLAIN), heard)
    assert (again.measured, again.notes) == ({}, ())
    assert any("already" in each for each in heard.said)
    assert set(heard.phases) == {"Looking through the source"}
    heard = Recorder()
    options = {"variant": "cvpr", "channels": 8, "width": 16, "fit_steps": 2}
    added = prepare(PrepareRequest(data="mine", encoders=["char-cnn-rnn"], encoder_options=options, verify=True), heard)
    assert set(heard.phases) == {"Comparing contents", "Fitting", "Encoding captions"}
    assert heard.last("Comparing contents") == 20
    assert added.measured.keys() == {"char-cnn-rnn"}
    assert added.measured["char-cnn-rnn"]


def test_captions_are_described_as_the_saved_encoder_will(
    source: Path, empty_home: Path, install: Callable[..., Path]
) -> None:
    install("dropping", "[stackgan.text_encoders]\ndropping = dropping:Dropping\n", DROPPING)
    result = prepare(PrepareRequest(data="mine", source=source, encoders=["dropping"], resolutions=[16]))
    found = load_file(result.folder / "text" / "dropping--dropping" / "train.safetensors")
    assert (found["sentence"] == 1).all()
    assert (found["words"].shape[1:], found["padding"].any()) == ((2, 3), False)


def test_options_of_the_reader_are_values_and_are_kept(source: Path, empty_home: Path) -> None:
    (source / "metadata.csv").write_text("file_name,said\n" + "".join(f"{i:03d}.png,bird {i}\n" for i in range(20)))
    result = prepare(PrepareRequest(source=source, reader="folder", reader_options={"caption_column": "said"}, **PLAIN))
    assert result.manifest.reader.name == "stackgan-cli:folder"
    assert result.manifest.reader.options == {"caption_column": "said"}
    assert json.loads((result.folder / "data.json").read_text())["reader"] == result.manifest.reader.model_dump(
        include={"name", "version", "options"}
    )
    prepare(PrepareRequest(data="mine", verify=True))


def test_pictures_without_a_test_split_have_no_file_for_it(
    captioned_folder: Callable[..., Path], empty_home: Path
) -> None:
    result = prepare(PrepareRequest(source=captioned_folder(1), **PLAIN))
    assert result.manifest.files is not None
    assert (result.manifest.files.train, result.manifest.files.test) == (("data-00000.arrow",), ())
    assert prepare(PrepareRequest(data="mine", verify=True)).manifest.counts.test == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"resolutions": []}, UsageError),
        ({"resolutions": [64, 4]}, UsageError),
        ({"resolutions": [4096]}, UsageError),
        ({"limit": 1}, UsageError),
        ({"seed": -1}, UsageError),
        ({"data": "a name"}, UsageError),
        ({"source": "https://example.org/birds"}, UsageError),
        ({"crop": "round"}, DataError),
        ({"background": "greenish"}, DataError),
        ({"encoders": ["nonesuch"]}, ComponentError),
        ({"encoder_options": {"wdth": 3}}, ComponentError),
        ({"reader": "nonesuch"}, ComponentError),
        ({"reader": "folder", "reader_options": {"captions": 3}}, ComponentError),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(
    source: Path, empty_home: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    heard = Recorder()
    with pytest.raises(error):
        prepare(PrepareRequest(**{"source": source, **PLAIN, **changes}), heard)
    assert not heard.phases
    assert not (empty_home / "data").exists()

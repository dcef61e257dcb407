"""Whatever a stranger writes into JSON or TOML is one kind of error, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.files import read_bounded
from stackgan_cli.manifests import read_json
from stackgan_cli.parsing import parse_json, parse_toml
from stackgan_cli.recipes.loading import load_recipe


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "[" * 40 + "]" * 40, f"[{2**70}]", "{", "\ud800", b"\xff"]
)
def test_json_that_cannot_be_meant(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # that it is one kind of error is what is tested
        parse_json(text)


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000, "[" * 40 + "]" * 40, str(2**70), "1979-13-45"])
def test_toml_that_cannot_be_meant(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # that it is one kind of error is what is tested
        parse_toml(f"a = {value}")


@pytest.mark.parametrize(
    "text", [".".join("a" * 60_000) + " = 1", "[" + ".".join("a" * 60_000) + "]"], ids=["key", "table"]
)
def test_a_key_of_countless_parts_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml(text)


def test_points_in_numbers_and_sentences_are_no_parts_of_a_key() -> None:
    many = ", ".join(["0.5"] * 500)
    sentence = "It is so. " * 60
    assert parse_toml(f'a.b = [{many}]\nsummary = "{sentence}"') == {"a": {"b": [0.5] * 500}, "summary": sentence}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_never_ends_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stackgan.json")
    os.mkfifo(tmp_path / "mine.toml")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "stackgan.json", tmp_path / "zero", tmp_path):
        with pytest.raises(OSError, match="a folder, a pipe or a device"):
            read_bounded(path, 100)
        with pytest.raises(ModelError):
            read_json(path)
    with pytest.raises(SettingsError, match="a pipe"):
        load_recipe(str(tmp_path / "mine.toml"))


def test_far_too_large_files_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "data.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="more than"):
        read_json(tmp_path / "data.json")

"""What ``data.json`` may hold, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.dataset.manifest import DataManifest, read_manifest, write_manifest
from stackgan_cli.errors import DataError, StackganError

BEFORE = Path(__file__).parent.parent / "made_before" / "home" / "data" / "birds"
ENCODER = "hashed-words"

FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another schema": lambda manifest: manifest.update(schema=99),
    "no classes": lambda manifest: manifest.pop("classes"),
    "a count that is no number": lambda manifest: manifest["counts"].update(train=float("nan")),
    "a huge count": lambda manifest: manifest.update(captions=10**400),
    "a crop rule that is none": lambda manifest: manifest.update(crop="round"),
    "pictures stored as pickles": lambda manifest: manifest["pictures"].update({"16": "pickle"}),
    "a file elsewhere": lambda manifest: manifest.update(files={"train": ["../x.arrow"], "test": []}),
    "a file of another kind": lambda manifest: manifest.update(files={"train": ["data.json"], "test": []}),
    "files of one split": lambda manifest: manifest.update(files={"train": []}),
    "a folder elsewhere": lambda manifest: manifest["encoders"].update({"../../x": manifest["encoders"][ENCODER]}),
    "a folder of a line and another": lambda manifest: manifest["encoders"].update(
        {"x\n": manifest["encoders"][ENCODER]}
    ),
    "an encoder that names code": lambda manifest: manifest["encoders"][ENCODER].update(name="os.system"),
    "an encoder with a nested option": lambda manifest: manifest["encoders"][ENCODER]["options"].update(a={"b": 1}),
    "a reader that is a list": lambda manifest: manifest.update(reader=["stackgan-cli:folder"]),
    "a summary of two numbers": lambda manifest: manifest["summary"].update(short_side=[1, 2]),
    "an empty fingerprint": lambda manifest: manifest.update(fingerprint=""),
}
TEXTS = {
    "nothing": "",
    "a torn object": "{",
    "a list": "[]",
    "an empty object": "{}",
    "a deep list": "[" * 100_000,
    "a deep option": '{"schema": 1, "reader": {"options": {"a": ' + "[" * 900 + "]" * 900 + "}}}",
    "a number of ten thousand digits": '{"schema": ' + "1" * 10_000 + "}",
}


def before() -> dict[str, Any]:
    content = json.loads((BEFORE / "data.json").read_text())
    assert isinstance(content, dict)
    return content


def refused(folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_manifest(folder)
    assert str(folder / "data.json") in caught.value.message
    assert caught.value.hint is not None
    assert "--force" in caught.value.hint
    return caught.value


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_value_is_refused(forgery: str, tmp_path: Path) -> None:
    content = before()
    FORGERIES[forgery](content)
    (tmp_path / "data.json").write_text(json.dumps(content))
    assert len(refused(tmp_path).message) < 600


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(TEXTS[text])
    refused(tmp_path)


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    refused(tmp_path)


def test_the_command_line_says_it_in_one_message(stackgan: Callable[..., Any], home: Path) -> None:
    path = home / "data" / "birds" / "data.json"
    path.write_text(path.read_text().replace('"train"', '"trian"'))
    for command in (("info", "birds"), ("train-stage1", "--data", "birds"), ("prepare", "--data", "birds", "--verify")):
        done = stackgan(*command)
        assert done.code == 3, done.err
        assert done.err.count("Error:") == 1
        assert done.says("data.json", "train")


def test_earlier_manifests_are_written_back_as_they_were(tmp_path: Path) -> None:
    write_manifest(tmp_path, read_manifest(BEFORE))
    assert (tmp_path / "data.json").read_text() == (BEFORE / "data.json").read_text()


def test_what_earlier_versions_did_not_say_has_defaults(tmp_path: Path) -> None:
    content = before()
    for key in ("why_skipped", "summary", "background", "seed", "limit", "recipe", "source"):
        content.pop(key)
    (tmp_path / "data.json").write_text(json.dumps(content))
    manifest = read_manifest(tmp_path)
    assert (manifest.seed, manifest.limit, manifest.recipe, manifest.background) == (0, None, "paper", "white")
    assert (manifest.summary.short_side, manifest.why_skipped, manifest.files) == ((), (), None)
    assert manifest.as_json() == content


def test_what_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    whole = read_manifest(BEFORE)
    write_manifest(tmp_path, whole)
    entry = whole.encoders[ENCODER].model_copy(update={"options": {"table": {"a": 1}}})
    with pytest.raises(StackganError, match=r"encoders\.hashed-words\.options\.table"):
        write_manifest(tmp_path, whole.model_copy(update={"encoders": {ENCODER: entry}}))
    assert isinstance(read_manifest(tmp_path), DataManifest)

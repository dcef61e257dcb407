from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.errors import ModelError, StackganError
from stackgan_cli.models.folder import ModelFolder, copy_model, drawing_files, set_aside


def generate(stackgan: Callable[..., Any], tmp_path: Path) -> Any:
    return stackgan("generate", "a red bird", "--model", "birds", "--seed", 1, "-o", tmp_path / "out")


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_model_says_what_it_is(model: Path) -> None:
    folder = ModelFolder(model)
    assert folder.name == "birds"
    assert folder.stages == [1, 2]
    assert folder.manifest.data.name == "birds"
    assert folder.manifest.text_encoder.name == "stackgan-cli:hashed-words"
    for stage, resolution in (("1", 16), ("2", 64)):
        record = folder.manifest.stages[stage]
        assert (record.steps, record.resolution) == (6, resolution)
        assert record.generator.name == "stackgan-cli:modulated"


def test_a_model_works_wherever_it_is_moved(stackgan: Callable[..., Any], model: Path, tmp_path: Path) -> None:
    before = generate(stackgan, tmp_path)
    model.rename(tmp_path / "elsewhere")
    after = stackgan("generate", "a red bird", "--model", tmp_path / "elsewhere", "--seed", 1, "-o", tmp_path / "out")
    assert (before.code, after.code) == (0, 0)
    from PIL import Image

    one, two = (Image.open(each.out.strip()).tobytes() for each in (before, after))
    assert one == two


def test_a_stage_that_is_not_trained_names_the_command(model: Path) -> None:
    stages = json.loads((model / "stackgan.json").read_text())["stages"]
    change(model / "stackgan.json", stages={"1": stages["1"]})
    with pytest.raises(ModelError) as error:
        ModelFolder(model).stage2()
    assert "train-stage2" in str(error.value.hint)
    with pytest.raises(ModelError) as error:
        ModelFolder(model, called="hf:someone/birds").stage2()
    assert error.value.hint == "another model"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": 1}',
        '{"format": 99, "stages": {}, "data": {"name": "x"}}',
        '{"format": "1", "stages": {}, "data": {"name": "x"}}',
        '{"format": 1, "stages": {"../3": {}}, "data": {"name": "x"}}',
        '{"format": 1, "stages": {"1": "../../x"}, "data": {"name": "x"}}',
        '{"format": 1, "stages": {"1": {}}, "data": {"name": 7}}',
        '{"format": 1, "stages": {}, "data": {"name": "x"}}',
    ],
    ids=lambda text: text[:60],
)
def test_a_forged_or_damaged_manifest_is_one_message(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, text: str
) -> None:
    (model / "stackgan.json").write_text(text)
    done = generate(stackgan, tmp_path)
    assert done.code == 5, done.err
    assert done.err.count("Error:") == 1
    assert "Traceback" not in done.err
    if '"format": 99' in text:
        assert done.says("later version", "pip install --upgrade")


@pytest.mark.parametrize("part", ["text_encoder", "stage1", "stage2"])
@pytest.mark.parametrize("name", ["os:system", "stackgan-cli:../../x", "subprocess:run", "../../evil:thing", {"a": 1}])
def test_no_code_is_named_but_through_entry_points(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, part: str, name: object
) -> None:
    trace = tmp_path / "trace"
    change(model / part / "config.json", name=name, options={"command": f"touch {trace}"}, shapes={})
    done = generate(stackgan, tmp_path)
    assert done.code in (4, 5), done.err
    assert done.err.count("Error:") == 1
    assert not trace.exists()


@pytest.mark.parametrize("part", ["stage1/model.safetensors", "stage2/model.safetensors", "stage1/config.json"])
def test_a_truncated_file_is_named(stackgan: Callable[..., Any], model: Path, tmp_path: Path, part: str) -> None:
    data = (model / part).read_bytes()
    (model / part).write_bytes(data[: len(data) // 2])
    done = generate(stackgan, tmp_path)
    assert done.code == 5
    assert done.says(part)
    assert not (tmp_path / "out").exists()


def test_a_copy_takes_the_place_of_nothing_that_comes_to_be_there_meanwhile(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(found: ModelFolder) -> dict[str, Path]:
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "thesis.txt").touch()
        return drawing_files(found)

    monkeypatch.setattr("stackgan_cli.models.folder.drawing_files", slow)
    with pytest.raises(StackganError, match="left alone"):
        copy_model(ModelFolder(model), tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").rglob("*")] == ["thesis.txt"]


def test_an_unknown_model_is_answered_with_those_there_are(stackgan: Callable[..., Any], model: Path) -> None:
    done = stackgan("generate", "a red bird", "--model", "brids")
    assert done.code == 5
    assert done.says("brids", "Did you mean 'birds'?", "drawn-birds")


def test_nothing_set_aside_replaces_what_was_set_aside_before(tmp_path: Path) -> None:
    assert set_aside(tmp_path / "run") is None
    for number in (1, 2, 3):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "mark").write_text(str(number))
        assert set_aside(tmp_path / "run") == tmp_path / f"run-old-{number}"
    assert [(tmp_path / f"run-old-{n}" / "mark").read_text() for n in (1, 2, 3)] == ["1", "2", "3"]

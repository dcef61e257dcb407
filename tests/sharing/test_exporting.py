"""Exported graphs draw what the pipeline draws, in other programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from stackgan_cli.errors import StackganError
from stackgan_cli.pipeline import Pipeline
from stackgan_cli.sharing import exporting
from stackgan_cli.sharing.exporting import export, inverse_error_function

PROMPTS = ("a small red bird", "a blue bird")


def described(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return found


def drawn_by_onnx(folder: Path, sentence: np.ndarray[Any, Any], noise: np.ndarray[Any, Any]) -> torch.Tensor:
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    return torch.from_numpy(session.run(None, {"sentence": sentence, "noise": noise})[0])


@pytest.mark.parametrize("stage", [1, 2])
def test_onnxruntime_draws_the_pipelines_pictures_from_the_description_alone(
    model: Path, tmp_path: Path, stage: int
) -> None:
    pipeline = Pipeline.from_pretrained(model, precision="float32")
    folder = export(pipeline, tmp_path / "graph", form="onnx", stage=stage, prompts=PROMPTS).folder
    facts = described(folder)
    sentences = np.float32([each["sentence"] for each in facts["prompts"]])
    seeds = [5, 6]
    noise = torch.cat([pipeline.noise(number, seeds) for number in range(1, stage + 1)], dim=1).numpy()
    assert not noise[:, facts["zero_noise"]].any()
    expected = pipeline.generate(pipeline.encode(PROMPTS), seeds, stage=stage)
    assert expected.std() > 0.01
    torch.testing.assert_close(drawn_by_onnx(folder, sentences, noise), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn_by_onnx(folder, sentences[:1], noise[:1]), expected[:1], atol=1e-4, rtol=0)
    assert facts["resolution"] == expected.shape[-1]
    assert facts["inputs"]["noise"][1] == noise.shape[1]


def test_a_program_of_torch_draws_them_too(model: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    pipeline = Pipeline.from_pretrained(model, precision="float32")
    recwarn.clear()
    folder = export(pipeline, tmp_path / "graph", form="torch", stage=2).folder
    assert [str(each.message) for each in recwarn] == []
    noise = torch.cat([pipeline.noise(stage, [1, 2, 3, 4]) for stage in (1, 2)], dim=1)
    text = pipeline.encode(["a red bird"] * 4)
    images = torch.export.load(folder / "model.pt2").module()(text.sentence.clone(), noise)
    torch.testing.assert_close(images, pipeline.generate(text, [1, 2, 3, 4], stage=2), atol=1e-4, rtol=0)


def test_the_inverse_error_function_is_torchs() -> None:
    values = torch.linspace(-0.999999, 0.999999, 20_001)
    torch.testing.assert_close(inverse_error_function(values), torch.erfinv(values), rtol=1e-4, atol=1e-6)


def test_a_graph_that_draws_something_else_is_never_left_behind(
    model: Path, tmp_path: Path, stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "inverse_error_function", lambda value: value)
    monkeypatch.setattr(Pipeline, "draws_mean", lambda *_: False)
    folder = tmp_path / "graph"
    refused = stackgan("export", "--model", "birds", "--format", "torch", "--output", str(folder))
    assert refused.code == 5
    assert refused.says("draws something else than birds")
    assert not folder.exists()


def test_the_command_tells_what_it_wrote_and_overwrites_nothing(
    model: Path, tmp_path: Path, stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = stackgan("export", "--model", "birds", "--stage", "1", "--prompt", "ein roter Vögel", "--json")
    assert done.code == 0, done.err
    assert done.json["largest_difference"] <= 1e-4
    assert described(Path("birds"))["prompts"][0]["prompt"] == "ein roter Vögel"
    again = stackgan("export", "--model", "birds", "--stage", "1")
    assert again.code == 2
    assert again.says("already")
    assert stackgan("export", "--model", "birds", "--format", "caffe").code == 2
    assert stackgan("export", "--model", "birds", "--prompt", " ", "--output", "other").code == 2


def test_a_model_of_the_hub_is_called_what_it_was_asked_for_by(
    model: Path, home: Path, stackgan: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model, home / "downloads" / "hugging-face" / "someone" / "birds")
    monkeypatch.setattr(exporting, "_write", lambda *_: 0.0)
    done = stackgan("export", "--model", "hf:someone/birds", "--format", "torch", "--output", tmp_path / "graph")
    assert done.code == 0, done.err
    assert described(tmp_path / "graph")["model"] == "hf:someone/birds"


def test_what_comes_to_be_there_meanwhile_is_left_alone(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> float:
        (tmp_path / "graph").mkdir()
        (tmp_path / "graph" / "thesis.txt").touch()
        return 0.0

    monkeypatch.setattr(exporting, "_write", slow)
    pipeline = Pipeline.from_pretrained(model, precision="float32")
    with pytest.raises(StackganError, match="left alone"):
        export(pipeline, tmp_path / "graph", form="torch", stage=1)
    assert [path.name for path in (tmp_path / "graph").rglob("*")] == ["thesis.txt"]


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    model: Path, stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    refused = stackgan("export", "--model", "birds")
    assert refused.code == 3
    assert refused.says('pip install "stackgan-cli[onnx]"')

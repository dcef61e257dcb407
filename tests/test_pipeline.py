from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from stackgan_cli import Pipeline
from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import save_component
from stackgan_cli.drawing.pictures import Request
from stackgan_cli.errors import ComponentError, ModelError, UsageError
from stackgan_cli.machine import choose_machine
from stackgan_cli.models.folder import ModelFolder
from stackgan_cli.pictures.picture_files import read_facts


@pytest.fixture
def pipeline(model: Path) -> Pipeline:
    return Pipeline.from_pretrained(model)


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(pipeline: Pipeline, model: Path) -> None:
    first = pipeline.draw("a small red bird", seed=7)
    assert same(first, pipeline.draw("a small red bird", seed=7))
    assert same(first, Pipeline.from_pretrained("birds").draw("a small red bird", seed=7))
    assert not same(first, pipeline.draw("a small red bird", seed=8))
    assert not same(first, pipeline.draw("a large blue bird in snow", seed=7))


def test_a_picture_does_not_depend_on_what_is_drawn_beside_it(pipeline: Pipeline) -> None:
    alone = pipeline.draw("a small red bird", seed=9)
    requests = [Request(f"a bird, number {at}", at) for at in range(3)] + [Request("a small red bird", 9)]
    *_, last = pipeline.draw_all(requests)
    assert same(alone, last.picture)
    assert (last.prompt, last.seed, last.model, last.stage) == ("a small red bird", 9, "birds", 2)


def test_stages_have_their_sizes_and_the_last_is_the_default(pipeline: Pipeline) -> None:
    assert pipeline.stages == [1, 2]
    assert pipeline.resolution == 64
    assert pipeline.draw("a bird", stage=1).size == (16, 16)
    assert pipeline.draw("a bird", stage=2).size == (64, 64)
    assert same(pipeline.draw("a bird"), pipeline.draw("a bird", stage=2))
    with pytest.raises((ModelError, UsageError)):
        pipeline.draw("a bird", stage=3)


def test_a_sketch_is_drawn_where_only_stage_one_is_trained(
    stackgan: Callable[..., Any], train_tiny: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    assert train_tiny(1, "--steps", 1).code == 0
    assert Pipeline.from_pretrained("birds").draw("a bird").size == (16, 16)
    refused = stackgan("generate", "a bird", "--stage", 2, "-o", tmp_path / "out")
    assert refused.code == 5
    assert refused.says("train-stage2 --data birds")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prompt", ["", "  \n", "🐦🐦", "..."])
@pytest.mark.parametrize("seed", [0])
def test_what_cannot_be_read_is_refused(pipeline: Pipeline, prompt: str, seed: int) -> None:
    with pytest.raises(UsageError):
        pipeline.draw(prompt, seed=seed)


def test_seeds_reach_from_nothing_to_the_largest(pipeline: Pipeline) -> None:
    assert not same(pipeline.draw("a bird", seed=0), pipeline.draw("a bird", seed=2**63 - 1))
    for seed in (-1, 2**63):
        with pytest.raises(UsageError, match="seed"):
            pipeline.draw("a bird", seed=seed)


def test_nothing_is_drawn_where_one_of_the_requests_is_wrong(pipeline: Pipeline) -> None:
    with pytest.raises(UsageError):
        next(iter(pipeline.draw_all([Request("a bird", 1), Request("", 1)])))


SITE = """[stackgan.text_encoders]
reader = strange_parts:Reader
[stackgan.stage1_generators]
painter = strange_parts:Painter
"""
CODE = """
import torch
from stackgan_cli.components.protocols import Generated, TextFeatures

class Reader:
    width = 512

    def __init__(self, *, mode: str = "good"):
        self.mode = mode

    def encode(self, captions):
        if self.mode == "fails":
            raise KeyError("bird")
        sentence = torch.ones(len(captions), self.width + (self.mode == "wide"))
        return sentence if self.mode == "bare" else TextFeatures(sentence.log() * 0 + (self.mode == "nan") * torch.nan)

class Painter(torch.nn.Module):
    noise_width = 2

    def __init__(self, *, text_width: int, resolution: int = 16, mode: str = "good"):
        super().__init__()
        self.resolution, self.mode = resolution, mode
        self.level = torch.nn.Parameter(torch.tensor(3.0 if mode == "bright" else 1.005))

    def forward(self, noise, text):
        if self.mode == "fails":
            raise ZeroDivisionError("of the canvas")
        level = self.level * torch.nan if self.mode == "nan" else self.level
        return Generated(level.expand(len(noise), 3, self.resolution, self.resolution - (self.mode == "narrow")))
"""


@pytest.fixture
def changed(install: Callable[..., Path], model: Path, restate: Callable[[Path], None]) -> Callable[..., Pipeline]:
    """``changed(kind, folder, mode)``: the model with another component, of a package that does as the mode says."""
    install("strange-parts", SITE, CODE, version="1.5")

    def change(kind: Kind, mode: str = "good") -> Pipeline:
        reads = kind is Kind.TEXT_ENCODER
        host = {} if reads else {"text_width": 512, "resolution": 16}
        bound = find(kind, "reader" if reads else "painter").bind(host, {"mode": mode})
        save_component(model / ("text_encoder" if reads else "stage1"), bound.entry(), bound.build())
        restate(model)
        return Pipeline.from_pretrained(model)

    return change


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("narrow", "draws images of the shape (1, 3, 16, 15) instead of (1, 3, 16, 16)."),
        ("bright", "draws images that reach from 3 to 3, outside [-1, 1]."),
        ("nan", "draws NaN."),
        ("fails", "failed while drawing: ZeroDivisionError: of the canvas."),
    ],
)
@pytest.mark.parametrize("stage", [1, 2])
def test_a_generator_that_draws_no_picture_is_named(
    changed: Callable[..., Pipeline], mode: str, words: str, stage: int
) -> None:
    pipeline = changed(Kind.STAGE1_GENERATOR, mode)
    with pytest.raises(ComponentError) as error:
        pipeline.draw("a bird", stage=stage)
    assert error.value.message == f"The stage-one generator 'painter' of strange-parts 1.5 {words}"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("bare", "returns Tensor instead of TextFeatures."),
        ("wide", "gives sentences of the shape (1, 513), not (1, 512)."),
        ("nan", "gives sentences that hold NaN or infinity, or are no floating point numbers."),
        ("fails", "failed while encoding captions: KeyError: 'bird'."),
    ],
)
def test_a_text_encoder_that_gives_no_features_is_named(
    changed: Callable[..., Pipeline], mode: str, words: str
) -> None:
    pipeline = changed(Kind.TEXT_ENCODER, mode)
    with pytest.raises(ComponentError) as error:
        pipeline.draw("a bird", stage=1)
    assert error.value.message == f"The text encoder 'reader' of strange-parts 1.5 {words}"


def test_what_rounding_adds_to_white_is_forgiven(changed: Callable[..., Pipeline]) -> None:
    assert changed(Kind.STAGE1_GENERATOR).draw("a bird", stage=1).getextrema() == ((255, 255),) * 3


def test_a_stage1_that_stage2_did_not_learn_from_is_noted_where_stage2_draws(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    assert Pipeline.from_pretrained(model).notes == []
    weights = load_file(model / "stage1" / "model.safetensors")
    save_file({name: 0 * weight for name, weight in weights.items()}, model / "stage1" / "model.safetensors")
    [note] = Pipeline.from_pretrained(model).notes
    assert "The Stage-II of birds was trained on another Stage-I than the one that is here now" in note
    asked = ("generate", "a bird", "-o", tmp_path / "out")
    done = stackgan(*asked)
    assert done.code == 0
    assert done.err.count("another Stage-I") == 1
    assert "another Stage-I" not in stackgan(*asked, "--stage", 1).err


def test_a_component_of_another_version_is_noted_and_named_where_it_fails(
    changed: Callable[..., Pipeline], install: Callable[..., Path], model: Path, stackgan: Callable[..., Any]
) -> None:
    assert not any("was saved with" in note for note in changed(Kind.STAGE1_GENERATOR).notes)
    install("strange-parts", SITE, CODE, version="2.0")
    note = "The stage-one generator 'painter' was saved with strange-parts 1.5, and 2.0 is installed"
    assert note in Pipeline.from_pretrained(model).notes[0]
    assert stackgan("generate", "a bird", "--stage", 1, "-o", model.parent / "out").says(f"Note: {note}")
    save_file(load_file(model / "stage2" / "model.safetensors"), model / "stage1" / "model.safetensors")
    with pytest.raises(ModelError, match=r"missing.*saved with strange-parts 1\.5; 2\.0 is installed") as error:
        Pipeline.from_pretrained(model)
    assert error.value.hint == 'Install the version it was saved with: pip install "strange-parts==1.5"'


def test_the_mean_of_the_condition_is_drawn_where_the_model_was_made_for_it(
    model: Path, stackgan: Callable[..., Any], tmp_path: Path
) -> None:
    folder = ModelFolder(model)
    assert {stage: folder.stage_record(stage).condition for stage in (1, 2)} == {1: "mean", 2: "mean"}
    drawn = {
        condition: Pipeline(folder, choose_machine("cpu"), condition=condition).draw("a small red bird", seed=3)
        for condition in (None, "mean", "sample")
    }
    assert same(drawn[None], drawn["mean"])
    assert not same(drawn["mean"], drawn["sample"])
    # Models of before say nothing of it, and draw as they did.
    manifest = json.loads((model / "stackgan.json").read_text())
    for record in manifest["stages"].values():
        del record["condition"]
    (model / "stackgan.json").write_text(json.dumps(manifest))
    assert same(Pipeline.from_pretrained("birds").draw("a small red bird", seed=3), drawn["sample"])
    path = tmp_path / "mean.png"
    asked = ("generate", "a small red bird", "--seed", 3, "--model", "birds", "--output", path, "--condition", "mean")
    assert stackgan(*asked).code == 0
    assert read_facts(path)["condition"] == "mean"


def test_a_generator_that_cannot_draw_the_mean_draws_as_ever_and_is_named(
    changed: Callable[..., Pipeline], model: Path, stackgan: Callable[..., Any], tmp_path: Path
) -> None:
    changed(Kind.STAGE1_GENERATOR)
    note = "The stage-one generator 'painter' of strange-parts 1.5 does not say what noise draws its condition"
    for condition, notes in (("mean", 1), ("sample", 0)):
        done = stackgan("generate", "a bird", "--stage", 1, "--condition", condition, "-o", tmp_path / "out")
        assert done.code == 0, done.err
        assert done.says(note) == bool(notes)


def test_a_picture_drawn_otherwise_says_so_and_can_be_drawn_again(
    model: Path, stackgan: Callable[..., Any], tmp_path: Path
) -> None:
    usual, sampled = tmp_path / "usual.png", tmp_path / "sampled"
    assert stackgan("generate", "a bird", "--seed", 3, "--model", "birds", "-o", usual).code == 0
    asked = ("generate", "a bird", "--seed", 3, "--model", "birds", "--condition", "sample", "--grid", "-o", sampled)
    picture, sheet = stackgan(*asked).out.split()
    assert "condition" not in read_facts(usual)
    assert read_facts(Path(picture))["condition"] == read_facts(Path(sheet))["condition"] == "sample"
    again = Pipeline.from_pretrained("birds", condition=read_facts(Path(picture))["condition"]).draw("a bird", seed=3)
    assert same(Image.open(picture), again)
    assert not same(Image.open(usual), again)


def test_with_the_mean_only_the_noise_z_decides(model: Path) -> None:
    generator = Pipeline(ModelFolder(model), choose_machine("cpu")).model.stage1()
    text = TextFeatures(torch.randn(1, 512))
    noise = torch.randn(2, generator.noise_width)
    noise[1, : generator.condition_noise.start] = noise[0, : generator.condition_noise.start]
    with torch.no_grad():
        one, other = (generator(row[None], text).images for row in noise)
        assert not torch.allclose(one, other)
        noise[:, generator.condition_noise] = 0
        one, other = (generator(row[None], text).images for row in noise)
        assert torch.allclose(one, other)

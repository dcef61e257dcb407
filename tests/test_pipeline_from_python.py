"""The pipeline as people know it from diffusers."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stackgan_cli import ModelFolder, Pipeline, pipeline
from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.pictures.picture_files import read_facts


@pytest.fixture
def pipe(model: Path) -> Pipeline:
    return Pipeline.from_pretrained(model)


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def test_a_call_draws_what_the_command_draws(
    pipe: Pipeline, tmp_path: Path, stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = pipe(["a red bird", "a blue bird"], num_images_per_prompt=2, seed=7)
    listed = stackgan("generate", "a red bird", "a blue bird", "-n", 2, "--seed", 7, "--model", "birds", "--json").json
    assert drawn.seeds == [each["seed"] for each in listed["pictures"]] == [7, 8, 7, 8]
    for image, each in zip(drawn.images, listed["pictures"], strict=True):
        assert same(image, Image.open(each["path"]))


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ("There is no stage 0", {"stage": 0}),
        ("There is no stage -1", {"stage": -1}),
        ("The stage is a whole number, not '1'", {"stage": "1"}),
        ("The seed is a whole number, not 7.5", {"seed": 7.5}),
        ("The seed is a whole number, not '7'", {"seed": "7"}),
        ("num_images_per_prompt is a whole number, not '2'", {"num_images_per_prompt": "2"}),
        ("Generators are torch's", {"generator": 7}),
        ("Generators are torch's", {"generator": [7]}),
        ("A prompt is a sentence", {"prompt": None}),
        ("A prompt is a sentence", {"prompt": ["a bird", 1]}),
        ("A prompt is a sentence", {"prompt": b"a bird"}),
        ("A prompt is a sentence", {"prompt": {"a bird": 7}}),
        ("A prompt is a sentence", {"prompt": {"a bird", "a fish"}}),
        ("The prompt is not UTF-8", {"prompt": "a \ud800 bird"}),
        ("A prompt of 50,000 characters is too long", {"prompt": "a bird" + " " * 49_994}),
        ("The seed is a whole number, not True", {"seed": True}),
        ("The stage is a whole number, not True", {"stage": True}),
        ("num_images_per_prompt is a whole number, not True", {"num_images_per_prompt": True}),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(pipe: Pipeline, told: str, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=told):
        pipe(**{"prompt": "a red bird", **given})


def test_one_picture_is_drawn_of_one_sentence(pipe: Pipeline) -> None:
    for prompt in (None, ["a red bird"]):
        with pytest.raises(UsageError, match="A prompt is a sentence"):
            pipe.draw(prompt)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", [None, 7, "\ud800", "birds\0"])
def test_what_is_no_folder_is_a_sentence(pipe: Pipeline, folder: Any) -> None:
    for save in (pipe.save_pretrained, pipe("a red bird", seed=1).save):
        with pytest.raises(UsageError, match="path") as refused:
            save(folder)
        assert refused.value.hint


def test_whole_numbers_of_any_type_are_taken_as_such(pipe: Pipeline) -> None:
    drawn = pipe("a red bird", seed=np.int64(7), stage=torch.tensor(1))  # type: ignore[arg-type]
    assert drawn.seeds == [7]
    assert type(drawn.seeds[0]) is int
    assert same(drawn.images[0], pipe("a red bird", seed=7, stage=1).images[0])


def test_devices_conditions_and_truncations_are_taken_or_refused(pipe: Pipeline, model: Path) -> None:
    assert pipe.to(torch.device("cpu")).machine.device == torch.device("cpu")
    assert Pipeline.from_pretrained(model, device=torch.device("cpu")).stages == [1, 2]
    for device in (None, 99):
        with pytest.raises(UsageError, match="cannot be used here"):
            pipe.to(device)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the condition 'median'"):
        Pipeline.from_pretrained(model, condition="median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the condition 'median'"):
        pipe.drawing_with("median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="truncated at '1'"):
        pipe.drawing_with(truncation="1")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="truncated at True"):
        pipe.drawing_with(truncation=True)


def test_sketches_lie_beside_their_pictures(pipe: Pipeline) -> None:
    drawn = pipe("a red bird", seed=3)
    assert drawn.images[0].size == (64, 64)
    assert same(drawn.stage1_images[0], pipe.draw("a red bird", seed=3, stage=1))
    sketch = pipe("a red bird", seed=3, stage=1)
    assert same(sketch.images[0], sketch.stage1_images[0])


def test_arrays_and_tensors_are_the_pictures_from_0_to_1(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = pipe("a red bird", num_images_per_prompt=2, seed=3).images
    arrays = pipe("a red bird", num_images_per_prompt=2, seed=3, output_type="np").images
    tensors = pipe("a red bird", num_images_per_prompt=2, seed=3, output_type="pt").images
    assert (arrays.shape, arrays.dtype) == ((2, 64, 64, 3), np.float32)
    assert same((arrays * 255).round().astype(np.uint8), np.stack([np.asarray(each) for each in pictures]))
    assert tensors.dtype == torch.float32
    assert same(tensors.permute(0, 2, 3, 1), arrays)
    monkeypatch.setattr(Pipeline, "draw_all", None)
    with pytest.raises(UsageError, match="output type 'latent'"):
        pipe("a red bird", output_type="latent")  # type: ignore[arg-type]


def test_a_generator_gives_the_seeds(pipe: Pipeline) -> None:
    def called() -> Any:
        return pipe("a red bird", num_images_per_prompt=2, generator=torch.Generator().manual_seed(5))

    first = called()
    assert first.seeds == called().seeds
    assert len(set(first.seeds)) == 2
    assert same(first.images[1], pipe.draw("a red bird", seed=first.seeds[1]))
    one_each = [torch.Generator().manual_seed(number) for number in (1, 1)]
    twins = pipe(["a red bird", "a red bird"], generator=one_each)
    assert same(*twins.images)
    assert pipe("a red bird").seeds != pipe("a red bird").seeds


@pytest.mark.parametrize(
    "call",
    [
        {"prompt": []},
        {"prompt": ""},
        {"prompt": "a bird", "num_images_per_prompt": 0},
        {"prompt": "a bird", "num_images_per_prompt": 10**9},
        {"prompt": "a bird", "seed": -1},
        {"prompt": "a bird", "seed": 1, "generator": torch.Generator()},
        {"prompt": ["a bird", "a fish"], "generator": [torch.Generator()]},
    ],
)
def test_what_cannot_be_meant_is_refused(pipe: Pipeline, call: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        pipe(**call)
    assert refused.value.hint


def test_saved_pictures_say_how_they_were_drawn(model: Path, tmp_path: Path) -> None:
    pipe = Pipeline.from_pretrained(model, condition="mean")
    [path] = pipe("a red bird", seed=3).save(tmp_path / "new" / "folder")
    assert path.name == "a-red-bird-3.png"
    facts = read_facts(path)
    assert {key: facts[key] for key in ("prompt", "seed", "model", "stage", "condition")} == {
        "prompt": "a red bird",
        "seed": 3,
        "model": "birds",
        "stage": 2,
        "condition": "mean",
    }


def test_a_picture_in_memory_says_how_it_was_drawn_and_can_be_kept_so(pipe: Pipeline, tmp_path: Path) -> None:
    drawn = pipe("ein roter Vögel", seed=3)
    [saved] = drawn.save(tmp_path)
    info, sketch = drawn.images[0].info, drawn.stage1_images[0].info
    assert {key: info[key] for key in ("prompt", "seed", "model", "fingerprint", "stage", "size")} == {
        "prompt": "ein roter Vögel",
        "seed": 3,
        "model": "birds",
        "fingerprint": pipe.model.fingerprint,
        "stage": 2,
        "size": 64,
    }
    assert (sketch["prompt"], sketch["seed"], sketch["stage"], sketch["size"]) == ("ein roter Vögel", 3, 1, 16)
    assert info["parameters"].splitlines()[0] == "ein roter Vögel"
    chunks = PngInfo()
    for key, value in info.items():
        chunks.add_text(key, str(value))
    drawn.images[0].save(tmp_path / "kept.png", pnginfo=chunks)
    assert read_facts(tmp_path / "kept.png") == read_facts(saved)
    for form in ("png", "jpg", "webp", "gif"):
        drawn.images[0].save(tmp_path / f"bare.{form}")


def test_a_pipeline_moves_and_draws_the_same_in_float32(pipe: Pipeline) -> None:
    before = pipe.to("cpu", "float32").draw("a red bird", seed=3)
    assert pipe.to("cpu", "bfloat16").machine.precision == "bfloat16"
    assert same(pipe.to("cpu", "float32").draw("a red bird", seed=3), before)
    with pytest.raises(UsageError):
        pipe.to("abacus")


def test_a_saved_copy_draws_the_same_and_holds_nothing_of_the_training(pipe: Pipeline, tmp_path: Path) -> None:
    copy = pipe.save_pretrained(tmp_path / "copy")
    assert same(Pipeline.from_pretrained(copy).draw("a red bird", seed=3), pipe.draw("a red bird", seed=3))
    kept = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    weights = {f"{part}/{file}" for part in ("stage1", "stage2") for file in ("config.json", "model.safetensors")}
    assert weights <= kept
    assert not any(part in path for path in kept for part in ("training", "discriminator", "evaluation"))
    assert ModelFolder(copy).manifest == pipe.model.manifest
    assert json.loads((copy / "stackgan.json").read_text()) == json.loads(
        (pipe.model.folder / "stackgan.json").read_text()
    )
    with pytest.raises(UsageError, match="already"):
        pipe.save_pretrained(copy)


def test_a_copy_is_loaded_by_what_it_was_saved_under(
    pipe: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy = pipe.save_pretrained("my copy")
    for called in ("my copy", copy):
        assert Pipeline.from_pretrained(called).model.folder == tmp_path / "my copy"
    pipe.save_pretrained("birds")
    assert Pipeline.from_pretrained("birds").model.folder == pipe.model.folder
    assert Pipeline.from_pretrained(Path("birds")).model.folder == tmp_path / "birds"
    with pytest.raises(ModelError, match="no model called 'brids'"):
        Pipeline.from_pretrained("brids")


def test_the_examples_of_the_documentation_hold() -> None:
    assert doctest.testmod(pipeline).attempted >= 4
    assert doctest.testmod(pipeline).failed == 0

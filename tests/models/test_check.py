"""A model whose pieces do not fit together is told by what its files say, before anything of it is built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from stackgan_cli.components import storage
from stackgan_cli.errors import ComponentError, ModelError
from stackgan_cli.models.finding import find_model
from stackgan_cli.pipeline import Pipeline

PLACES = {"text_encoder": ("text_encoder",), "stage1": ("stages", "1", "generator")}
PLACES["stage2"] = ("stages", "2", "generator")


def changed(path: Path, *keys: str, value: Any) -> None:
    """Set one value of a JSON file, or take it out where the value is None."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    path.write_text(json.dumps(content))


def forged(model: Path, part: str, *keys: str, value: Any) -> None:
    """Set one value of a piece, in its own file, in the header of its weights and in the manifest."""
    changed(model / part / "config.json", *keys, value=value)
    weights = model / part / "model.safetensors"
    if weights.is_file():
        described = (model / part / "config.json").read_text()
        save_file(load_file(weights), weights, {"component": described})
    changed(model / "stackgan.json", *PLACES[part], *keys, value=value)
    if keys == ("shapes", "resolution"):
        changed(model / "stackgan.json", *PLACES[part][:-1], "resolution", value=0)


@pytest.fixture
def never_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be built."""

    def build(*_: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr(storage, "build_stored", build)


def test_a_whole_model_passes(model: Path) -> None:
    find_model("birds").check()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda model: changed(model / "stackgan.json", "stages", "1", value={}), ["stackgan.json", "stages.1"]),
        (lambda model: changed(model / "stackgan.json", "stages", "1", value=None), ["stackgan.json", "no Stage-I"]),
        (
            lambda model: changed(model / "stackgan.json", "stages", "2", "resolution", value=-64),
            ["stackgan.json", "stages.2.resolution", "-64"],
        ),
        (
            lambda model: changed(model / "stackgan.json", "stages", "1", "generator", "name", value="evil:paper"),
            ["stage1/config.json has name", "'evil:paper'", "stackgan.json"],
        ),
        (
            lambda model: changed(model / "stage1" / "config.json", "options", "channels", value=10**9),
            ["stage1/config.json has options.channels = 1000000000", "has 4 for it"],
        ),
        (
            lambda model: changed(model / "text_encoder" / "config.json", "options", value=[1, 2]),
            ["text_encoder/config.json is malformed", "options"],
        ),
        (
            lambda model: changed(model / "stage2" / "config.json", "shapes", "resolution", value=-4),
            ["stage2/config.json is malformed", "shapes.resolution"],
        ),
        (
            lambda model: forged(model, "stage1", "shapes", "resolution", value=1 << 20),
            ["stage1/config.json", "1,048,576 pixels", "shapes.resolution"],
        ),
        (
            lambda model: forged(model, "stage1", "shapes", "resolution", value=32),
            ["stage2/config.json has shapes.input_resolution = 16", "stage1/config.json", "shapes.resolution = 32"],
        ),
        (
            lambda model: forged(model, "stage2", "shapes", "text_width", value=8),
            ["stage2/config.json has shapes.text_width = 8", "stage1/config.json"],
        ),
        (lambda model: shutil.rmtree(model / "stage1"), ["stage1/config.json cannot be read"]),
        (
            lambda model: shutil.copyfile(model / "stage2" / "config.json", model / "stage1" / "config.json"),
            ["stage1/config.json", "stackgan.json"],
        ),
    ],
)
@pytest.mark.usefixtures("never_built")
def test_what_does_not_fit_is_told_by_file_and_field(
    model: Path, spoil: Callable[[Path], Any], words: list[str]
) -> None:
    spoil(model)
    with pytest.raises(ModelError) as refused:
        find_model("birds")
    for each in words:
        assert each in refused.value.message
    assert refused.value.hint


def test_no_stage_at_all_says_which_command_trains_one(model: Path, stackgan: Callable[..., Any]) -> None:
    changed(model / "stackgan.json", "stages", value={})
    for command in (("generate", "a red bird"), ("export",)):
        done = stackgan(*command, "--model", "birds")
        assert done.code == 5
        assert done.says("has no Stage-I yet", "stackgan train-stage1 --data birds")


def test_an_encoder_of_another_width_is_told_before_a_generator_is_built(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged(model, "text_encoder", "options", "width", value=10**9)
    built = []
    build = storage.build_stored
    monkeypatch.setattr(storage, "build_stored", lambda kind, *given: built.append(kind) or build(kind, *given))
    with pytest.raises(ModelError, match=r"stage1.config\.json .*shapes\.text_width.* gives 1000000000") as refused:
        Pipeline.from_pretrained("birds")
    assert len(built) == 1
    assert refused.value.hint


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [
        ("stage1", "z_width", 10**8),
        ("stage1", "channels", 10**5),
        ("stage2", "residual_blocks", 10**9),
        ("text_encoder", "buckets", 10**8),
    ],
)
def test_a_piece_far_larger_than_its_weights_is_refused_before_it_takes_memory(
    model: Path, part: str, option: str, value: int
) -> None:
    if part == "text_encoder":
        shutil.copytree(find_model("bundled").folder, model, dirs_exist_ok=True)
    forged(model, part, "options", option, value=value)
    if option == "channels":
        forged(model, part, "options", "max_channels", value=value)
    with pytest.raises(ModelError, match=rf"{part}.config\.json describes .* far larger .*, {value:,}\."):
        Pipeline.from_pretrained("birds")


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("options", "nonesuch"), 1, "has no option 'nonesuch'"),
        (("options", "channels"), "many", "takes channels as int, not 'many'"),
        (("options", "resolution"), 64, "gets 'resolution' from the program"),
        (("shapes",), {}, "needs a value for text_width"),
    ],
    ids=str,
)
def test_what_a_component_does_not_take_is_told_with_the_file_that_says_it(
    model: Path, keys: tuple[str, ...], value: Any, words: str
) -> None:
    forged(model, "stage1", *keys, value=value)
    with pytest.raises(ComponentError) as refused:
        Pipeline.from_pretrained("birds")
    assert refused.value.message.startswith(f"In {model / 'stage1' / 'config.json'}: The stage-one generator ")
    assert words in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("part", ["text_encoder", "stage1", "stage2"])
def test_options_that_are_gone_are_told_by_the_weights(model: Path, part: str) -> None:
    shutil.copytree(find_model("bundled").folder, model, dirs_exist_ok=True)
    changed(model / part / "config.json", "options", value={})
    changed(model / "stackgan.json", *PLACES[part], "options", value={})
    with pytest.raises(ModelError) as refused:
        Pipeline.from_pretrained("birds")
    message = refused.value.message
    assert message.startswith(f"{model / part / 'config.json'} has options.")
    assert f" = none, and {model / part / 'model.safetensors'} has " in message


def test_options_that_are_gone_everywhere_are_told_by_the_shapes_of_the_weights(model: Path) -> None:
    forged(model, "stage1", "options", value={})
    with pytest.raises(
        ModelError, match=r"stage1.model\.safetensors does not fit ModulatedStage1: .* of the wrong shape"
    ):
        Pipeline.from_pretrained("birds")

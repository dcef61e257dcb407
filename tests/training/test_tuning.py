from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.generators.paper_stage1 import PaperStage1
from stackgan_cli.generators.upsampling import FORMS, UpsampleConvolution
from stackgan_cli.machine import choose_machine
from stackgan_cli.training import tuning

MACHINE = choose_machine("cpu", "float32")


def generator() -> PaperStage1:
    torch.manual_seed(0)
    return PaperStage1(text_width=8, resolution=16, channels=8).train()


def shapes(network: PaperStage1) -> tuning.Shapes:
    text = TextFeatures(torch.randn(3, 8))
    return tuning.shapes_of(network, lambda: network(torch.randn(3, network.noise_width), text))


def test_every_layer_is_found_with_what_it_is_given_and_no_trace_is_left() -> None:
    network = generator()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = shapes(network)
    assert {name: shape for name, (_, shape) in found.items()} == {"blocks.1.0": [3, 64, 4, 4], "output": [3, 32, 8, 8]}
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_a_measurement_is_made_once_and_remembered(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    def measured(layer: UpsampleConvolution, shape: list[int], machine: Any) -> str:
        asked.append(shape)
        return "phases"

    monkeypatch.setattr(tuning, "_measured", measured)
    monkeypatch.setattr(tuning, "_WORTH_OPERATIONS", 0)
    found = shapes(generator())
    assert tuning.quickest_forms(found, MACHINE) == {"blocks.1.0": "phases", "output": "phases"}
    assert tuning.quickest_forms(found, MACHINE) == {"blocks.1.0": "phases", "output": "phases"}
    assert asked == [[3, 64, 4, 4], [3, 32, 8, 8]]
    cache = empty_home / "cache" / "upsampling.json"
    for damage in ("", "[1]", json.dumps(dict.fromkeys(json.loads(cache.read_text()), "folded paper"))):
        cache.write_text(damage)
        assert tuning.quickest_forms(found, MACHINE)["output"] == "phases"
    assert len(asked) == 8


def test_another_form_is_taken_only_where_it_is_clearly_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    def taking(**seconds: float) -> str:
        times = {"transposed": 1.0, "resized": 3.0, "phases": 3.0, "products": 3.0, **seconds}
        monkeypatch.setattr(tuning, "_seconds", lambda layer, form, *_: times[form])
        return tuning._measured(UpsampleConvolution(2, 2), [1, 2, 4, 4], MACHINE)

    assert taking(phases=0.9) == "transposed"
    assert taking(phases=0.7) == "phases"
    assert taking(phases=0.7, products=0.5) == "products"


def test_small_layers_are_left_as_they_are_however_busy_the_machine(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A choice by chance would change the last bits of the weights from run to run.
    monkeypatch.setattr(tuning, "_measured", lambda *_: "phases")
    small, large = UpsampleConvolution(64, 32), UpsampleConvolution(1024, 512)
    shapes = {"small": (small, [4, 64, 8, 8]), "large": (large, [64, 1024, 4, 4])}
    assert tuning.quickest_forms(shapes, MACHINE) == {"small": "transposed", "large": "phases"}


def test_forms_that_are_nobodys_are_passed_over() -> None:
    network = generator()
    tuning.set_forms(network, {"output": "phases", "blocks": "phases", "nowhere": "phases", "blocks.1.0": "origami"})
    assert network.output.form == "phases"
    assert network.blocks[1][0].form == "transposed"


@pytest.mark.parametrize("form", [form for form in FORMS if form != "transposed"])
def test_a_run_trains_the_same_in_every_form_and_keeps_the_one_it_began_with(
    train_tiny: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def losses(name: str) -> list[dict[str, float]]:
        log = home / "models" / name / "training" / "stage1" / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]

    options = ("--set", "log_every=1", "--set", "checkpoint_every=2")
    assert train_tiny(1, "--name", "usual", "--steps", 4, *options).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "_measured", lambda *_: form)
        patch.setattr(tuning, "_WORTH_OPERATIONS", 0)
        assert train_tiny(1, "--name", "other", "--steps", 2, *options).code == 0
    assert train_tiny(1, "--name", "other", "--steps", 4, *options).code == 0
    record = home / "models" / "other" / "training" / "stage1" / "checkpoints" / "step-000004" / "checkpoint.json"
    assert set(json.loads(record.read_text())["forms"].values()) == {form}
    for one, other in zip(losses("usual"), losses("other"), strict=True):
        for name in ("generator", "discriminator", "kl"):
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-3)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from stackgan_cli.components.component import Kind
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import (
    CONFIG,
    WEIGHTS,
    load_component,
    load_weights,
    read_weights,
    save_component,
    write_tensors,
)
from stackgan_cli.errors import ComponentError, ModelError, StackganError
from stackgan_cli.manifests import read_json
from stackgan_cli.room import Room

HOST = {"text_width": 8, "resolution": 16}
OPTIONS = {"channels": 4, "max_channels": 8}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small generator in a folder."""
    bound = find(Kind.STAGE1_GENERATOR, "modulated").bind(HOST, OPTIONS)
    save_component(tmp_path, bound.entry(), bound.build())
    return tmp_path


def forge(saved: Path, change: dict[str, object], **options: object) -> None:
    """Change what is said of a component, where its weights do not say it, too."""
    described = {**read_json(saved / CONFIG), **change}
    described["options"] = {**described["options"], **options} if options else described["options"]
    (saved / CONFIG).write_text(json.dumps(described))
    write_tensors(saved / WEIGHTS, read_weights(saved / WEIGHTS))


def test_a_component_comes_back_with_its_weights_in_evaluation_mode(saved: Path) -> None:
    network, described = load_component(Kind.STAGE1_GENERATOR, saved)
    again, _ = load_component(Kind.STAGE1_GENERATOR, saved)
    assert not network.training
    assert described.name == "stackgan-cli:modulated"
    assert described.options["channels"] == 4
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key])


def test_a_loose_weights_file_says_what_it_is(saved: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved / WEIGHTS, "pt") as file:
        assert json.loads(file.metadata()["component"]) == read_json(saved / CONFIG)


def test_half_precision_comes_back_whole(tmp_path: Path) -> None:
    write_tensors(tmp_path / "w.safetensors", {"a": torch.ones(2).half(), "b": torch.ones(2).bfloat16()})
    assert {tensor.dtype for tensor in read_weights(tmp_path / "w.safetensors").values()} == {torch.float32}


def test_a_component_without_weights_needs_no_file(tmp_path: Path) -> None:
    bound = find(Kind.TEXT_ENCODER, "hashed-words").bind(options={"width": 16})
    save_component(tmp_path, bound.entry(), bound.build())
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]
    assert load_component(Kind.TEXT_ENCODER, tmp_path)[0].width == 16


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights_are_refused(saved: Path, share: float) -> None:
    data = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_component(Kind.STAGE1_GENERATOR, saved)


def test_missing_weights_and_weights_of_another_shape_are_refused(saved: Path) -> None:
    forge(saved, {}, channels=2)
    with pytest.raises(ModelError, match="wrong shape"):
        load_component(Kind.STAGE1_GENERATOR, saved)
    (saved / WEIGHTS).unlink()
    with pytest.raises(ModelError):
        load_component(Kind.STAGE1_GENERATOR, saved)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "\x00", "[" * 100_000, '"' + "x" * (1 << 20) + '"'], ids=lambda text: text[:3]
)
def test_no_json_object_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_json(tmp_path / CONFIG)


def test_a_pickle_under_the_name_of_weights_runs_nothing(saved: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (saved / WEIGHTS).write_bytes(b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR.")
    with pytest.raises(ModelError):
        load_component(Kind.STAGE1_GENERATOR, saved)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["os:system", "../../evil:x", "stackgan-cli:../x", "/etc:passwd", 7, None, "modulated"]
)
def test_only_entry_points_decide_what_is_built(saved: Path, name: object) -> None:
    forge(saved, {"name": name})
    with pytest.raises((ModelError, ComponentError)):
        load_component(Kind.STAGE1_GENERATOR, saved)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"command": "x"}},
        {"options": {"channels": "many"}},
        {"options": {"channels": -3}},
        {"options": {"__class__": 1}},
        {"options": []},
        {"shapes": {"text_width": -1}},
        {"shapes": {"text_width": 0.5}},
        {"shapes": {"resolution": 17}},
        {"version": 3},
    ],
    ids=str,
)
def test_a_forged_entry_is_refused(saved: Path, change: dict[str, object]) -> None:
    forge(saved, change)
    with pytest.raises(StackganError) as error:
        load_component(Kind.STAGE1_GENERATOR, saved)
    assert error.value.exit_code in (3, 4, 5)


def test_room_is_asked_for_only_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackganError, match="No such file") as error:
        write_tensors(tmp_path / "none" / "a.safetensors", {"a": torch.zeros(2)})
    assert "room" not in str(error.value.hint)

    def refuse(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", refuse)
    with pytest.raises(StackganError, match="No space left") as error:
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
    assert "room" in str(error.value.hint)


@pytest.mark.parametrize(
    ("value", "what"), [(float("nan"), "NaN"), (float("-inf"), "infinity"), (1j, "complex numbers")]
)
def test_weights_that_are_no_numbers_are_told_when_they_are_loaded(tmp_path: Path, value: complex, what: str) -> None:
    path = tmp_path / WEIGHTS
    write_tensors(path, {"fine": torch.zeros(3), "broken": torch.full((2, 2), value)})
    with pytest.raises(ModelError, match=f"holds {what} in broken"):
        read_weights(path)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    tensors = {key: tensor.long() for key, tensor in layer.state_dict().items()}
    with pytest.raises(ModelError, match=r"2 of the wrong type \(weight is torch.int64 instead of torch.float32"):
        load_weights(layer, tensors, what="the file")


def test_weights_that_say_to_be_of_something_else_are_told(saved: Path) -> None:
    described = read_json(saved / CONFIG)
    (saved / CONFIG).write_text(json.dumps({**described, "options": {**described["options"], "channels": 2}}))
    with pytest.raises(
        ModelError, match=r"config\.json has options\.channels = 2, and .*model\.safetensors has 4 for it"
    ):
        load_component(Kind.STAGE1_GENERATOR, saved)


@pytest.mark.parametrize("said", ["", "[" * 10_000, "7", '{"name": "evil"}'], ids=lambda said: said[:3])
def test_weights_that_say_nonsense_of_themselves_are_one_message(saved: Path, said: str) -> None:
    write_tensors(saved / WEIGHTS, read_weights(saved / WEIGHTS), {"component": said})
    with pytest.raises(ModelError, match=r"The header of .*model\.safetensors "):
        load_component(Kind.STAGE1_GENERATOR, saved)


def test_other_weights_are_told_before_they_are_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tensors(saved / WEIGHTS, {"foreign": torch.zeros(3)})
    monkeypatch.setattr(safetensors.torch, "load_file", None)
    with pytest.raises(ModelError, match=r"model\.safetensors does not fit ModulatedStage1: .*1 unexpected \(foreign"):
        load_component(Kind.STAGE1_GENERATOR, saved)


def test_a_component_is_built_within_the_room_that_its_weights_fill(saved: Path) -> None:
    forge(saved, {}, style_width=1 << 24)
    with pytest.raises(ModelError, match=r"config\.json describes .* far larger .* style_width, 16,777,216"):
        load_component(Kind.STAGE1_GENERATOR, saved)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(1 << 20, 1 << 10),
        lambda: torch.zeros((1 << 20, 1 << 10), dtype=torch.int8),
        lambda: torch.ones(size=(1 << 20, 1 << 10)),
        lambda: torch.full((1 << 20, 1 << 10), 1.0),
        lambda: [torch.nn.Linear(1 << 10, 1 << 10) for _ in range(1 << 10)],
    ],
)
def test_there_is_room_for_so_much_and_no_more(make: Callable[[], Any]) -> None:
    with Room(1 << 20, ModelError("too large")):
        torch.nn.Linear(1 << 8, 1 << 9)
        with pytest.raises(ModelError, match="too large"):
            make()
    torch.empty(1 << 20)

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stackgan_cli.components.binding import options_of
from stackgan_cli.components.component import Kind
from stackgan_cli.components.entries import stored_entry
from stackgan_cli.components.key_values import parse_option
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import build_stored, load_weights
from stackgan_cli.errors import ComponentError, ModelError, SettingsError, UsageError

ENCODERS = Kind.TEXT_ENCODER
STAGE1 = Kind.STAGE1_GENERATOR


def build(kind: Kind, name: str, host: dict[str, Any] | None = None, options: dict[str, Any] | None = None) -> Any:
    return find(kind, name).bind(host, options).build()


def rebuild(kind: Kind, stored: Any) -> Any:
    return build_stored(kind, stored_entry(kind, stored), Path("config.json"))


CODE = """
from __future__ import annotations
from pathlib import Path
from typing import TYPE_CHECKING, Literal
if TYPE_CHECKING:
    from somewhere import Unknown

class Painter:
    def __init__(self, *, text_width: int, resolution: int = 64, channels: int = 8, rate: float = 0.5,
                 smooth: bool = False, mode: Literal["soft", "hard"] = "soft", limit: int | None = None,
                 label: str = "x", widths: tuple[int, ...] = (1, 2), weights: Path | None = None,
                 other: Unknown = None) -> None:
        self.given = {name: value for name, value in locals().items() if name != "self"}

def anything(*, text_width, **options):
    return text_width, options

class Needy:
    def __init__(self, *, text_width: int, flavour: str) -> None: ...
"""
ENTRIES = """[stackgan.stage1_generators]
painter = paint_shop:Painter
anything = paint_shop:anything
needy = paint_shop:Needy
"""


@pytest.fixture
def painter(install: Callable[..., Path]) -> Callable[..., Path]:
    install("paint-shop", ENTRIES, CODE, version="2.1")
    return install


def make(host: dict[str, object] | None = None, **options: object) -> dict[str, Any]:
    given: dict[str, Any] = build(STAGE1, "painter", host={"text_width": 24, **(host or {})}, options=options).given
    return given


def test_host_values_go_where_they_are_taken(painter: object) -> None:
    given = make({"resolution": 32, "input_resolution": 16, "device": "cpu"})
    assert (given["text_width"], given["resolution"]) == (24, 32)
    assert "input_resolution" not in given


def test_options_are_listed_from_the_signature(painter: object) -> None:
    options = {each.name: each for each in options_of(find(STAGE1, "painter"))}
    assert options["text_width"].host_given
    assert options["text_width"].required
    assert not options["channels"].host_given
    assert (options["channels"].default, options["limit"].annotation) == (8, "int | None")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("channels", 16.0, 16),
        ("rate", 1, 1.0),
        ("limit", None, None),
        ("limit", "none", None),
        ("limit", 3, 3),
        ("mode", "hard", "hard"),
        ("widths", [4, 5, 6], (4, 5, 6)),
        ("weights", "a/b.safetensors", Path("a/b.safetensors")),
        ("other", {"free": 1}, {"free": 1}),
    ],
)
def test_values_are_taken_as_the_annotation_means(painter: object, name: str, value: object, wanted: object) -> None:
    taken = make(**{name: value})[name]
    assert taken == wanted
    assert type(taken) is type(wanted)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "many"),
        ("channels", 1.5),
        ("channels", True),
        ("rate", "0.5"),
        ("smooth", 1),
        ("smooth", "yes"),
        ("mode", "medium"),
        ("limit", "few"),
        ("label", 2),
        ("widths", 3),
        ("widths", ["a"]),
    ],
)
def test_value_of_the_wrong_type_is_refused_before_building(painter: object, name: str, value: object) -> None:
    with pytest.raises(
        ComponentError, match=rf"'painter' of paint-shop 2\.1 takes {name} as .*, not {value!r}".replace("[", r"\[")
    ):
        make(**{name: value})


def test_unknown_option_lists_the_accepted_ones(painter: object) -> None:
    with pytest.raises(ComponentError, match="no option 'chanels'") as caught:
        make(chanels=3)
    assert "Did you mean 'channels'?" in str(caught.value.hint)
    assert "rate, smooth" in str(caught.value.hint)
    assert "text_width" not in str(caught.value.hint)


def test_host_given_parameter_cannot_be_set(painter: object) -> None:
    with pytest.raises(ComponentError, match="gets 'resolution' from the program"):
        make(resolution=128)


def test_parameter_without_value_is_named(painter: object) -> None:
    with pytest.raises(ComponentError, match="needs a value for flavour") as caught:
        build(STAGE1, "needy", host={"text_width": 3})
    assert caught.value.hint == "Set it as an option: flavour=..."
    with pytest.raises(ComponentError, match="needs a value for text_width"):
        build(STAGE1, "painter")


def test_factory_with_open_options_gets_them_all(painter: object) -> None:
    assert build(STAGE1, "anything", host={"text_width": 3}, options={"a": 1}) == (3, {"a": 1})


@pytest.mark.parametrize(
    ("name", "cause"),
    [("raises-on-build", "ZeroDivisionError: 8 by zero"), ("exits-on-build", "SystemExit: 3")],
)
def test_failing_factory_names_package_version_and_cause(broken_site: Path, name: str, cause: str) -> None:
    with pytest.raises(ComponentError, match=rf"{name}' of faulty-factories 4\.5 could not be built .*{cause}"):
        build(ENCODERS, name, options={"width": 8} if name == "raises-on-build" else {})


def test_a_component_that_memory_cannot_hold_is_refused_in_words() -> None:
    with pytest.raises(ComponentError, match=r"width=10000000000000\b.* takes more memory than there is") as caught:
        build(ENCODERS, "words", options={"width": 10**13})
    assert caught.value.hint == "Choose smaller numbers for it."


def test_what_a_factory_explains_passes_unchanged(broken_site: Path) -> None:
    with pytest.raises(SettingsError, match=r"^A width of 3 is odd\.$") as caught:
        build(ENCODERS, "explains", options={"width": 3})
    assert caught.value.hint == "width=2"


def test_unreadable_signature_is_an_error_of_the_component(broken_site: Path) -> None:
    with pytest.raises(ComponentError, match="does not tell its options"):
        build(ENCODERS, "no-signature")


def test_printing_factory_leaves_stdout_alone(broken_site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(ENCODERS, "noisy")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "I am built\n")


def test_entry_survives_json_and_rebuilds_the_same(painter: Callable[..., Path]) -> None:
    host = {"text_width": 24, "resolution": 32, "input_resolution": 8}
    options = {"channels": 16, "weights": "w.safetensors", "widths": [3, 4]}
    stored = json.loads(json.dumps(find(STAGE1, "painter").bind(host, options).entry().as_json()))
    assert (stored["name"], stored["version"]) == ("paint-shop:painter", "2.1")
    assert stored["shapes"] == {"text_width": 24, "resolution": 32}
    assert rebuild(STAGE1, stored).given == make({"resolution": 32}, **options)


def test_entry_keeps_defaults_that_a_later_version_changes(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "class Brush:\n    def __init__(self, *, size: int = 3) -> None:\n        self.size = size\n"
    install("brushes", "[stackgan.text_encoders]\nbrush = brushes:Brush\n", old)
    stored = find(ENCODERS, "brush").bind().entry().as_json()
    monkeypatch.delitem(sys.modules, "brushes")
    install("brushes", "[stackgan.text_encoders]\nbrush = brushes:Brush\n", old.replace("3", "500"), version="2.0")
    assert build(ENCODERS, "brush").size == 500
    assert rebuild(ENCODERS, stored).size == 3


def test_what_is_stored_without_a_later_option_is_as_its_default(painter: Callable[..., Path]) -> None:
    component = find(STAGE1, "painter")
    stored = component.bind({"text_width": 3}, {"rate": 2}).entry()
    older = stored.model_copy(update={"options": {"rate": 2}})
    assert component.bind({"text_width": 3}, {"rate": 2}).is_as(older)
    assert not component.bind({"text_width": 3}, {"rate": 2, "smooth": True}).is_as(older)
    assert not component.bind({"text_width": 3}, {"rate": 3}).is_as(older)


def test_entry_refuses_what_json_cannot_hold(painter: object) -> None:
    with pytest.raises(ComponentError, match="cannot be saved with other="):
        find(STAGE1, "painter").bind({"text_width": 1}, {"other": object()}).entry()


GOOD = {"name": "paint-shop:painter", "version": "2.1", "options": {}, "shapes": {"text_width": 4}}


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": "painter"},
        {"name": "paint-shop:Painter"},
        {"name": "../x:painter"},
        {"name": "paint-shop:painter\n"},
        {"version": 2},
        {"version": "1; rm -rf ~"},
        {"options": []},
        {"options": {"channels": {"deep": 1}}},
        {"options": {"not a name": 1}},
        {"shapes": {"text_width": "4"}},
        {"shapes": {"text_width": -1}},
        {"shapes": {"text_width": True}},
        {"shapes": {"text_width": 10**12}},
    ],
)
def test_malformed_entry_is_refused(painter: object, change: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="stage-one generator is malformed"):
        rebuild(STAGE1, {**GOOD, **change})


@pytest.mark.parametrize("stored", [None, [], "paint-shop:painter", 3])
def test_entry_that_is_no_object_is_refused(stored: Any) -> None:
    with pytest.raises(ModelError, match="instead of an object"):
        rebuild(STAGE1, stored)


def test_entry_of_a_missing_package_names_its_version() -> None:
    with pytest.raises(ComponentError, match=r"config\.json needs a component that is not here") as caught:
        rebuild(STAGE1, {**GOOD, "name": "nobody-has-this:painter"})
    assert "nobody-has-this 2.1" in caught.value.message
    assert "pip install" not in str(caught.value.hint)


def test_other_version_is_fine_until_it_fails(painter: object) -> None:
    assert rebuild(STAGE1, {**GOOD, "version": "1.0"}).given["text_width"] == 4
    with pytest.raises(
        ComponentError, match=r"no option 'old'.*saved with paint-shop 1\.0; 2\.1 is installed"
    ) as caught:
        rebuild(STAGE1, {**GOOD, "version": "1.0", "options": {"old": 1}})
    assert 'pip install "paint-shop==1.0"' in str(caught.value.hint)


def test_weights_that_fit_are_loaded() -> None:
    module = nn.Linear(2, 3)
    load_weights(module, {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, what="a.safetensors")
    assert torch.equal(module(torch.ones(1, 2)), torch.full((1, 3), 2.0))


def test_weights_that_do_not_fit_are_counted_and_named() -> None:
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    before = module[0].weight.clone()
    tensors = {"0.weight": torch.zeros(2, 2), "0.bias": torch.zeros(5), "extra": torch.zeros(1)}
    with pytest.raises(ModelError) as caught:
        load_weights(module, tensors, what="stage1/model.safetensors")
    message = caught.value.message
    assert "stage1/model.safetensors" in message
    assert "of 6 tensors, 4 missing (1.weight, 1.bias, 2.weight, ...)" in message
    assert "1 unexpected (extra)" in message
    assert "0.bias is (5,) instead of (2,)" in message
    assert torch.equal(module[0].weight, before)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("width=256", ("width", 256)),
        ("rate = 1e-4", ("rate", 1e-4)),
        ("smooth=true", ("smooth", True)),
        ("mode=hard", ("mode", "hard")),
        ('label="2"', ("label", "2")),
        ("widths=[1, 2]", ("widths", [1, 2])),
        ("path=a=b", ("path", "a=b")),
    ],
)
def test_options_from_the_command_line_are_toml_or_words(text: str, parsed: tuple[str, object]) -> None:
    assert parse_option(text) == parsed


@pytest.mark.parametrize("text", ["width", "=3", "", "  = "])
def test_option_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not set anything"):
        parse_option(text)

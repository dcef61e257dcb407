from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.components.binding import parse_option
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.recipes.loading import (
    check,
    load_recipe,
    read_toml,
    recipe_names,
    stage_settings,
    to_toml,
)
from stackgan_cli.recipes.schema import StageSettings


def settings(*options: str, stage: int = 1, recipe: str = "quick", **changes: Any) -> StageSettings:
    return stage_settings(load_recipe(recipe), stage, changes, options)


def test_every_recipe_is_whole_and_names_components_that_are_there() -> None:
    from stackgan_cli.components.registry import Kind, find

    assert {"paper", "port", "quick"} <= set(recipe_names())
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.summary
        if recipe.encoder is not None:
            find(Kind.TEXT_ENCODER, recipe.encoder)
        for stage, kind in ((recipe.stage1, Kind.STAGE1_GENERATOR), (recipe.stage2, Kind.STAGE2_GENERATOR)):
            assert find(kind, stage.generator.name).built_in
            assert find(Kind.DISCRIMINATOR, stage.discriminator.name).built_in
        assert recipe.stage2.resolution == 4 * recipe.stage1.resolution


def test_the_paper_recipe_holds_the_published_numbers() -> None:
    # Zhang et al. 2016, section 4.2, and the published cfg files for CUB and flowers.
    recipe = load_recipe("paper")
    for stage in (recipe.stage1, recipe.stage2):
        assert stage.batch_size == 64
        assert stage.epochs == 600
        assert stage.captions_averaged == 4
        for optimizer in (stage.generator_optimizer, stage.discriminator_optimizer):
            assert (optimizer.learning_rate, optimizer.beta1, optimizer.beta2) == (2e-4, 0.5, 0.999)
    assert recipe.stage1.generator_optimizer.halve_every == 50
    assert recipe.stage2.generator_optimizer.halve_every == 100
    assert (recipe.stage1.resolution, recipe.stage2.resolution) == (64, 256)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("batch_size=32", ("batch_size", 32)),
        (" loss = hinge ", ("loss", "hinge")),
        ("loss='hinge'", ("loss", "hinge")),
        ("flip=false", ("flip", False)),
        ("averaging=1e-3", ("averaging", 0.001)),
        ("a.b=[1, 2]", ("a.b", [1, 2])),
        ("text=x=y", ("text", "x=y")),
        ("empty=", ("empty", "")),
        ("path=C:\\data", ("path", "C:\\data")),
    ],
)
def test_options_are_read_as_people_type_them(option: str, expected: tuple[str, Any]) -> None:
    assert parse_option(option) == expected


def test_options_come_over_changes_and_changes_over_the_recipe() -> None:
    assert settings().batch_size == load_recipe("quick").stage1.batch_size
    assert settings(batch_size=8).batch_size == 8
    assert settings("batch_size=4", batch_size=8).batch_size == 4
    assert settings(batch_size=None).batch_size == load_recipe("quick").stage1.batch_size
    assert settings("generator_optimizer.learning_rate=1e-4").generator_optimizer.learning_rate == 1e-4


def test_steps_and_epochs_replace_each_other() -> None:
    assert (settings("epochs=3").steps, settings("epochs=3").epochs) == (None, 3)
    assert (settings(recipe="paper", steps=7).steps, settings(recipe="paper", steps=7).epochs) == (7, None)


def test_another_component_starts_without_the_options_of_the_one_before() -> None:
    before = settings("generator.options.channels=8")
    assert before.generator.options == {"channels": 8}
    after = settings("generator.options.channels=8", "generator.name=paper")
    assert after.generator.options == {}
    assert settings("generator.name=paper", "generator.options.channels=8").generator.options == {"channels": 8}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("batchsize=3", "batch_size"),
        ("batch_size=0", "batch_size"),
        ("batch_size=many", "batch_size"),
        ("batch_size=1.5", "batch_size"),
        ("averaging=1.0", "averaging"),
        ("loss=wgan", "loss"),
        ("kl_weight=nan", "kl_weight"),
        ("kl_weight=-1", "kl_weight"),
        ("generator_optimiser.beta1=0", "generator_optimizer"),
        ("generator_optimizer.beta3=0", "beta"),
        ("generator_optimizer.learning_rate=0", "learning_rate"),
        ("seed=-1", "seed"),
        ("batch_size.deep=1", "batch_size"),
        ("generator=paper", "generator"),
    ],
)
def test_a_wrong_setting_is_named(option: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(option)
    assert words in f"{error.value.message} {error.value.hint}"


def test_an_unknown_recipe_is_answered_with_those_there_are(tmp_path: Path) -> None:
    for name in ("papper", "", "../paper", str(tmp_path / "absent.toml"), str(tmp_path)):
        with pytest.raises(SettingsError) as error:
            load_recipe(name)
        assert "quick" in str(error.value.hint)


def test_a_recipe_file_of_ones_own_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    source = Path(load_recipe.__code__.co_filename).parent / "quick.toml"
    mine.write_text(source.read_text().replace("batch_size = 32", "batch_size = 5"))
    assert load_recipe(str(mine)).stage1.batch_size == 5
    for text, words in (
        ("summary = ", "TOML"),
        ("summary = 'x'", "stage1"),
        (source.read_text() + "\nsteps_ = 3", "stage2.steps_"),
        (source.read_text().replace("steps = 6000", "steps = 6000\nepochs = 2"), "exactly one"),
    ):
        mine.write_text(text)
        with pytest.raises(SettingsError, match=words):
            load_recipe(str(mine))
    mine.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="TOML"):
        load_recipe(str(mine))


def test_settings_survive_being_written_down() -> None:
    for name in recipe_names():
        for stage in (1, 2):
            before = settings(stage=stage, recipe=name)
            assert check(StageSettings, tomllib.loads(to_toml(before)), what="x") == before


def _text(chance: random.Random) -> str:
    letters = "aZ09 _-.,=#'\"\\[]{}\n\r\t\x00\x1f\x7f\x85\u2028äß鳥🐦"
    return "".join(chance.choice(letters) for _ in range(chance.randrange(12)))


def _value(chance: random.Random, deep: int = 0) -> Any:
    simple = [
        lambda: chance.random() < 0.5,
        lambda: chance.randrange(-(2**63), 2**63),
        lambda: chance.uniform(-1, 1) * 10.0 ** chance.randrange(-300, 300),
        lambda: _text(chance),
    ]
    if deep < 2 and chance.random() < 0.25:
        return [_value(chance, deep + 1) for _ in range(chance.randrange(4))]
    return chance.choice(simple)()


def test_any_option_value_survives_being_written_down(tmp_path: Path) -> None:
    chance = random.Random(5)
    base = settings().model_dump()
    for _ in range(150):
        options = {_text(chance): _value(chance) for _ in range(chance.randrange(4))}
        base["generator"] = {"name": "modulated", "options": options}
        before = StageSettings.model_validate(base)
        path = tmp_path / "settings.toml"
        path.write_text(to_toml(before), encoding="utf-8")
        assert check(StageSettings, read_toml(path), what="x") == before, options


def test_any_plain_value_can_be_typed_as_an_option() -> None:
    chance = random.Random(6)
    for _ in range(300):
        value = _value(chance)
        typed = json.dumps(value) if isinstance(value, bool | str) or _flat(value) else None
        if typed is not None and "\\u" not in typed:
            assert parse_option(f"generator.options.key={typed}") == ("generator.options.key", value)


def _flat(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def test_no_option_text_brings_anything_but_a_value_or_a_clear_refusal() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        option = _text(chance) + chance.choice(["", "="]) + _text(chance)
        try:
            key, _ = parse_option(option)
        except UsageError:
            assert not option.partition("=")[0].strip() or "=" not in option
        else:
            assert key == option.partition("=")[0].strip()


def test_an_option_says_one_thing_only() -> None:
    assert parse_option("flip=true\nbatch_size = 1") == ("flip", "true\nbatch_size = 1")

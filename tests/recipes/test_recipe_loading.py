from __future__ import annotations

import json
import os
import random
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.components.key_values import parse_option
from stackgan_cli.components.registry import clear_cache
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.recipes.finding import recipes
from stackgan_cli.recipes.loading import check, load_recipe, merge, read_toml, stage_settings
from stackgan_cli.recipes.schema import ComponentChoice, OptimizerSettings, Recipe, StageSettings
from stackgan_cli.recipes.writing import explained, to_toml

NAMES = [recipe.name for recipe in recipes() if recipe.built_in]


def settings(*options: str, stage: int = 1, recipe: str = "quick", **changes: Any) -> StageSettings:
    return stage_settings(load_recipe(recipe), stage, changes, options)


def test_every_recipe_is_whole_and_names_components_that_are_there() -> None:
    from stackgan_cli.components.registry import Kind, find

    assert {"paper", "port", "quick"} <= set(NAMES)
    for name in NAMES:
        recipe = load_recipe(name)
        assert recipe.summary
        if recipe.encoder is not None:
            find(Kind.TEXT_ENCODER, recipe.encoder)
        for stage, kind in ((recipe.stage1, Kind.STAGE1_GENERATOR), (recipe.stage2, Kind.STAGE2_GENERATOR)):
            assert find(kind, stage.generator.name).built_in
            assert all(find(Kind.DISCRIMINATOR, judge.name).built_in for judge in stage.judges)
            assert all(find(Kind.OBJECTIVE, goal.name).built_in for goal in stage.objectives)
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
        # Larger numbers than these would be written, and not read again.
        ("seed=9223372036854775808", "seed"),
        ("steps=9223372036854775808", "steps"),
        ("head_start=9223372036854775808", "head_start"),
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


Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(name, text)`` writes a file and returns its path."""

    def one(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return one


def test_a_recipe_file_says_only_what_differs_from_what_it_extends(write: Write) -> None:
    below = write(
        "below/slow.toml",
        """
        extends = "quick"
        summary = "Slower"
        stage1.generator_optimizer.learning_rate = 1e-5
        stage1.generator.options = { channels = 8, z_width = 4 }
        stage2.epochs = 3
        """,
    )
    mine = load_recipe(write("mine.toml", 'extends = "below/slow.toml"\n[stage1]\ngenerator.options.channels = 9'))
    quick = load_recipe("quick")
    assert quick.stage1
    assert quick.stage2
    assert mine.summary == "Slower"
    assert mine.stage1 == stage_settings(
        quick,
        1,
        {},
        ["generator_optimizer.learning_rate=1e-5", "generator.options.channels=9", "generator.options.z_width=4"],
    )
    assert mine.stage2 == stage_settings(quick, 2, {"epochs": 3}, [])
    assert load_recipe(below).stage2 == mine.stage2
    assert load_recipe(write("absolute.toml", f"extends = {json.dumps(below)}")).stage2 == mine.stage2


def test_another_component_in_a_file_starts_without_the_options_that_it_would_inherit(write: Write) -> None:
    options = "options = { channels = 5 }"
    base = write("base.toml", f'extends = "quick"\nstage1.discriminator = {{ name = "residual", {options} }}')
    for name, options in (("other", {}), ("residual", {"channels": 5})):
        recipe = load_recipe(write("mine.toml", f'extends = "{base}"\nstage1.discriminator.name = "{name}"'))
        assert recipe.stage1.discriminator.options == options
    both = f'extends = "{base}"\nstage1.discriminator = {{ name = "other", options = {{ channels = 3 }} }}'
    assert load_recipe(write("mine.toml", both)).stage1.discriminator.options == {"channels": 3}


def test_one_discriminator_in_place_of_several_is_what_their_objectives_concern() -> None:
    quick = load_recipe("quick")
    assert [judge.name for judge in quick.stage1.judges] == ["residual", "projected"]
    (penalty,) = [goal for goal in quick.stage1.objectives if goal.name == "gradient-penalty"]
    assert penalty.discriminators == ("residual",)
    settings = stage_settings(quick, 1, {"discriminator.name": "paper-stage1"}, [])
    assert [judge.name for judge in settings.judges] == ["paper-stage1"]
    assert all(goal.discriminators is None for goal in settings.objectives)


def test_layers_merge_tables_and_replace_lists() -> None:
    base = {"tables": {"kept": 1, "changed": {"deep": 1, "beside": 2}}, "list": [{"name": "a"}, {"name": "b"}]}
    over = {"tables": {"changed": {"deep": 3}, "new": 4}, "list": [{"name": "c"}]}
    assert merge(base, over) == {
        "tables": {"kept": 1, "changed": {"deep": 3, "beside": 2}, "new": 4},
        "list": [{"name": "c"}],
    }
    assert base["tables"]["changed"] == {"deep": 1, "beside": 2}


def test_recipes_that_extend_each_other_or_too_many_are_refused(write: Write) -> None:
    write("b.toml", 'extends = "./c.toml"')
    write("c.toml", 'extends = "a.toml"')
    with pytest.raises(SettingsError, match=r"a\.toml extends itself, by way of .*c\.toml"):
        load_recipe(write("a.toml", 'extends = "b.toml"'))
    write("0.toml", 'extends = "quick"')
    for at in range(1, 11):
        write(f"{at}.toml", f'extends = "{at - 1}.toml"')
    assert load_recipe(write("8.toml", 'extends = "7.toml"')).stage1 == load_recipe("quick").stage1
    with pytest.raises(SettingsError, match="more than 10 deep"):
        load_recipe(write("10.toml", 'extends = "9.toml"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("summary = ", "TOML"),
        ("summary = 'x'", "stage1"),
        ("extends = 'quick'\nstage2.steps_ = 3", "stage2.steps_.*no such setting"),
        ("extends = 'quick'\nbatch_size = 3", "batch_size"),
        ("extends = 'quick'\nstage1.steps = 1\nstage1.epochs = 1", "exactly one"),
        ("extends = 'quick'\nstage1.generator = 'paper'", "stage1.generator = 'paper'"),
        ("extends = 'quick'\nstage1 = 3", "stage1"),
        ("extends = 'quick'\nstage1.discriminator.options.channels = 4", "lacks stage1.discriminator.name"),
        ("extends = 'qick'", "mine.toml extends what is not there.*'qick'"),
        ("extends = 'absent.toml'", "mine.toml extends what is not there.*absent"),
        ("extends = 3", "extends 3"),
        ("extends = ''", "extends what is not there"),
        ("x = " + "[" * 5000 + "]" * 5000, "mine.toml.*nested"),
        ("x = " + "{a = " * 100 + "1" + "}" * 100, "mine.toml.*nested"),
        ("x = 1" + "0" * 5000, "mine.toml.*too large"),
        ("x = 0x" + "f" * 5000, "mine.toml.*too large"),
        ("x = 1979-13-01", "TOML"),
        ("extends = 'quick'\nstage1.seed = 99999999999999999999", "too large"),
        ("extends = 'quick'\nstage1.kl_weight = 1e999", "kl_weight = inf"),
    ],
    ids=lambda text: text[:30],
)
def test_the_faults_of_a_recipe_file_are_named(write: Write, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_recipe(write("mine.toml", text))


def test_what_is_no_file_of_text_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    pipe, folder, binary = (tmp_path / f"{name}.toml" for name in ("pipe", "folder", "binary"))
    os.mkfifo(pipe)
    folder.mkdir()
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (pipe, folder, binary):
        with pytest.raises(SettingsError, match=f"{path.name} is no readable TOML file"):
            load_recipe(str(path))
    binary.write_text("summary = 'x'", encoding="utf-16")
    with pytest.raises(SettingsError, match="it is not UTF-8"):
        load_recipe(str(binary))


def test_the_settings_of_a_run_are_a_recipe_for_its_stage(write: Write) -> None:
    settled = settings("batch_size=7", "generator.options.channels=8", stage=2)
    recipe = load_recipe(write("training/stage2-old-1/settings.toml", to_toml(settled)), stage=1)
    assert stage_settings(recipe, 2, {}, []) == settled
    with pytest.raises(SettingsError, match="nothing for Stage-I in this recipe"):
        stage_settings(recipe, 1, {}, [])
    elsewhere = write("mine.toml", to_toml(settled))
    for stage in (1, 2):
        assert stage_settings(load_recipe(elsewhere, stage), stage, {"steps": 9}, []).steps == 9
    above = write("above.toml", 'extends = "training/stage2-old-1/settings.toml"\nstage2.batch_size = 3')
    assert load_recipe(above).stage2 == stage_settings(recipe, 2, {"batch_size": 3}, [])


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The recipes of an installed package, which advertises ``flowers``, ``quick``, ``broken`` and ``absent``."""
    names = ("flowers", "quick", "broken", "absent")
    folder = tmp_path / "some_flowers" / "recipes"
    information = tmp_path / "some_flowers-2.0.dist-info"
    for made in (folder, information):
        made.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "flowers.toml").write_text('extends = "quick"\nsummary = "For flowers"\nstage1.batch_size = 11')
    (folder / "quick.toml").write_text('extends = "./flowers.toml"\nsummary = "Not the built-in one"')
    (folder / "broken.toml").write_text("summary =")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: some-flowers\nVersion: 2.0\n")
    lines = [f"{name} = some_flowers:recipes/{name}.toml" for name in names]
    (information / "entry_points.txt").write_text("\n".join(["[stackgan.recipes]", *lines]))
    monkeypatch.syspath_prepend(tmp_path)
    clear_cache()
    yield folder
    clear_cache()


def test_packages_bring_recipes_that_harm_nobody_where_they_are_broken(plugin: Path, write: Write) -> None:
    assert load_recipe("flowers").stage1.batch_size == 11
    assert load_recipe("quick").summary != load_recipe("some_flowers:quick").summary == "Not the built-in one"
    assert load_recipe(write("mine.toml", 'extends = "some-flowers:flowers"')).summary == "For flowers"
    with pytest.raises(SettingsError, match=r"broken\.toml is no readable TOML"):
        load_recipe("broken")
    with pytest.raises(SettingsError, match=r"'absent' of some-flowers 2\.0 cannot be used"):
        load_recipe("absent")


@pytest.mark.parametrize("recipe", NAMES)
def test_an_explained_recipe_is_read_back_as_it_was_and_says_what_each_setting_means(recipe: str, write: Write) -> None:
    text = explained(load_recipe(recipe))
    assert load_recipe(write("copy.toml", text)) == load_recipe(recipe)
    lines = text.splitlines()
    for schema in (Recipe, StageSettings, ComponentChoice, OptimizerSettings):
        for name in schema.model_fields:
            first = next(
                at for at, line in enumerate(lines) if re.fullmatch(rf"(# )?{name} = .*|\[.*\b{name}\]+", line)
            )
            assert lines[first - 1].startswith("# "), name


def test_settings_survive_being_written_down() -> None:
    for name in NAMES:
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


@pytest.mark.parametrize("value", ["[" * 5000, "[" * 5000 + "]" * 5000, "1" + "0" * 5000, "0x" + "f" * 99, "\udcff"])
def test_a_value_that_cannot_be_taken_in_names_its_option(value: str) -> None:
    with pytest.raises(UsageError, match="'seed' cannot be taken in"):
        parse_option(f"seed={value}")


def test_the_home_of_nobody_is_said_to_be_none() -> None:
    with pytest.raises(UsageError, match="~nosuchuser"):
        load_recipe("~nosuchuser/mine.toml")

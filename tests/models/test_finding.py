from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.errors import ModelError
from stackgan_cli.models.finding import find_model, model_names, place_of_model
from stackgan_cli.pictures.picture_files import read_facts

Stackgan = Callable[..., Any]
Bring = Callable[..., Path]


@pytest.fixture
def bring(install: Callable[..., Path], made_once: Path) -> Bring:
    """``bring(package)`` installs a package that brings the trained model ``flowers`` and must not be imported."""

    def write(package: str = "stackgan-flowers") -> Path:
        module = package.replace("-", "_")
        folder = install(package, f"[stackgan.models]\nflowers = {module}:model\n") / module
        shutil.copytree(made_once / "models" / "birds", folder / "model")
        shutil.rmtree(folder / "model" / "training")
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
        return folder / "model"

    return write


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def own(home: Path, name: str, age: int = 0) -> Path:
    """A model folder of this name, with nothing in it."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    (folder / "stackgan.json").write_text("{}")
    os.utime(folder / "stackgan.json", (1e9 - age,) * 2)
    return folder


def test_the_model_is_the_named_then_the_variable_then_the_last_trained_then_the_bundled(
    empty_home: Path, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring("a-package-before-this-one")
    bundled = place_of_model(None)
    assert bundled.resource is not None
    assert bundled.resource.full_name == "stackgan-cli:drawn-birds"
    for age, name in enumerate(("newest", "older", "oldest")):
        own(empty_home, name, age)
    assert place_of_model(None).folder.name == "newest"
    monkeypatch.setenv("STACKGAN_MODEL", "older")
    assert place_of_model(None).folder.name == "older"
    assert place_of_model("oldest").folder.name == "oldest"
    assert place_of_model("bundled") == place_of_model("drawn-birds") == bundled


def test_a_model_of_a_package_is_drawn_with_and_its_pictures_say_whose_it_is(
    stackgan: Stackgan, bring: Bring, tmp_path: Path
) -> None:
    folder = bring()
    before = files(folder)
    drawn = stackgan("generate", "a red bird", "--model", "flowers", "--seed", 3, "-o", tmp_path / "one.png")
    assert drawn.code == 0, drawn.err
    facts = read_facts(tmp_path / "one.png")
    assert facts["model"] == "stackgan-flowers:flowers"
    arguments = ("--model", facts["model"], "--seed", facts["seed"], "-o", tmp_path / "again.png")
    assert stackgan("generate", facts["prompt"], *arguments).code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    assert find_model(str(folder)).name == facts["model"]
    assert files(folder) == before
    assert "stackgan_flowers" not in sys.modules


def test_ones_own_model_comes_before_a_packages_of_that_name(empty_home: Path, bring: Bring) -> None:
    theirs = bring()
    assert place_of_model("flowers").folder == theirs
    assert place_of_model("flowers").folder == place_of_model("Stackgan_Flowers:flowers").folder
    ours = own(empty_home, "flowers")
    assert place_of_model("flowers").folder == ours
    assert place_of_model("stackgan-flowers:flowers").folder == theirs


def test_a_name_that_means_two_models_or_none_is_answered_with_what_there_is(empty_home: Path, bring: Bring) -> None:
    bring()
    bring("other-flowers")
    own(empty_home, "roses")
    with pytest.raises(ModelError, match="Several packages") as twins:
        place_of_model("flowers")
    assert "other-flowers:flowers or stackgan-flowers:flowers" in str(twins.value.hint)
    for name, meant in (("flwoers", "flowers"), ("rosse", "roses")):
        with pytest.raises(ModelError, match=f"no model called '{name}'") as unknown:
            place_of_model(name)
        assert f"Did you mean '{meant}'? There are: drawn-birds, flowers, roses" in str(unknown.value.hint)
    with pytest.raises(ModelError) as lost:
        place_of_model("./flowers")
    assert "other-flowers:flowers" in str(lost.value.hint)
    assert model_names()[0] == "roses"


def test_nothing_is_written_into_a_package(stackgan: Stackgan, bring: Bring, home: Path) -> None:
    folder = bring()
    before = files(folder)
    for name in (folder, folder / "mine"):
        done = stackgan("train-stage1", "--data", "birds", "--name", name, "--steps", 1)
        assert done.code == 5
        assert done.says("belongs to the package stackgan-flowers 1.0", "--from stackgan-flowers:flowers")
    small = (
        "--num-images",
        10,
        "--extractor",
        "domain-classifier",
        "--extractor-option",
        "epochs=1",
        "--extractor-option",
        "width=4",
    )
    measured = stackgan("evaluate", "--data", "birds", "--model", "flowers", *small)
    assert measured.code == 0, measured.err
    (results,) = (home / "evaluation" / "stackgan-flowers" / "flowers" / "birds").rglob("results.json")
    assert json.loads(results.read_text())["protocol"]["model"] == "stackgan-flowers:flowers"
    assert files(folder) == before


def test_info_lists_every_model_and_all_data_and_what_is_broken(
    stackgan: Stackgan, bring: Bring, model: Path, home: Path
) -> None:
    folder = bring()
    own(home, "spoilt")
    told = stackgan("info", "--json").json
    assert [(each["package"], each["name"]) for each in told["models"]] == [
        (None, "birds"),
        ("stackgan-cli", "drawn-birds"),
        ("stackgan-flowers", "flowers"),
    ]
    assert told["models"][2] == {
        "name": "flowers",
        "package": "stackgan-flowers",
        "version": "1.0",
        "stages": [1, 2],
        "resolution": 64,
        "folder": str(folder),
    }
    assert [(each["name"], each["pictures"], each["resolutions"]) for each in told["data"]] == [("birds", 48, [16, 64])]
    assert [each["name"] for each in told["broken"]] == ["spoilt"]
    shown = stackgan("info").out
    assert all(word in shown for word in ("birds", "flowers", "spoilt"))


def test_info_knows_a_model_of_a_package(stackgan: Stackgan, bring: Bring, empty_home: Path) -> None:
    folder = bring()
    for name in ("flowers", "stackgan-flowers:flowers"):
        told = stackgan("info", name, "--json").json
        assert told["model"]["folder"] == str(folder)
        assert (told["model"]["package"], told["model"]["version"]) == ("stackgan-flowers", "1.0")
        assert told["model"]["stages"].keys() == {"1", "2"}
    bring("other-flowers")
    assert stackgan("info", "flowers").says("Several packages offer a model called 'flowers'")
    assert stackgan("info", "flower").says("There is no model called 'flower'", "Did you mean 'flowers'")


def test_listing_imports_no_torch(empty_home: Path) -> None:
    code = "import sys; sys.argv[1:] = ['info']; from stackgan_cli.app import main\ntry: main()\nfinally: "
    code += "print({'torch', 'datasets', 'pyarrow'} & set(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "drawn-birds" in done.stdout
    assert done.stderr.splitlines()[-1] == "set()"


def odd_files(folder: Path) -> list[Path]:
    """A folder, a pipe and a link to nothing where a file should be."""
    made = [folder / name for name in ("a-folder", "a-pipe", "a-link")]
    for each in made:
        each.parent.mkdir(parents=True, exist_ok=True)
    made[0].mkdir()
    os.mkfifo(made[1])
    made[2].symlink_to("/nowhere/at-all")
    return made


@pytest.mark.parametrize(
    ("kind", "manifest", "command"),
    [("models", "stackgan.json", ["generate", "a bird", "--model"]), ("data", "data.json", ["evaluate", "--data"])],
)
def test_what_is_no_file_is_told_and_not_passed_over(
    stackgan: Stackgan, empty_home: Path, tmp_path: Path, kind: str, manifest: str, command: list[str]
) -> None:
    for odd in odd_files(tmp_path / "odd"):
        place = empty_home / kind / odd.name
        place.mkdir(parents=True)
        odd.rename(place / manifest)
        done = stackgan(*command, odd.name)
        assert done.code != 0
        assert done.says(str(place / manifest), "cannot be read"), done.err
        assert not done.says("Did you mean"), done.err

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stackgan_cli.commands.components import app
from stackgan_cli.errors import ComponentError, UsageError

pytestmark = pytest.mark.usefixtures("broken_site")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run the command, with stdout as the person sees it."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code
    return result.stdout + capsys.readouterr().out


def test_list_shows_good_and_broken_apart(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(capsys, "list", "--json"))
    names = {each["full_name"] for each in listed["components"]}
    assert {"stackgan-cli:residual", "raises-on-import:raises-on-import", "twin-two:twin"} <= names
    assert "Capital" in {each["entry"] for each in listed["broken"]}
    text = run(capsys, "list")
    assert text.index("Components") < text.index("residual") < text.index("Broken")


def test_list_of_one_kind(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(capsys, "list", "--kind", "discriminator", "--json"))
    assert {each["kind"] for each in listed["components"]} == {"discriminator"}


def test_show_tells_options_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(run(capsys, "show", "twin-one:twin", "--json"))
    assert shown["version"] == "1.0"
    assert shown["options"] == [{"name": "size", "type": "int", "default": 1, "required": False, "host_given": False}]
    text = run(capsys, "show", "residual")
    assert "given by the program" in text
    assert "channels" in text


def test_show_of_a_broken_component_says_why() -> None:
    with pytest.raises(ComponentError, match=r"raises-on-import 1\.2 cannot be imported"):
        CliRunner().invoke(app, ["show", "raises-on-import"], catch_exceptions=False)


def test_show_asks_for_the_kind_where_it_must() -> None:
    with pytest.raises(UsageError, match="'paper' is the name of a stage-one generator"):
        CliRunner().invoke(app, ["show", "paper"], catch_exceptions=False)


def test_check_of_one_component_shows_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    checked = json.loads(run(capsys, "check", "residual", "--option", "channels=8", "--json"))
    (component,) = checked["components"]
    assert checked["passed"], checked
    assert (component["name"], component["passed"]) == ("residual", True)
    assert len(component["checks"]) > 10
    assert "channels=8" in next(each["detail"] for each in component["checks"] if each["name"] == "builds")
    assert "rows are independent" in run(capsys, "check", "residual")


def test_one_that_fails_does_not_keep_the_others_from_being_checked(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("raises-on-import", "twin-one:twin", "gone-module", "hashed-words")
    checked = json.loads(run(capsys, "check", *names, "--json", code=4))
    failed = {each["name"]: each for each in checked["components"] if not each["passed"]}
    assert not checked["passed"]
    assert list(failed) == ["raises-on-import", "twin", "gone-module"]
    assert failed["raises-on-import"]["version"] == "1.2"
    (why,) = failed["raises-on-import"]["checks"]
    assert "RuntimeError: the weights are nowhere" in why["detail"]
    assert "pip install --upgrade raises-on-import" in why["detail"]
    assert any("no attribute 'encode'" in each["detail"] for each in failed["twin"]["checks"])
    (sound,) = (each for each in checked["components"] if each["passed"])
    table = run(capsys, "check", *names, code=4)
    shown = ("what to change", "FAILED", "can be imported", f"all {len(sound['checks'])}")
    assert [words for words in shown if words not in table] == []


def test_check_without_names_takes_all_of_a_kind_and_what_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Importing every module anew takes seconds with torch.
    monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")
    monkeypatch.setenv("STACKGAN_PLUGINS", "")
    checked = json.loads(run(capsys, "check", "--kind", "stage1-generator", "--json"))
    listed = json.loads(run(capsys, "list", "--kind", "stage1-generator", "--json"))
    assert [each["name"] for each in checked["components"]] == [each["name"] for each in listed["components"]]
    monkeypatch.setenv("STACKGAN_PLUGINS", "malformed-entries")
    checked = json.loads(run(capsys, "check", "--kind", "metric", "--json"))
    assert (checked["passed"], checked["broken"]) == (True, [])
    monkeypatch.setattr("stackgan_cli.components.registry.available", lambda kind=None: [])
    checked = json.loads(run(capsys, "check", "--json", code=4))
    assert "Capital" in {each["entry"] for each in checked["broken"]}


@pytest.mark.parametrize("names", [[], ["residual", "hashed-words"]])
@pytest.mark.parametrize("option", [["--option", "channels=8"], ["--source", "."]])
def test_options_are_for_one_component(names: list[str], option: list[str]) -> None:
    with pytest.raises(UsageError, match="are for one component"):
        CliRunner().invoke(app, ["check", *names, *option], catch_exceptions=False)


def test_options_that_it_does_not_take_are_the_callers_error() -> None:
    with pytest.raises(ComponentError, match="no option 'colour'"):
        CliRunner().invoke(app, ["check", "residual", "--option", "colour=1"], catch_exceptions=False)

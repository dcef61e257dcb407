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


def test_check_passes_a_good_component(capsys: pytest.CaptureFixture[str]) -> None:
    checked = json.loads(run(capsys, "check", "residual", "--option", "channels=8", "--json"))
    assert checked["passed"], checked
    assert len(checked["checks"]) > 10


def test_check_fails_a_bad_component_with_exit_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    checked = json.loads(run(capsys, "check", "twin-one:twin", "--json", code=4))
    assert not checked["passed"]
    assert "no attribute 'encode'" in next(each["detail"] for each in checked["checks"] if not each["passed"])

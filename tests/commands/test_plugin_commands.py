from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ENTRIES = """[stackgan.commands]
speak = speech:app
shout = speech:shout
fall = speech:fall
refuse = speech:refuse
count = speech:count
ask = speech:ask
broken = gone_speech:app
malformed = speech
generate = speech:shout
"""
CODE = """
import typer
from stackgan_cli.errors import DataError

print("a library that talks")
app = typer.Typer()

@app.command()
def word(words: list[str], times: int = 1):
    "Say words."
    print(" ".join(words) * times)

@app.command()
def letter(): ...

def shout(word: str, loud: bool = False):
    "Shout a word."
    print(word.upper() + "!" * loud)

def fall(): raise ValueError("over a stone")
def refuse(): raise DataError("There is nothing to say.", "Say something.")
def count(): return 7
def ask():
    typer.confirm("Loud?", abort=True, err=True)
    return True
"""


@pytest.fixture
def speech(install: Callable[..., Path], stackgan: Callable[..., Any]) -> Callable[..., Any]:
    """The command line beside a package with commands."""
    install("speech", ENTRIES, CODE, version="2.5")
    return stackgan


def test_help_lists_them_with_their_package_and_imports_none(speech: Callable[..., Any]) -> None:
    words = " ".join(speech("--help").out.replace("│", " ").split())
    for name in ("speak", "shout", "broken", "speech:generate"):
        assert f"{name} from speech 2.5" in words
    assert "malformed" not in words
    for name in ("speak", "speech:generate"):
        # The name alone may be that of a command of this package.
        shown = speech("components", "show", name).out
        assert f"Its options: stackgan speech:{name.removeprefix('speech:')} --help" in shown
    assert "speech" not in sys.modules


def test_an_app_and_a_function_run_with_their_own_arguments(speech: Callable[..., Any]) -> None:
    assert speech("speak", "word", "red", "bird", "--times", 2).out == "red birdred bird\n"
    assert speech("shout", "--loud", "--", "--red").out == "--RED!\n"
    assert speech("speech:shout", "red").out == "RED\n"


def test_help_and_wrong_usage_are_the_commands_own(speech: Callable[..., Any]) -> None:
    shown = speech("speak", "word", "--help")
    assert shown.code == 0
    assert "stackgan speak word" in shown.out
    assert "Say words." in shown.out
    assert "Shout a word." in speech("shout", "--help").out
    refused = speech("shout", "--quiet")
    assert refused.code == 2
    assert refused.says("No such option: --quiet", "Try: stackgan shout --help")


def test_they_end_with_the_code_that_they_return(speech: Callable[..., Any]) -> None:
    assert speech("count").code == 7
    assert speech("ask", stdin="y\n").code == 0
    refused = speech("ask", stdin="n\n")
    assert refused.code == 1
    assert refused.says("Error: Aborted.")


def test_a_command_of_ours_is_not_taken_over(speech: Callable[..., Any]) -> None:
    assert "text with one a line" in " ".join(speech("generate", "--help").out.replace("│", " ").split())
    assert speech("speech:generate", "red").out == "RED\n"


def test_two_packages_with_one_name_are_written_in_full(
    speech: Callable[..., Any], install: Callable[..., Path]
) -> None:
    install("song", "[stackgan.commands]\nspeak = song:sing\n", "def sing(): print('la')\n")
    assert speech("speak").code == 2
    assert speech("song:speak").out == "la\n"
    assert speech("speech:speak", "word", "red").out == "red\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "The command 'broken' of speech 2.5 cannot be imported: ModuleNotFoundError"),
        ("malformed", "The command 'malformed' of speech 2.5 cannot be used"),
        ("fall", "The command 'fall' of speech 2.5 failed while running: ValueError: over a stone."),
    ],
)
def test_a_broken_command_is_an_error_that_names_its_package(speech: Callable[..., Any], name: str, words: str) -> None:
    done = speech(name)
    assert done.code == 4
    assert done.says(words)
    assert "Traceback" not in done.err


def test_errors_of_ours_keep_their_words_and_their_code(speech: Callable[..., Any]) -> None:
    done = speech("refuse")
    assert done.code == 3
    assert done.says("Error: There is nothing to say.", "Try: Say something.")


def test_plugins_may_be_left_out(speech: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKGAN_PLUGINS", "")
    assert "speech" not in speech("--help").out
    assert speech("speak").code == 2

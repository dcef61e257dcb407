from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GROUPS = ("components", "recipes")
COMMANDS = (
    *("prepare", "train-stage1", "train-stage2", "generate", "serve", "evaluate", "export", "push", "convert"),
    *(*GROUPS, "info", "environment"),
)
HEAVY = {"torch", "numpy", "datasets", "PIL", "torchmetrics", "pyarrow", "matplotlib"}

WATCHED = f"""
import sys
from stackgan_cli.app import main
sys.argv = ["stackgan", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def failing(stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], Any]:
    """Call a command whose inside fails with a given error."""

    def run(error: BaseException) -> Any:
        from stackgan_cli import home

        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(home, "names", fail)
        return stackgan("environment")

    return run


def test_help_lists_every_command_and_the_exit_codes(stackgan: Callable[..., Any]) -> None:
    done = stackgan("--help")
    assert done.code == 0
    for words in (*COMMANDS, "130 interrupted", "5 model folder", "$STACKGAN_HOME"):
        assert words in " ".join(done.out.split())
    assert stackgan("-h").out == done.out


def test_the_version_is_the_packages(stackgan: Callable[..., Any]) -> None:
    from importlib.metadata import version

    assert stackgan("--version").out.strip() == f"stackgan {version('stackgan-cli')}"
    assert stackgan("-V").out == stackgan("--version").out


def test_a_command_that_is_done_ends_without_looking_for_garbage() -> None:
    program = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    program += "from stackgan_cli.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["True"]


@pytest.mark.parametrize("command", [f"{each} list" if each in GROUPS else each for each in COMMANDS])
def test_help_of_every_command_shows_examples(stackgan: Callable[..., Any], command: str) -> None:
    done = stackgan(*command.split(), "--help")
    assert done.code == 0
    assert "...]..." not in done.out
    examples = re.split(r"Examples?:", " ".join(done.out.split()))[1:]
    assert examples
    assert f"stackgan {command}" in examples[0]


@pytest.mark.parametrize(
    ("calls", "heavy"),
    [
        # Typer checks the options of a sub-command with pydantic.
        ([["--help"], ["-h"], ["--version"], []], {*HEAVY, "pydantic"}),
        ([[command, "--help"] for command in COMMANDS], HEAVY),
    ],
    ids=["stackgan", "sub-commands"],
)
def test_no_help_and_no_completion_imports_anything_heavy(calls: list[list[str]], heavy: set[str]) -> None:
    program = f"""
import contextlib, io, sys
from stackgan_cli.app import main
for arguments in {calls!r}:
    sys.argv = ["stackgan", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
print(sorted({heavy!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_info_imports_no_torch(model: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED, "info", "birds"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [(), ("nonesuch",), ("generate", "--nonesuch"), ("components", "nonesuch")])
def test_wrong_usage_is_two(stackgan: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = stackgan(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err + done.out


@pytest.mark.parametrize(
    ("before", "hint"),
    [
        (["generate", "--{}"], "generate --help"),
        (["generate", "--condition", "{}", "a bird"], "generate --help"),
        (["generate", "--checkpoint={}", "--{}"], "generate --help"),
        (["{}"], "--help"),
        (["components", "{}"], "components --help"),
        (["info", "birds", "{}"], "info --help"),
    ],
)
def test_a_wrong_call_is_one_message_that_shows_what_was_typed_and_obeys_none_of_it(
    stackgan: Callable[..., Any], before: list[str], hint: str
) -> None:
    typed = "x\u202egnp.exe\u2066\u061c\x1b[2J\x9b31m\x07\nError: lies\ud83d"
    done = stackgan(*(part.format(typed) for part in before))
    assert done.code == 2
    said, hinted = done.err.splitlines()
    assert said.isprintable()
    assert r"x\u202egnp.exe" in said
    assert hinted == f"Try: stackgan {hint}"
    assert not done.out


@pytest.mark.parametrize("arguments", [(), ("recipes",)])
def test_no_command_at_all_shows_the_help_page(stackgan: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = stackgan(*arguments)
    assert done.code == 2
    assert "COMMAND [ARGS]" in done.out
    assert not done.err


def test_each_kind_of_error_has_its_documented_code() -> None:
    from stackgan_cli import errors

    codes = {
        "StackganError": 1, "UsageError": 2, "DataError": 3, "SettingsError": 3, "ComponentError": 4, "ModelError": 5,
    }  # fmt: skip
    for name, code in codes.items():
        assert getattr(errors, name).exit_code == code
    assert errors.INTERRUPTED == 130


def test_an_interrupt_is_130(failing: Callable[[BaseException], Any]) -> None:
    done = failing(KeyboardInterrupt())
    assert done.code == 130
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/secret"), "/secret"),
        (OSError(28, "No space left on device"), "No space left"),
        (MemoryError(), "memory"),
        (RuntimeError("CUDA out of memory. Tried"), "memory"),
        (ValueError("odd [bold]thing[/bold]"), "odd [bold]thing[/bold]"),
        (RecursionError("too deep"), "STACKGAN_DEBUG=1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_unexpected_is_one_message_with_something_to_do(
    failing: Callable[[BaseException], Any], error: BaseException, words: str
) -> None:
    done = failing(error)
    assert done.code == 1
    assert done.says(words)
    assert "Traceback" not in done.err
    assert [line.partition(" ")[0] for line in done.err.splitlines()] == ["Error:", "Try:"]


def test_debugging_shows_the_traceback(
    failing: Callable[[BaseException], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKGAN_DEBUG", "1")
    with pytest.raises(ValueError, match="odd"):
        failing(ValueError("odd"))


def test_a_reader_that_has_gone_is_no_error(empty_home: Path) -> None:
    command = f"{sys.executable} -m stackgan_cli components list | head -n 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1)
    assert done.stderr == ""

"""``generate --preview`` on a real terminal, and ``--open`` with a stand-in for the program that opens files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("terminals of this kind are not for Windows", allow_module_level=True)

import pty
import termios

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def on_terminal(
    model: Path, tmp_path: Path, fork: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Draw in a process whose stderr is a terminal of some size; gives stdout and what stood on the terminal."""

    def run(columns: int, lines: int, *arguments: object, **variables: str) -> tuple[str, str]:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (lines, columns))
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM_PROGRAM", "KITTY_WINDOW_ID", "TMUX", "STY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        told = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | variables
        process = fork("generate", "--device", "cpu", *arguments, terminal=os.ttyname(theirs), variables=told)
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        os.close(ours)
        ended = process.ended()
        assert ended.code == 0, shown
        return ended.out, shown.decode()

    return run


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells that nobody writes any more
        return b""


@pytest.mark.parametrize(("columns", "lines", "cells"), [(80, 24, (42, 21)), (20, 24, (20, 10))])
def test_a_preview_fits_the_window_and_leaves_stdout_to_the_paths(
    on_terminal: Callable[..., tuple[str, str]], columns: int, lines: int, cells: tuple[int, int]
) -> None:
    out, shown = on_terminal(columns, lines, "a small red bird", "--seed", 1, "--preview")
    assert out == "a-small-red-bird-1.png\n"
    rows = [ANSI.sub("", line).strip("\r") for line in shown.split("\n") if "▀" in line]
    assert rows == ["▀" * cells[0]] * cells[1]
    assert "48;2;" in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_says_so_and_the_picture_is_drawn(
    on_terminal: Callable[..., tuple[str, str]], variables: dict[str, str]
) -> None:
    out, shown = on_terminal(80, 24, "a bird", "--seed", 1, "-n", 2, "--preview", **variables)
    assert out.split() == ["a-bird-1.png", "a-bird-2.png"]
    assert shown.count("The pictures are not shown") == 1
    assert "▀" not in shown


def test_in_a_pipe_nothing_is_shown_and_it_is_said(stackgan: Callable[..., Any], model: Path, tmp_path: Path) -> None:
    done = stackgan("generate", "a bird", "-n", 2, "--preview", "--json", "-o", tmp_path)
    assert done.err.count("The pictures are not shown: there is no terminal") == 1
    assert len(done.json["pictures"]) == 2
    assert "▀" not in done.err


def test_a_way_is_shown_by_its_ends_and_what_lies_between(on_terminal: Callable[..., tuple[str, str]]) -> None:
    way = ("--interpolate", "a red bird", "a blue bird", "--frames", 3, "-o", "way.gif", "--preview")
    out, shown = on_terminal(80, 24, *way)
    assert out == "way.gif\n"
    rows = [ANSI.sub("", line).strip("\r") for line in shown.split("\n") if "▀" in line]
    # Three pictures beside each other, with a gap between.
    assert {len(row) for row in rows} == {80}
    assert len(rows) == round(80 * 64 / (3 * 64 + 2 * 4) / 2)


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a program in the place of the one that opens files; gives the file that it writes its arguments to."""

    def make(then: str = "exit 0") -> Path:
        programs, told = tmp_path / "programs", tmp_path / "opened"
        programs.mkdir()
        for name in ("xdg-open", "open"):
            (programs / name).write_text(f'#!/bin/sh\necho "noise of the viewer"\necho "$*" >> "{told}"\n{then}\n')
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        monkeypatch.setenv("DISPLAY", ":0")
        return told

    return make


def test_open_opens_the_first_picture_or_the_sheet(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path, opener: Callable[..., Path]
) -> None:
    told = opener()
    done = stackgan("generate", "a bird", "-n", 2, "--seed", 1, "--open", "--json", "-o", tmp_path / "out")
    assert told.read_text().split() == [str(tmp_path / "out" / "a-bird-1.png")]
    assert len(done.json["pictures"]) == 2
    stackgan("generate", "a bird", "-n", 2, "--seed", 1, "--grid", "--open", "-o", tmp_path / "sheets")
    assert told.read_text().split()[1:] == [str(tmp_path / "sheets" / "a-bird-1-grid.png")]
    stackgan("generate", "--interpolate", "a bird", "a fish", "--frames", 2, "--open", "-o", tmp_path / "way.gif")
    assert told.read_text().split()[2:] == [str(tmp_path / "way.gif")]


def test_a_viewer_that_stays_open_holds_nothing_up(model: Path, tmp_path: Path, opener: Callable[..., Path]) -> None:
    told = opener(f'echo $$ > "{tmp_path / "process"}"\nexec sleep 600')
    command = [sys.executable, "-m", "stackgan_cli", "generate", "a bird", "--seed", "1", "--open", "-o", "here"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    # It runs on after the command has ended; where it does not, this fails.
    os.kill(int((tmp_path / "process").read_text()), signal.SIGKILL)
    assert done.stdout == f"{Path('here', 'a-bird-1.png')}\n"
    assert told.read_text().strip() == str(tmp_path / "here" / "a-bird-1.png")


@pytest.mark.skipif(sys.platform == "darwin", reason="there is always a desktop")
def test_without_a_viewer_a_sentence_says_why(
    stackgan: Callable[..., Any],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opener: Callable[..., Path],
) -> None:
    def said(*words: str) -> bool:
        done = stackgan("generate", "a bird", "--seed", 1, "--open", "-o", tmp_path / "out")
        return done.code == 0 and len(done.out.splitlines()) == 1 and done.says("is not opened", *words)

    opener("exit 3")
    assert said("found no viewer")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert said("xdg-open is not installed")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert said("no desktop")

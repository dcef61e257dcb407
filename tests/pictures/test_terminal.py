from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from stackgan_cli.pictures.terminal import graphics_of, show_picture, why_not_shown

TOLD_OF = ("TERM", "TERM_PROGRAM", "COLORTERM", "NO_COLOR", "KITTY_WINDOW_ID", "LC_TERMINAL", "TMUX", "STY", "ZELLIJ")
CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")

Terminal = Callable[..., Console]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A console on a terminal of some size that tells of itself by the given variables, and writes to memory."""

    def make(columns: int = 80, lines: int = 24, encoding: str = "utf-8", **variables: str) -> Console:
        for name in TOLD_OF:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", **variables}.items():
            monkeypatch.setenv(name, value)
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        return Console(file=file, force_terminal=True, width=columns, height=lines)

    return make


def written(console: Console) -> str:
    console.file.seek(0)
    return console.file.read()


def picture(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, np.full_like(across, 60)], axis=2).astype(np.uint8))


def shown_cells(console: Console) -> tuple[int, int]:
    """Columns and lines of the half blocks on a console."""
    rows = [CELL.findall(line) for line in written(console).splitlines() if "▀" in line]
    assert len({len(row) for row in rows}) == 1
    return len(rows[0]), len(rows)


@pytest.mark.parametrize(
    ("window", "size", "cells"),
    [
        ((80, 24), (256, 256), (42, 21)),
        ((20, 24), (256, 256), (20, 10)),
        ((200, 60), (256, 256), (114, 57)),
        ((200, 90), (64, 64), (64, 32)),
        ((80, 24), (1024, 256), (80, 10)),
        ((20, 8), (256, 1024), (2, 5)),
        ((20, 2), (256, 256), (2, 1)),
    ],
)
def test_half_blocks_fill_the_window_and_keep_the_shape(
    terminal: Terminal, window: tuple[int, int], size: tuple[int, int], cells: tuple[int, int]
) -> None:
    console = terminal(*window)
    assert why_not_shown(console) is None
    show_picture(picture(*size), "a bird", console)
    assert shown_cells(console) == cells
    assert written(console).splitlines()[-1] == "a bird"


def test_every_pixel_has_its_own_colour(terminal: Terminal) -> None:
    console, drawn = terminal(), picture(16, 16)
    show_picture(drawn, "a bird", console)
    cells = np.array([cell for line in written(console).splitlines() for cell in CELL.findall(line)], np.uint8)
    pixels = cells.reshape(8, 16, 2, 3).transpose(0, 2, 1, 3).reshape(16, 16, 3)
    assert np.array_equal(pixels, np.asarray(drawn))


def test_a_terminal_of_256_colours_gets_those(terminal: Terminal) -> None:
    console = terminal(COLORTERM="")
    assert why_not_shown(console) is None
    show_picture(picture(16, 16), "a bird", console)
    assert "38;5;" in written(console)
    assert "38;2;" not in written(console)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"NO_COLOR": "1"}, "NO_COLOR is set"),
        ({"NO_COLOR": "1", "KITTY_WINDOW_ID": "1"}, "NO_COLOR is set"),
        ({"TERM": "dumb"}, "'dumb' shows nothing but words"),
        ({"TERM": "xterm", "COLORTERM": ""}, "COLORTERM=truecolor"),
        ({"TERM": "linux", "COLORTERM": ""}, "fewer than 256 colours"),
        ({"encoding": "latin-1"}, "no half blocks"),
    ],
)
def test_what_keeps_a_picture_from_being_shown_is_said(terminal: Terminal, variables: dict[str, str], why: str) -> None:
    assert why in str(why_not_shown(terminal(**variables)))


def test_a_pipe_is_no_terminal() -> None:
    assert "no terminal" in str(why_not_shown(Console(file=io.StringIO(), force_terminal=False)))


@pytest.mark.parametrize(
    ("variables", "graphics"),
    [
        ({"KITTY_WINDOW_ID": "3", "TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM_PROGRAM": "vscode"}, None),
        ({"TERM_PROGRAM": "Apple_Terminal", "TERM": "xterm-256color"}, None),
        ({"KITTY_WINDOW_ID": "3", "TERM": "tmux-256color"}, None),
        ({"KITTY_WINDOW_ID": "3", "TMUX": "/tmp/tmux-0/default,1,0"}, None),
        ({"LC_TERMINAL": "iTerm2", "TERM": "screen"}, None),
        ({}, None),
    ],
)
def test_graphics_are_told_by_variables(variables: dict[str, str], graphics: str | None) -> None:
    assert graphics_of(variables) == graphics


def test_kitty_gets_the_picture_itself_in_chunks_and_is_asked_nothing(terminal: Terminal) -> None:
    console = terminal(KITTY_WINDOW_ID="1")
    drawn = Image.effect_noise((256, 256), 80).convert("RGB")
    show_picture(drawn, "a bird", console)
    codes = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", written(console))
    keys = [dict(each.split("=") for each in head.split(",")) for head, _ in codes]
    assert len(codes) > 1
    assert keys[0].items() >= {"a": "T", "f": "100", "q": "2", "c": "32", "r": "16"}.items()
    assert [each["m"] for each in keys] == ["1"] * (len(keys) - 1) + ["0"]
    assert max(len(data) for _, data in codes) <= 4096
    sent = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in codes))))
    assert np.array_equal(np.asarray(sent), np.asarray(drawn))
    assert written(console).endswith("\x1b\\\na bird\n")


def test_iterm2_gets_the_picture_itself_in_the_cells_of_its_window(terminal: Terminal) -> None:
    console = terminal(20, 10, TERM_PROGRAM="iTerm.app")
    show_picture(picture(64, 64), "a bird", console)
    found = re.search(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07\n", written(console))
    assert found is not None
    told = dict(each.split("=") for each in found[1].split(";"))
    content = base64.b64decode(found[2])
    assert (told["inline"], told["width"], told["height"]) == ("1", "14", "7")
    assert int(told["size"]) == len(content)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(picture(64, 64)))


@pytest.mark.parametrize("variables", [{}, {"KITTY_WINDOW_ID": "1"}])
def test_a_quiet_console_shows_nothing(terminal: Terminal, variables: dict[str, str]) -> None:
    console = terminal(**variables)
    console.quiet = True
    show_picture(picture(64, 64), "a bird", console)
    assert written(console) == ""

"""Pictures in a terminal: as graphics where it says that it has them, elsewhere in half blocks of coloured text.

What a terminal has is read from the environment and from Rich alone. Nothing is asked of the terminal itself, because
one that does not know the question never answers. Sixel graphics are left out for that: no variable tells of them.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions

Graphics = Literal["kitty", "iterm2"]

_ENOUGH_COLOURS = ("256", "truecolor")
_LINES_BESIDE = 3
"""Lines of the window that stay free for the caption, the path and the shell's prompt."""
_TEXT_CELL = (1, 2)
"""Pixels of a picture that a character shows as text, across and down."""
_GRAPHICS_CELL = (8, 16)
"""Pixels of a character in a usual font, across and down."""
_SMALLEST_GRAPHICS = 256
"""Side in pixels up to which small pictures are enlarged by the terminal."""
_KITTY_CHUNK = 4096
"""Most base64 characters of one escape code: the Kitty graphics protocol, "Remote client"."""


def why_not_shown(console: Console) -> str | None:
    """Say why no picture can be shown on a console; None where one can."""
    if not console.is_terminal:
        return "there is no terminal to show them in"
    if console.is_dumb_terminal:
        return f"a terminal of the kind {os.environ.get('TERM')!r} shows nothing but words"
    if console.no_color:
        return "NO_COLOR is set"
    return None if graphics_of(os.environ) else _why_no_half_blocks(console)


def _why_no_half_blocks(console: Console) -> str | None:
    if console.color_system not in _ENOUGH_COLOURS:
        return "this terminal tells of fewer than 256 colours; where it has more, COLORTERM=truecolor says so"
    if console.options.ascii_only:
        return f"the encoding {console.encoding} has no half blocks"
    return None


def graphics_of(environment: Mapping[str, str]) -> Graphics | None:
    """Tell which graphics a terminal has, by the variables that it sets; None where it tells of none.

    Terminals within a terminal (tmux, screen, Zellij) keep those variables and pass no graphics on.
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    within = any(environment.get(name) for name in ("TMUX", "STY", "ZELLIJ"))
    if within or term.startswith(("screen", "tmux")):
        return None
    if environment.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return None


def show_picture(picture: Image.Image, caption: str, console: Console) -> None:
    """Show a picture with its caption under it, as large as it is and no larger than the window.

    Args:
        picture: RGB.
        caption: to stand under it.
        console: of a terminal that :func:`why_not_shown` has nothing against.
    """
    if console.quiet:
        return
    graphics = graphics_of(os.environ)
    if graphics is None:
        console.print(_HalfBlocks(picture), end="")
    else:
        columns, lines = _cells(picture, console.size, _GRAPHICS_CELL, max(*picture.size, _SMALLEST_GRAPHICS))
        # Not through the console, which would write the escape codes out.
        console.file.write(f"{_CODES[graphics](_png(picture), columns, lines)}\n")
        console.file.flush()
    console.print(Text(caption))


class _HalfBlocks:
    """A picture as text: every character is a half block, its upper pixel in its own colour over the lower one's."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture

    def __rich_console__(self, console: Console, _: ConsoleOptions) -> Iterator[Segment]:
        columns, lines = _cells(self._picture, console.size, _TEXT_CELL, max(self._picture.size))
        pixels = self._picture.convert("RGB").resize((columns, 2 * lines), Image.Resampling.LANCZOS).tobytes()
        colours = [Color.from_rgb(*pixels[at : at + 3]) for at in range(0, len(pixels), 3)]
        for line in range(lines):
            above, below = (colours[row * columns : (row + 1) * columns] for row in (2 * line, 2 * line + 1))
            yield from (Segment("▀", Style(color=up, bgcolor=down)) for up, down in zip(above, below, strict=True))
            yield Segment.line()


def _cells(picture: Image.Image, window: tuple[int, int], cell: tuple[int, int], largest: int) -> tuple[int, int]:
    """Columns and lines of the largest picture of the same shape that the window takes.

    Args:
        picture: to show.
        window: its columns and lines.
        cell: pixels of a character, across and down.
        largest: pixels of the longer side at most.
    """
    room = (window[0] * cell[0], max(window[1] - _LINES_BESIDE, 1) * cell[1])
    scale = min(room[0] / picture.width, room[1] / picture.height, largest / max(picture.size))
    columns, lines = (max(1, round(side * scale / pixels)) for side, pixels in zip(picture.size, cell, strict=True))
    return columns, lines


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _kitty(content: bytes, columns: int, lines: int) -> str:
    """Escape codes that show a PNG (``f=100``) at once (``a=T``), and let the terminal answer nothing (``q=2``)."""
    data = base64.standard_b64encode(content).decode()
    chunks = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    keys = [f"a=T,f=100,q=2,c={columns},r={lines},", *[""] * (len(chunks) - 1)]
    more = [1] * (len(chunks) - 1) + [0]
    return "".join(f"\x1b_G{key}m={on};{chunk}\x1b\\" for key, on, chunk in zip(keys, more, chunks, strict=True))


def _iterm2(content: bytes, columns: int, lines: int) -> str:
    """The escape code of iTerm2's inline images protocol."""
    data = base64.standard_b64encode(content).decode()
    return f"\x1b]1337;File=inline=1;size={len(content)};width={columns};height={lines}:{data}\x07"


_CODES = {"kitty": _kitty, "iterm2": _iterm2}

"""Looking at what was drawn: in the terminal, or in the system's own viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

_MOST_OF_A_WAY = 4
"""Pictures of a way that are shown."""
_FAILS_WITHIN = 2.0
"""Seconds in which a program that opens files has found out that it cannot."""


def can_show() -> bool:
    """Tell whether this terminal shows pictures; where it does not, say why."""
    from stackgan_cli.console import err, warn
    from stackgan_cli.pictures.terminal import why_not_shown

    why = why_not_shown(err)
    if why is not None:
        warn(f"The pictures are not shown: {why}.")
    return why is None


def show(picture: Image.Image, caption: str) -> None:
    """Show a picture in a terminal that can, with its caption under it."""
    from stackgan_cli.console import err
    from stackgan_cli.pictures.terminal import show_picture

    show_picture(picture, caption, err)


def show_way(pictures: Sequence[Image.Image], caption: str) -> None:
    """Show pictures of a way in a terminal that can, beside each other: its two ends, and some between them."""
    from stackgan_cli.pictures.sheets import strip

    across = min(len(pictures), _MOST_OF_A_WAY)
    shown = [pictures[place * (len(pictures) - 1) // (across - 1)] for place in range(across)]
    show(strip(shown, across=across), caption)


def open_picture(path: Path) -> None:
    """Open a picture in the system's viewer, which goes on when this program ends; where that cannot be, say why."""
    from stackgan_cli.console import warn

    why = _why_not_opened(path)
    if why is not None:
        warn(f"{path} is not opened: {why}.")


def _why_not_opened(path: Path) -> str | None:
    """Open a picture, and say why where that cannot be.

    Not by ``typer.launch``, which lets the viewer write to our own stdout and hold it open.
    """
    try:
        if sys.platform == "win32":
            os.startfile(path.resolve())
            return None
        return _why_not_opened_by("open" if sys.platform == "darwin" else "xdg-open", path.resolve())
    except OSError as error:
        return error.strerror or str(error)


def _why_not_opened_by(opener: str, path: Path) -> str | None:
    # Without a desktop, xdg-open would show the picture's bytes in a browser of the terminal.
    if opener == "xdg-open" and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        return "this session has no desktop"
    program = shutil.which(opener)
    if program is None:
        return f"the program {opener} is not installed"
    nothing = subprocess.DEVNULL
    viewer = subprocess.Popen([program, path], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    try:
        code = viewer.wait(_FAILS_WITHIN)
    except subprocess.TimeoutExpired:
        return None
    return f"{opener} found no viewer for it" if code else None

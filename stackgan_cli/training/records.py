"""What a run writes down while it goes: ``log.jsonl``, the plot of its losses, and TensorBoard's events."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from stackgan_cli.errors import StackganError
from stackgan_cli.files import write_text
from stackgan_cli.pictures.loss_plot import draw_losses
from stackgan_cli.training.events import open_event_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Records:
    """The records of a run that goes on from a step; what an earlier process wrote of later steps is dropped.

    Args:
        folder: of the run.
        step: that the run goes on from.
        title: of the plot.
    """

    def __init__(self, folder: Path, step: int, title: str) -> None:
        self._log, self._plot, self._title = folder / "log.jsonl", folder / "losses.png", title
        if self._log.is_file():
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and _step_in(line) <= step]
            write_text(self._log, "".join(kept))
        self._file = self._log.open("a", encoding="utf-8")
        self._events = open_event_log(folder, step)

    def line(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a step."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._events is not None:
            self._events.scalars(step, values)

    def picture(self, step: int, path: Path) -> None:
        """Show a sheet of samples in TensorBoard, and the losses so far in their plot."""
        draw_losses(self._log, self._plot, self._title)
        if self._events is not None:
            self._events.picture(step, "samples", path)

    def flush(self) -> None:
        """Hand everything to the system, so that a killed process loses nothing of it."""
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Draw the plot a last time and close the files."""
        # On a full disk neither may work, and the error that ended the run is the one to tell.
        with suppress(OSError, StackganError):
            self._file.close()
            draw_losses(self._log, self._plot, self._title)
        if self._events is not None:
            self._events.close()


def _step_in(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")

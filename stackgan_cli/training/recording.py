"""What a run writes down while it goes: ``log.jsonl``, the plot of its losses, and TensorBoard's events."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stackgan_cli.errors import StackganError
from stackgan_cli.files import atomic_file
from stackgan_cli.parsing import parse_json
from stackgan_cli.pictures.loss_plot import draw_losses

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

_LONGEST_LINE = 1 << 16


class Recorder:
    """The records of a run that goes on from a step; what an earlier process wrote of later steps is dropped.

    Args:
        folder: of the run; it is made if need be.
        step: that the run goes on from.
        title: of the plot.
    """

    def __init__(self, folder: Path, step: int, title: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log, self._plot, self._title = folder / "log.jsonl", folder / "losses.png", title
        self._newest = ""
        self._plotted = False
        if self._log.is_file():
            self._keep_to(step)
        self._file = self._log.open("a", encoding="utf-8")
        self._events = open_events(folder, step)

    def _keep_to(self, step: int) -> None:
        """Drop all lines of later steps, and what is no whole line."""
        with (
            atomic_file(self._log) as temporary,
            self._log.open(encoding="utf-8", errors="replace") as lines,
            temporary.open("w", encoding="utf-8") as kept,
        ):
            # A longer line is none that this program wrote, and comes in pieces that are no whole lines.
            for line in iter(partial(lines.readline, _LONGEST_LINE), ""):
                if line.endswith("\n") and _step_in(line) <= step:
                    kept.write(line)
                    self._newest = line

    def line(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a step; TensorBoard marks those that are no finite number."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        self._plotted = False
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def change(self, step: int, values: Mapping[str, float]) -> None:
        """Write what is another from a step on, unless a process that was killed there has done so already."""
        if self._newest != json.dumps({"step": step, **values}) + "\n":
            self.line(step, values)

    def picture(self, step: int, path: Path) -> None:
        """Show a sheet of samples in TensorBoard, and the losses so far in their plot."""
        self._draw()
        if self._events is not None:
            with Image.open(path) as picture:
                self._events.add_image("samples", np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def flush(self) -> None:
        """Hand everything to the system, so that a killed process loses nothing of it."""
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Draw the plot a last time and close the files."""
        # On a full disk neither may work, and the error that ended the run is the one to tell.
        with suppress(OSError, StackganError):
            self._file.close()
            self._draw()
        if self._events is not None:
            self._events.close()

    def _draw(self) -> None:
        """Draw the plot, unless it shows all that is logged."""
        if not self._plotted:
            draw_losses(self._log, self._plot, self._title)
            self._plotted = True


def open_events(folder: Path, step: int) -> SummaryWriter | None:
    """Open TensorBoard's events of a run, in a new file beside those that earlier processes wrote.

    Args:
        folder: that TensorBoard is pointed to.
        step: that the run goes on from, 0 at its beginning. Events of later steps, which a killed process left and
            which will come again, are hidden.

    Returns:
        The writer, or None where TensorBoard is not installed or cannot be imported: a run does not need it.

    Raises:
        OSError: the folder cannot be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except Exception:
        # Whatever keeps it from being imported, a protobuf of another release say, must not keep a run from training.
        return None
    if any(folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        # Files are read in the order of their names, which tell the second, and only a later one hides earlier events.
        time.sleep(1.001 - time.time() % 1)
    # Hidden is what was logged from this step on; what was logged at the step of the checkpoint will not come again.
    return SummaryWriter(str(folder), purge_step=step + 1 if step else 0)


def _step_in(line: str) -> float:
    try:
        return float(parse_json(line)["step"])
    except (ValueError, LookupError, TypeError):
        return float("inf")

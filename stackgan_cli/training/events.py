"""TensorBoard events of a run, for whoever has installed TensorBoard (``pip install "stackgan-cli[tensorboard]"``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter


class EventLog:
    """Numbers and pictures of one run, as TensorBoard reads them.

    Args:
        writer: of the run's folder.
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to the curve of each name; TensorBoard marks those that are no finite number."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Add a PNG file to the pictures of a name.

        Raises:
            OSError: the file is missing or no picture.
        """
        with Image.open(path) as picture:
            self._writer.add_image(name, np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def flush(self) -> None:
        """Write to the disk what is still held back, so that a killed process loses none of it."""
        self._writer.flush()

    def close(self) -> None:
        """Write everything and end the log."""
        self._writer.close()


def open_event_log(folder: Path, step: int) -> EventLog | None:
    """Open the events of a run, in a new file beside those that earlier processes wrote.

    Args:
        folder: that TensorBoard is pointed to; it is made if need be.
        step: that the run goes on from, 0 at its beginning. Events of later steps, which a killed process left and
            which will come again, are hidden.

    Returns:
        The log, or None where TensorBoard is not installed or cannot be imported: a run does not need it.

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
        time.sleep(1)
    # Hidden is what was logged from this step on; what was logged at the step of the checkpoint will not come again.
    return EventLog(SummaryWriter(str(folder), purge_step=step + 1 if step else 0))

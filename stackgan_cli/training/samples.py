"""Sample sheets: the same captions and the same noise through the whole run, so that sheets can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.data.features import on_device
from stackgan_cli.home import atomic_file
from stackgan_cli.pixels import to_pictures
from stackgan_cli.sheets import sheet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.data.prepared import PreparedData
    from stackgan_cli.training.adversarial import StageTask

_CAPTIONS = 8
_EACH = 2
_SIDE = 128


class SampleSheet:
    """Captions of the test split, spread evenly over it, each drawn twice.

    Args:
        data: the prepared data; where its test split is empty, the training split serves.
        encoder_folder: of the text encoder whose features the stage reads.
    """

    def __init__(self, data: PreparedData, encoder_folder: Path) -> None:
        split = data.test if len(data.test) else data.train
        pictures = [index * len(split) // _CAPTIONS for index in range(min(_CAPTIONS, len(split)))]
        features = split.features(encoder_folder)
        self.captions = [split.captions[index][0] for index in pictures]
        sentences = [features.of(index, 0) for index in pictures]
        self._text = TextFeatures(
            torch.cat([each.sentence for each in sentences]).repeat_interleave(_EACH, 0),
            _joined([each.words for each in sentences]),
            _joined([each.padding for each in sentences]),
        )

    @torch.no_grad()
    def draw(self, task: StageTask, path: Path) -> None:
        """Draw the captions with the averaged generator and write them, with their captions, as one PNG."""
        text = on_device(self._text, task.machine.device)
        with task.machine.autocast():
            _, generated = task.generate(task.averaged.network, text, "samples", 0)
        pictures = to_pictures(generated.images)
        rows = [(caption, pictures[at * _EACH : (at + 1) * _EACH]) for at, caption in enumerate(self.captions)]
        with atomic_file(path) as temporary:
            sheet(rows, side=_SIDE).save(temporary, "PNG")


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present).repeat_interleave(_EACH, 0) if present else None

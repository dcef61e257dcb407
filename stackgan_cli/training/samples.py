"""Sample sheets: the same captions and the same noise through the whole run, so that sheets can be compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.files import atomic_file
from stackgan_cli.pictures.pixels import to_pictures
from stackgan_cli.pictures.sheets import sheet
from stackgan_cli.training.distance import sliced_wasserstein

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stackgan_cli.components.protocols import TextFeatures
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.evaluation.samples import Sample
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.loop import StageTask

_CAPTIONS = 8
_EACH = 2
_SIDE = 128
_AT_ONCE = 16


class Samples:
    """Captions of the test split, spread evenly over it: a few are drawn twice each, more are measured.

    Args:
        data: the prepared data; where its test split is empty, the training split serves.
        encoder_folder: of the text encoder whose features the stage reads.
        settings: of the stage.
    """

    def __init__(self, data: PreparedData, encoder_folder: Path, settings: StageSettings) -> None:
        self._split = data.test if len(data.test) else data.train
        self._features = self._split.features(encoder_folder)
        self._resolution = settings.resolution
        shown = self._spread(_CAPTIONS)
        self.captions = [self._split.captions[index][0] for index in shown]
        self._shown = self._texts([index for index in shown for _ in range(_EACH)])
        self._measured = self._spread(settings.measure_pictures)

    def _spread(self, count: int) -> list[int]:
        count = min(count, len(self._split))
        return [index * len(self._split) // count for index in range(count)]

    def _texts(self, pictures: list[int]) -> TextFeatures:
        """Features of the first caption of each picture."""
        return self._features.first(torch.tensor(pictures))

    def texts_of(self, samples: Sequence[Sample]) -> TextFeatures:
        """Features of captions of this split."""
        pictures, captions = torch.tensor([(each.picture, each.caption) for each in samples]).unbind(1)
        return self._features.at(pictures, captions)

    def distance(self, task: StageTask) -> float | None:
        """Sliced Wasserstein distance of drawn pictures from the real ones of the same captions; all ranks measure.

        Returns:
            The distance, or None where nothing is to be measured.
        """
        if len(self._measured) < 2:
            return None
        drawn = []
        for at in range(0, len(self._measured), _AT_ONCE):
            text = on_device(self._texts(self._measured[at : at + _AT_ONCE]), task.machine.device)
            drawn.append(task.sample(text, f"distance {at}"))
        real = self._split.pictures(self._measured, self._resolution).to(task.machine.device)
        distance = sliced_wasserstein(real.float() / 127.5 - 1.0, torch.cat(drawn))
        return round(distance, 5) if math.isfinite(distance) else None

    def draw(self, task: StageTask, path: Path) -> None:
        """Draw the captions with the averaged generator and write them, with their captions, as one PNG.

        All ranks draw, because batch-norm may ask all of them; the main one writes.
        """
        images = task.sample(on_device(self._shown, task.machine.device), "samples")
        if not task.ranks.main:
            return
        pictures = to_pictures(images)
        rows = [(caption, pictures[at * _EACH : (at + 1) * _EACH]) for at, caption in enumerate(self.captions)]
        with atomic_file(path) as temporary:
            sheet(rows, side=_SIDE).save(temporary, "PNG")

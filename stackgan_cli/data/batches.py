"""Batches for training: which pictures, which captions, which wrong captions, decided by seed and step alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stackgan_cli.data.features import on_device
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures
    from stackgan_cli.data.features import CaptionFeatures
    from stackgan_cli.data.store import PictureStore


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures with their own text and with another's."""

    images: Tensor
    """(batch, 3, resolution, resolution) in [-1, 1], channels last."""
    text: TextFeatures
    wrong_text: TextFeatures
    """Of captions that belong to a picture of another class."""


class Batches:
    """All batches of a run, by step.

    An epoch is one fresh permutation of the pictures, and the remainder that fills no batch is dropped, as in the
    published code (misc/datasets.py); a set smaller than one batch is repeated to fill it.

    Args:
        pictures: stored pictures, larger than ``resolution`` by the margin that random crops take.
        features: cached features of all captions.
        classes: class of every picture; wrong captions come from another class.
        resolution: side of the crops in pixels.
        batch_size: pictures in a batch.
        captions_averaged: captions whose features are averaged, drawn without replacement.
        flip: mirror at random.
        seed: the run's seed.
        device: where batches are needed.

    Raises:
        DataError: there are fewer than two pictures.
        SettingsError: word features cannot be averaged.
    """

    def __init__(
        self,
        pictures: PictureStore,
        features: CaptionFeatures,
        classes: Sequence[int],
        *,
        resolution: int,
        batch_size: int,
        captions_averaged: int,
        flip: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        if len(pictures) < 2:
            raise DataError(
                f"Training needs at least two pictures, and there are {len(pictures)}.", hint="Prepare more pictures."
            )
        if captions_averaged > 1 and features.has_words:
            raise SettingsError(
                "Features of words cannot be averaged over several captions.", hint="--set captions_averaged=1"
            )
        self.steps_per_epoch = max(1, len(pictures) // batch_size)
        self._pictures, self._features = pictures, features
        self._others = _OtherClasses(torch.as_tensor(list(classes)))
        self._resolution, self._batch_size, self._averaged = resolution, batch_size, captions_averaged
        self._flip, self._seed, self._device = flip, seed, device
        self._order: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.long))

    def at(self, step: int) -> Batch:
        """Make the batch of one step, the same whenever it is asked for."""
        chosen = self._chosen(step)
        draw = generator_for(self._seed, "batch", step)
        images = self._crops(chosen, draw)
        wrong = self._others.draw(chosen, draw)
        text = self._features.draw(chosen, self._averaged, draw)
        wrong_text = self._features.draw(wrong, self._averaged, draw)
        return Batch(images, on_device(text, self._device), on_device(wrong_text, self._device))

    def _chosen(self, step: int) -> Tensor:
        epoch, within = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (
                epoch,
                torch.randperm(len(self._pictures), generator=generator_for(self._seed, "order", epoch)),
            )
        order = self._order[1]
        places = torch.arange(within * self._batch_size, (within + 1) * self._batch_size)
        return order[places % len(order)]

    def _crops(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """Crop and mirror at random, all pictures in one gather."""
        stored = self._pictures.take(chosen).to(self._device, non_blocking=True)
        count, side = len(chosen), self._resolution
        margin = self._pictures.side - side
        corners = torch.randint(0, margin + 1, (count, 2, 1), generator=draw)
        within = torch.arange(side)
        rows, columns = corners[:, 0] + within, corners[:, 1] + within
        if self._flip:
            mirrored = torch.rand(count, 1, generator=draw) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        rows, columns = rows.to(self._device), columns.to(self._device)
        picture = torch.arange(count, device=self._device)[:, None, None]
        crops = stored[picture, rows[:, :, None], columns[:, None, :]]
        return crops.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class _OtherClasses:
    """Draws, for each picture, one uniformly from all pictures of other classes."""

    def __init__(self, classes: Tensor) -> None:
        if len(torch.unique(classes)) < 2:
            # A single class holds no mismatch by class, so every picture is a class of its own.
            classes = torch.arange(len(classes))
        self._by_class = torch.argsort(classes, stable=True)
        ordered = classes[self._by_class]
        self._first = torch.searchsorted(ordered, classes, side="left")
        self._size = torch.searchsorted(ordered, classes, side="right") - self._first

    def draw(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        first, size = self._first[chosen], self._size[chosen]
        free = len(self._by_class) - size
        place = (
            (torch.rand(len(chosen), generator=draw, dtype=torch.float64) * free).long().clamp_(max=int(free.max()) - 1)
        )
        return self._by_class[torch.where(place >= first, place + size, place)]

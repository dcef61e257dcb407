"""Batches for training: which pictures, which captions, which wrong captions, decided by seed and step alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.dataset.epochs import Epochs
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.randomness import generator_for
from stackgan_cli.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures
    from stackgan_cli.dataset.caption_features import CaptionFeatures
    from stackgan_cli.dataset.picture_store import PictureStore
    from stackgan_cli.ranks import Ranks


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
        ranks: which part of each batch is this process's.

    Raises:
        DataError: there are fewer than two pictures.
        SettingsError: word features cannot be averaged, or the ranks cannot divide a batch evenly.
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
        ranks: Ranks = ALONE,
    ) -> None:
        if len(pictures) < 2:
            raise DataError(
                f"Training needs at least two pictures, and there are {len(pictures)}.", hint="Prepare more pictures."
            )
        refuse_bad_batches(features.has_words, captions_averaged, batch_size, ranks)
        self.epochs = Epochs(max(1, len(pictures) // batch_size))
        self._pictures, self._features = pictures, features
        self._others = _OtherClasses(torch.as_tensor(list(classes)))
        self._resolution, self._batch_size, self._averaged = resolution, batch_size, captions_averaged
        self._flip, self._seed, self._device, self._ranks = flip, seed, device, ranks
        self._order: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.long))

    @property
    def steps_per_epoch(self) -> int:
        """Steps that pass over the pictures once; the remainder that fills no batch is dropped."""
        return self.epochs.steps

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return len(self._pictures)

    @property
    def resident(self) -> bool:
        """Whether batches are made from memory alone, so that nothing is gained by making them ahead."""
        return self._pictures.resident

    def hold(self, most_bytes: float) -> bool:
        """Hold pictures and text features in the device's memory where they take no more than this; say whether."""
        if self._pictures.bytes_decoded + self._features.bytes <= most_bytes:
            self._pictures.hold(self._device)
            self._features.hold(self._device)
        return self.resident

    def at(self, step: int) -> Batch:
        """Make the batch of one step, the same whenever it is asked for."""
        chosen = self._chosen(step)
        draw = generator_for(self._seed, "batch", step)
        rows, columns = crop_places(len(chosen), self._pictures.side, self._resolution, self._flip, draw)
        crops = self._pictures.crops(*map(self._ranks.own, (chosen, rows, columns)))
        wrong = self._others.draw(chosen, draw)
        text = self._features.draw(chosen, self._averaged, draw, self._ranks)
        wrong_text = self._features.draw(wrong, self._averaged, draw, self._ranks)
        return made_batch(crops, text, wrong_text, self._device)

    def _chosen(self, step: int) -> Tensor:
        epoch, within = self.epochs.place(step)
        if self._order[0] != epoch:
            self._order = (
                epoch,
                torch.randperm(len(self._pictures), generator=generator_for(self._seed, "order", epoch)),
            )
        order = self._order[1]
        places = torch.arange(within * self._batch_size, (within + 1) * self._batch_size)
        return order[places % len(order)]


def crop_places(count: int, stored: int, side: int, flip: bool, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw where crops of a side lie in ``count`` stored pictures, in pixels, and mirror half where that is wanted.

    Returns:
        Rows and columns (count, side) in the stored pictures; the columns of a mirrored one run backwards.
    """
    corners = torch.randint(0, stored - side + 1, (count, 2, 1), generator=draw)
    within = torch.arange(side)
    rows, columns = corners[:, 0] + within, corners[:, 1] + within
    if flip:
        mirrored = torch.rand(count, 1, generator=draw) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    return rows, columns


def made_batch(crops: Tensor, text: TextFeatures, wrong_text: TextFeatures, device: torch.device) -> Batch:
    """Move uint8 crops (batch, side, side, 3) and their texts to a device as a batch."""
    images = crops.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
    return Batch(images, on_device(text, device), on_device(wrong_text, device))


def refuse_bad_batches(has_words: bool, captions_averaged: int, batch_size: int, ranks: Ranks) -> None:
    """Refuse settings that no batch can be made with.

    Raises:
        SettingsError: word features cannot be averaged, or the ranks cannot divide a batch evenly.
    """
    if captions_averaged > 1 and has_words:
        raise SettingsError(
            "Features of words cannot be averaged over several captions.", hint="--set captions_averaged=1"
        )
    if batch_size % ranks.count:
        raise SettingsError(
            f"A batch of {batch_size} cannot be divided evenly among {ranks.count} processes.",
            hint=f"--batch-size {-(-batch_size // ranks.count) * ranks.count}",
        )


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

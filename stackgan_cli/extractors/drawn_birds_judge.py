"""The judge of drawn birds: a classifier that has seen birds of all pairs of colours."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from stackgan_cli.drawn_birds.attributes import ATTRIBUTE_NAMES, sample_attributes, sample_held_out
from stackgan_cli.drawn_birds.painter import paint
from stackgan_cli.errors import SettingsError
from stackgan_cli.extractors.domain_classifier import DomainClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import FittingData
    from stackgan_cli.drawn_birds.attributes import BirdAttributes

_SEEDS = 2**31
"""The judge's first bird. A reader's are its seed times 2^32 and an index below a million, so none is the same."""
_MOST_FOR_EACH = 20
_HELD_OUT_EVERY = 10
"""One bird in so many is of a pair of colours that no training picture shows; by chance it would be one in eleven."""


class DrawnBirdsJudge(DomainClassifier):
    """Tells the attributes of drawn birds, held-out pairs of colours among them.

    A classifier that learns from the training split has never seen the pairs that are held out, so it misjudges
    whoever draws them well. This one is a judge and no contestant: it learns from birds that it paints itself, of all
    pairs, and takes no part in any training. Parts coloured independently, as half of these birds are, give it no
    chance to guess one part from another.

    Args:
        count: birds to learn from; no more than 20 for each picture that the data has for training.
        width: of the features.
        channels: of the first layer.
        input_side: side in pixels that pictures are resized to, a multiple of 32.
        epochs: passes over them.
        labels: values of each attribute, in order; found out by :meth:`fit`, and stored with the weights.
        temperature: what its logits must be divided by to be as sure as they are right; likewise.

    Raises:
        SettingsError: fewer than 20 birds.
    """

    def __init__(
        self,
        *,
        count: int = 20_000,
        width: int = 64,
        channels: int = 56,
        input_side: int = 64,
        epochs: int = 14,
        labels: list[list[str]] | None = None,
        temperature: float | None = None,
    ) -> None:
        super().__init__(
            width=width,
            channels=channels,
            input_side=input_side,
            epochs=epochs,
            labels=labels,
            temperature=temperature,
        )
        if count < 20:
            raise SettingsError(f"The judge cannot learn from {count} birds.", hint="a count of 20 or more")
        self.count = count

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers."""
        return {**super().spec(), "name": "drawn-birds-judge", "birds": self.count}

    def fit(self, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from freshly painted birds; a tenth of them is held out to be tested on.

        Args:
            data: of it only the number of pictures counts.
            seed: of everything random.
            report: told steps done, steps in all and a few words.

        Returns:
            ``held_out_accuracy`` over all attributes, ``held_out_joint``: all ten right, and ``temperature``.
        """
        count = min(self.count, _MOST_FOR_EACH * len(data.captions))
        return super().fit(_PaintedBirds(count, seed), seed=seed, report=report)


class _PaintedBirds:
    """Birds by number, painted when they are asked for."""

    stated = None

    def __init__(self, count: int, seed: int) -> None:
        self._seeds = [seed % 2**31 * 2**32 + _SEEDS + number for number in range(count)]
        self.captions: Sequence[Sequence[str]] = [[]] * count
        self.classes: Sequence[int] = range(count)

    @cached_property
    def _birds(self) -> list[BirdAttributes]:
        return [
            (sample_held_out if number % _HELD_OUT_EVERY == 0 else sample_attributes)(random.Random(seed))
            for number, seed in enumerate(self._seeds)
        ]

    @cached_property
    def attributes(self) -> Sequence[Mapping[str, str]] | None:
        return [{name: getattr(bird, name) for name in ATTRIBUTE_NAMES} for bird in self._birds]

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        # As prepared data are shown: the centre of a picture that is 19/16 as large, or every bird is of another size.
        whole = resolution * 19 // 16
        painted = [paint(self._birds[index], self._seeds[index], 2 * whole) for index in indices]
        reduced = [picture.resize((whole, whole), Image.Resampling.BICUBIC) for picture in painted]
        pictures = torch.from_numpy(np.stack([np.asarray(picture) for picture in reduced])).permute(0, 3, 1, 2)
        margin = (whole - resolution) // 2
        return pictures[:, :, margin : margin + resolution, margin : margin + resolution].contiguous()

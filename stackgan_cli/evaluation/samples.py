"""Which captions are drawn, and the pictures to measure: real ones, and those that a model draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, TypeVar

import torch

from stackgan_cli.components.protocols import Texts
from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.randomness import generator_for, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.pipeline import Pipeline

AT_ONCE = 16
"""Pictures, or captions, in a batch."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Sample:
    """A caption to draw."""

    picture: int
    """The picture that it belongs to."""
    caption: int
    """Its place among the captions of that picture."""
    seed: int
    """Of the noise."""


def choose_samples(split: Split, count: int, seed: int, *, without_repetition: bool = False) -> list[Sample]:
    """Choose captions, and a noise seed for each.

    Args:
        split: whose captions they are.
        count: how many.
        seed: of everything random.
        without_repetition: choose among all captions of the split, none of them twice before all were chosen, in place
            of a random caption of each picture in turn. Fewer captions than pictures are spread evenly over the split.

    Returns:
        They, shuffled: a split may stand in the order of its classes, and the first samples shall speak for all.
    """
    if without_repetition:
        everything = [(picture, at) for picture, texts in enumerate(split.captions) for at in range(len(texts))]
        order = torch.randperm(len(everything), generator=generator_for(seed, "captions")).tolist()
        chosen = [everything[order[at % len(order)]] for at in range(count)]
        return [Sample(p, c, seed_of(seed, "noise", at)) for at, (p, c) in enumerate(chosen)]
    lots = torch.rand(count, generator=generator_for(seed, "captions")).tolist()
    whole = len(split)
    order = torch.randperm(count, generator=generator_for(seed, "order")).tolist()
    pictures = [at * whole // count if count < whole else at % whole for at in order]
    captions = [int(lot * len(split.captions[picture])) for picture, lot in zip(pictures, lots, strict=True)]
    return [Sample(p, c, seed_of(seed, "noise", at)) for at, (p, c) in enumerate(zip(pictures, captions, strict=True))]


def repeated(samples: Sequence[Sample], drawings: int, seed: int) -> list[Sample]:
    """The same captions with other noise: all of them once, then once more, until each is drawn ``drawings`` times."""
    return [
        replace(each, seed=seed_of(seed, "more noise", number, at))
        for number in range(1, drawings)
        for at, each in enumerate(samples)
    ]


def texts_of(split: Split, samples: Sequence[Sample], training: Sequence[Mapping[str, str]] | None) -> Texts:
    """Captions of samples with what the data knows of them.

    Args:
        split: that they are of.
        samples: they.
        training: attributes of all training pictures, where they are known.
    """
    all_stated, all_true = split.stated, split.attributes
    truth = None if all_true is None else [all_true[each.picture] for each in samples]
    stated = None if all_stated is None else [all_stated[each.picture][each.caption] for each in samples]
    novel = None
    if truth is not None and stated is not None and training is not None:
        novel = _novel(truth, stated, training)
    return Texts(
        captions=[split.captions[each.picture][each.caption] for each in samples],
        truth=truth,
        stated=stated,
        classes=[split.classes[each.picture] for each in samples],
        novel=novel,
    )


def _novel(
    truth: Sequence[Mapping[str, str]], stated: Sequence[Sequence[str]], training: Sequence[Mapping[str, str]]
) -> list[bool]:
    """Say of each caption whether values that it states are together on no training picture."""
    where: dict[tuple[str, str], set[int]] = {}
    for at, attributes in enumerate(training):
        for value in attributes.items():
            where.setdefault(value, set()).add(at)

    def apart(values: Sequence[tuple[str, str]]) -> bool:
        pairs = combinations_with_replacement([where.get(value, set()) for value in values], 2)
        return any(one.isdisjoint(other) for one, other in pairs)

    return [
        apart([(name, values[name]) for name in names if name in values])
        for values, names in zip(truth, stated, strict=True)
    ]


def reordered(texts: Texts, order: Sequence[int]) -> Texts:
    """The same texts in another order."""

    def picked(items: Sequence[Item] | None) -> list[Item] | None:
        return None if items is None else [items[at] for at in order]

    return Texts(
        captions=[texts.captions[at] for at in order],
        features=None if texts.features is None else texts.features[list(order)],
        truth=picked(texts.truth),
        stated=picked(texts.stated),
        classes=picked(texts.classes),
        novel=picked(texts.novel),
    )


def batched(items: Sequence[Item], at_once: int = AT_ONCE) -> Iterator[Sequence[Item]]:
    """Cut a sequence into batches."""
    return (items[at : at + at_once] for at in range(0, len(items), at_once))


def real_pictures(split: Split, indices: Sequence[int], resolution: int, at_once: int = AT_ONCE) -> Iterator[Tensor]:
    """Batches of real pictures, uint8 (batch, 3, resolution, resolution)."""
    return (split.pictures(part, resolution) for part in batched(indices, at_once))


def drawn_pictures(
    pipeline: Pipeline, data: PreparedData, split: Split, samples: Sequence[Sample], stage: int, at_once: int = AT_ONCE
) -> Iterator[Tensor]:
    """Batches of pictures that a model draws for samples, uint8 (batch, 3, resolution, resolution)."""
    read = _reading(pipeline, data, split)
    for part in batched(samples, at_once):
        yield pipeline.pixels(read(part), [each.seed for each in part], stage=stage)


def _reading(pipeline: Pipeline, data: PreparedData, split: Split) -> Callable[[Sequence[Sample]], TextFeatures]:
    """Say how captions are read: by the model's encoder, or from the features that came with the data."""
    if pipeline.reads_captions:
        return lambda part: pipeline.encode([split.captions[each.picture][each.caption] for each in part])
    encoder = pipeline.model.manifest.text_encoder
    table = split.features(data.encoder_folder(encoder.name, encoder.options))

    def look_up(part: Sequence[Sample]) -> TextFeatures:
        pictures, captions = torch.tensor([(each.picture, each.caption) for each in part]).unbind(1)
        return on_device(table.at(pictures, captions), pipeline.machine.device)

    return look_up

"""Pictures and captions as a feature extractor describes them, every answer checked and laid at its door."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.component import blaming, talk_on_stderr
from stackgan_cli.components.protocols import (
    Classifies,
    IsCalibrated,
    Observation,
    Observes,
    ReadsAttributes,
    ReadsCaptions,
    WeighsAttributes,
)
from stackgan_cli.components.results import attributes_fault, probabilities_fault, refuse, table_fault
from stackgan_cli.evaluation.samples import AT_ONCE, batched, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import FeatureExtractor, Texts
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.evaluation.samples import Sample

_ENOUGH = 10
"""Pictures for each of the features' dimensions: the bias of a Fréchet distance is about width^2 / pictures."""


class Observer:
    """A feature extractor at work.

    It is always shown as many pictures, or captions, at once: rounding depends on the size of a batch, so that what is
    described would otherwise depend on how its batches were made.

    Args:
        extractor: fitted, in evaluation mode.
        described: it, for the beginning of a sentence.
    """

    def __init__(self, extractor: FeatureExtractor, described: str) -> None:
        self._extractor, self._described = extractor, described

    @property
    def fills(self) -> frozenset[str]:
        """What metrics need and this extractor gives, in the words of ``METRIC_NEEDS``."""
        abilities = {
            "logits": Classifies,
            "attributes": ReadsAttributes,
            "probabilities": WeighsAttributes,
            "caption_features": ReadsCaptions,
        }
        return frozenset(need for need, ability in abilities.items() if isinstance(self._extractor, ability))

    @property
    def temperature(self) -> float | None:
        """What its logits must be divided by to be as sure as they are right, where that is known."""
        return self._extractor.temperature if isinstance(self._extractor, IsCalibrated) else None

    @property
    def width(self) -> int:
        """Of the features."""
        return int(self._extractor.width)

    def doubt_of(self, pictures: int) -> str | None:
        """Say where there are too few pictures for distances to be taken at their word."""
        if pictures >= _ENOUGH * self.width:
            return None
        return (
            f"{pictures:,} pictures are few for features {self.width} wide: distances come out too large and shares"
            " uncertain. Read them beside those of the real training pictures, which are as many."
        )

    def spec(self) -> dict[str, Any]:
        """Everything of the extractor that changes the numbers.

        Raises:
            ComponentError: it fails, or gives what JSON cannot hold.
        """
        with self._asked("saying what it is"):
            return dict(json.loads(json.dumps(self._extractor.spec(), allow_nan=False)))

    def observe(self, batches: Iterable[Tensor], report: Callable[[int], None]) -> Observation:
        """Describe pictures.

        Args:
            batches: uint8 (batch, 3, size, size); each is made when it is its turn.
            report: told how many more are done, again and again.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        parts: list[Observation] = []
        for pictures in _cut_alike(batches):
            parts.append(self._look(pictures))
            report(len(pictures))
        with self._asked("describing pictures"):
            return replace(joined(parts), temperature=self.temperature)

    def read(self, captions: Sequence[str]) -> Tensor | None:
        """Describe captions: (captions, width) float32; None where the extractor reads none.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        if not isinstance(self._extractor, ReadsCaptions):
            return None
        parts = []
        for part in batched(captions):
            with self._asked("describing captions"):
                found = self._extractor.caption_features([*part, *[part[-1]] * (AT_ONCE - len(part))])
                width = self._extractor.width
            parts.append(self._table(found, "features of captions", AT_ONCE, width)[: len(part)])
        return torch.cat(parts)

    def texts(self, data: PreparedData, split: Split, samples: Sequence[Sample]) -> Texts:
        """Captions of samples with what the data knows of them, described where they are known and it reads captions.

        Raises:
            ComponentError: as of :meth:`read`.
        """
        texts = texts_of(split, samples, data.train.attributes)
        return replace(texts, features=self.read(texts.captions)) if data.manifest.captioned else texts

    def _look(self, pictures: Tensor) -> Observation:
        count = len(pictures)
        with self._asked("describing pictures"):
            found, width = (
                self._seen(torch.cat([pictures, *[pictures[-1:]] * (AT_ONCE - count)])),
                self._extractor.width,
            )
        if found.attributes is not None:
            refuse(self._described, attributes_fault(found.attributes, AT_ONCE))
        if found.probabilities is not None:
            refuse(self._described, probabilities_fault(found.probabilities, AT_ONCE))
        attributes, weighed = found.attributes, found.probabilities
        return Observation(
            self._table(found.features, "features", AT_ONCE, width)[:count],
            None if found.logits is None else self._table(found.logits, "logits", AT_ONCE)[:count],
            None if attributes is None else {name: values[:count] for name, values in attributes.items()},
            None if weighed is None else replace(weighed, logarithms=weighed.logarithms.float().cpu()[:count]),
        )

    def _seen(self, pictures: Tensor) -> Observation:
        """What the extractor says, in one pass where it can."""
        extractor = self._extractor
        if isinstance(extractor, Observes):
            return extractor.observe(pictures)
        return Observation(
            extractor.features(pictures),
            extractor.logits(pictures) if isinstance(extractor, Classifies) else None,
            extractor.attributes(pictures) if isinstance(extractor, ReadsAttributes) else None,
            extractor.probabilities(pictures) if isinstance(extractor, WeighsAttributes) else None,
        )

    @contextmanager
    def _asked(self, doing: str) -> Iterator[None]:
        with torch.no_grad(), talk_on_stderr(), blaming(self._described, doing):
            yield

    def _table(self, found: Tensor, what: str, count: int, width: int | None = None) -> Tensor:
        refuse(self._described, table_fault(found, what, count, width))
        return found.detach().float().cpu()


def adding_up(report: Callable[[int], object]) -> Callable[[int], None]:
    """Tell how many are done, where what is known each time is how many more."""
    done = 0

    def tick(number: int) -> None:
        nonlocal done
        done += number
        report(done)

    return tick


def _cut_alike(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """Cut batches of any sizes into such as are looked at; only the last one may be smaller."""
    waiting: list[Tensor] = []
    for pictures in batches:
        waiting.append(pictures)
        if sum(map(len, waiting)) >= AT_ONCE:
            *whole, rest = torch.split(torch.cat(waiting), AT_ONCE)
            waiting = [rest]
            yield from whole
            if len(rest) == AT_ONCE:
                waiting = []
                yield rest
    if waiting:
        yield torch.cat(waiting)


def joined(parts: Sequence[Observation]) -> Observation:
    """Put batches together, which are all described alike."""
    logits = [part.logits for part in parts if part.logits is not None]
    attributes = [part.attributes for part in parts if part.attributes is not None]
    weighed = [part.probabilities for part in parts if part.probabilities is not None]
    names = attributes[0] if attributes else ()
    return Observation(
        torch.cat([part.features for part in parts]),
        torch.cat(logits) if logits else None,
        {name: [value for part in attributes for value in part[name]] for name in names} if attributes else None,
        replace(weighed[0], logarithms=torch.cat([part.logarithms for part in weighed])) if weighed else None,
    )

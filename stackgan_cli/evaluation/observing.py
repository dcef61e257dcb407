"""Pictures and captions as a feature extractor describes them, every answer checked and laid at its door."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.component import blaming, talk_on_stderr
from stackgan_cli.components.protocols import Classifies, Observation, ReadsAttributes, ReadsCaptions
from stackgan_cli.components.results import attributes_fault, refuse, table_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import FeatureExtractor


class Observer:
    """A feature extractor at work.

    Args:
        extractor: fitted, in evaluation mode.
        described: it, for the beginning of a sentence.
    """

    def __init__(self, extractor: FeatureExtractor, described: str) -> None:
        self._extractor, self._described = extractor, described

    @property
    def fills(self) -> frozenset[str]:
        """What metrics need and this extractor gives, in the words of ``METRIC_NEEDS``."""
        abilities = {"logits": Classifies, "attributes": ReadsAttributes, "caption_features": ReadsCaptions}
        return frozenset(need for need, ability in abilities.items() if isinstance(self._extractor, ability))

    @property
    def width(self) -> int:
        """Of the features."""
        return int(self._extractor.width)

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
            report: told the size of each batch that is done.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        parts: list[Observation] = []
        for pictures in batches:
            parts.append(self._look(pictures))
            report(len(pictures))
        with self._asked("describing pictures"):
            return _joined(parts)

    def read(self, batches: Iterable[Sequence[str]]) -> Tensor | None:
        """Describe captions: (captions, width) float32; None where the extractor reads none.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        if not isinstance(self._extractor, ReadsCaptions):
            return None
        parts = []
        for captions in batches:
            with self._asked("describing captions"):
                found, width = self._extractor.caption_features(list(captions)), self._extractor.width
            parts.append(self._table(found, "features of captions", len(captions), width))
        return torch.cat(parts)

    def _look(self, pictures: Tensor) -> Observation:
        extractor, count = self._extractor, len(pictures)
        with self._asked("describing pictures"):
            features, width = extractor.features(pictures), extractor.width
            logits = extractor.logits(pictures) if isinstance(extractor, Classifies) else None
            attributes = extractor.attributes(pictures) if isinstance(extractor, ReadsAttributes) else None
        if attributes is not None:
            refuse(self._described, attributes_fault(attributes, count))
        return Observation(
            self._table(features, "features", count, width),
            None if logits is None else self._table(logits, "logits", count),
            attributes,
        )

    @contextmanager
    def _asked(self, doing: str) -> Iterator[None]:
        with torch.no_grad(), talk_on_stderr(), blaming(self._described, doing):
            yield

    def _table(self, found: Tensor, what: str, count: int, width: int | None = None) -> Tensor:
        refuse(self._described, table_fault(found, what, count, width))
        return found.detach().float().cpu()


def _joined(parts: Sequence[Observation]) -> Observation:
    """Put batches together, which are all described alike."""
    logits = [part.logits for part in parts if part.logits is not None]
    attributes = [part.attributes for part in parts if part.attributes is not None]
    names = attributes[0] if attributes else ()
    return Observation(
        torch.cat([part.features for part in parts]),
        torch.cat(logits) if logits else None,
        {name: [value for part in attributes for value in part[name]] for name in names} if attributes else None,
    )

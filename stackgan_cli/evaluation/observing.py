"""Pictures and captions as a feature extractor describes them, every answer checked and laid at its door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stackgan_cli.components.component import blaming, talk_on_stderr
from stackgan_cli.components.protocols import Classifies, Observation, ReadsAttributes, ReadsCaptions
from stackgan_cli.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
        return Observation(
            self._table(features, "features", count, width),
            None if logits is None else self._table(logits, "logits", count),
            None if attributes is None else self._lists(attributes, count),
        )

    @contextmanager
    def _asked(self, doing: str) -> Iterator[None]:
        with torch.no_grad(), talk_on_stderr(), blaming(self._described, doing):
            yield

    def _table(self, found: object, what: str, count: int, width: int | None = None) -> Tensor:
        if not isinstance(found, Tensor):
            raise self._wrong(f"gives {type(found).__name__} for {what}, not a tensor")
        shape = tuple(found.shape)
        if len(shape) != 2 or shape[0] != count or width not in (None, shape[1]):
            wanted = f"({count}, {'values' if width is None else width})"
            raise self._wrong(f"gives {what} of the shape {shape}, not {wanted}")
        if not found.is_floating_point() or not bool(torch.isfinite(found).all()):
            raise self._wrong(f"gives {what} that are no finite floating-point numbers")
        return found.detach().float().cpu()

    def _lists(self, found: Mapping[str, Sequence[str]], count: int) -> Mapping[str, Sequence[str]]:
        if not isinstance(found, Mapping):
            raise self._wrong(f"gives {type(found).__name__} for attributes, not lists by name")
        for name, values in found.items():
            if len(values) != count:
                raise self._wrong(f"gives {len(values)} values of the attribute {name!r} for {count} pictures")
        return found

    def _wrong(self, what: str) -> ComponentError:
        return ComponentError(f"{self._described} {what}.", "Report this to its authors.")


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

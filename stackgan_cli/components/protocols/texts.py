"""Text encoders: captions in, features out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What a text encoder makes of a batch of captions."""

    sentence: Tensor
    """(batch, width), floating point."""
    words: Tensor | None = None
    """(batch, length, word_width), for encoders that also describe each word."""
    padding: Tensor | None = None
    """(batch, length), bool, True where there is no word."""


@runtime_checkable
class TextEncoder(Protocol):
    """Turns captions into features.

    Factory parameters are the encoder's own options; the host gives none. It may be one that :class:`Fits` and
    :class:`LearnsOptions`, :class:`CoversCaptions` or :class:`StandsForFeatures`.
    """

    @property
    def width(self) -> int:
        """Width of the sentence vector."""

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; the result of one caption does not depend on the others."""


@runtime_checkable
class CoversCaptions(Protocol):
    """A text encoder that can say how much of a caption it reads."""

    def coverage(self, caption: str) -> float:
        """Share of a caption, 0 to 1, that the encoder can read."""


@runtime_checkable
class StandsForFeatures(Protocol):
    """A text encoder that only stands for features which a source of data holds ready (:class:`HasReadyFeatures`).

    Its ``width`` is set when they are copied, and its ``encode`` refuses.
    """

    source_features: str
    """Name of the features in the source."""

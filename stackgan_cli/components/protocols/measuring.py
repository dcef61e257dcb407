"""Feature extractors, and the metrics that compare what they see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


class FeatureExtractor(Protocol):
    """Turns pictures into features that metrics compare.

    It may be one that :class:`Fits` and :class:`LearnsOptions`, :class:`Classifies`, :class:`IsCalibrated`,
    :class:`ReadsAttributes`, :class:`WeighsAttributes`, :class:`ReadsCaptions`, :class:`HasFeatureMaps`, or that
    :class:`Observes` all of it at once.
    """

    width: int

    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, size, size)."""

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers: ``sha256`` of the weights, name, input size, resize filter and so on.

        Numbers are compared only where this is equal; JSON must be able to hold it.
        """


@runtime_checkable
class Classifies(Protocol):
    """A feature extractor that also names classes."""

    def logits(self, pictures: Tensor) -> Tensor:
        """(batch, values) logits of uint8 pictures (batch, 3, size, size)."""


@runtime_checkable
class ReadsAttributes(Protocol):
    """A feature extractor that also tells the attributes that the data knows."""

    def attributes(self, pictures: Tensor) -> Mapping[str, Sequence[str]]:
        """For each attribute, its likeliest value on each picture."""


@runtime_checkable
class WeighsAttributes(Protocol):
    """A feature extractor that also tells how probable every value of the attributes is."""

    def probabilities(self, pictures: Tensor) -> AttributeProbabilities:
        """Of uint8 pictures (batch, 3, size, size)."""


@runtime_checkable
class IsCalibrated(Protocol):
    """A feature extractor that knows how sure its logits should be."""

    temperature: float | None
    """What they must be divided by, found on real pictures that were held out; None where that is not known."""


@runtime_checkable
class Observes(Protocol):
    """A feature extractor that tells everything it can of pictures from one pass of its network."""

    def observe(self, pictures: Tensor) -> Observation:
        """All that it has methods for, each as the method of that name gives it, and None for the rest."""


@runtime_checkable
class HasShortName(Protocol):
    """A feature extractor or a metric with a short name, of which those of numbers are made: ``fd-effnet-lite0``."""

    short_name: str
    """``effnet-lite0`` of an extractor, where that is another name than it is found by, and ``fd`` of a metric."""


@runtime_checkable
class ReadsCaptions(Protocol):
    """A feature extractor that also describes captions, so that a picture's text can be told from others'."""

    def caption_features(self, captions: Sequence[str]) -> Tensor:
        """(captions, width) float32 features; the closer to a picture's by cosine, the better they fit."""


@runtime_checkable
class HasFeatureMaps(Protocol):
    """A feature extractor that losses can look through: its maps at several depths, with gradients.

    It is a frozen ``torch.nn.Module`` without parameters, and its buffers are not persistent: what looks through it is
    saved without it.
    """

    channels: Sequence[int]
    """Channels of each map, shallow ones first."""
    strides: Sequence[int]
    """Pixels of the picture for each place of a map, likewise."""

    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """Maps (batch, channels, side / stride, side / stride) of pictures (batch, 3, side, side) in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Mean and covariance of the features of a set of pictures."""

    mean: Tensor
    """(width,) float64."""
    covariance: Tensor
    """(width, width) float64, by N - 1."""


@dataclass(frozen=True, slots=True)
class AttributeProbabilities:
    """How probable values of attributes are on pictures."""

    columns: Sequence[tuple[str, str]]
    """An attribute and a value of it."""
    logarithms: Tensor
    """(pictures, columns) float32: natural logarithms of probabilities, which come to one over each attribute."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What an extractor makes of a set of pictures."""

    features: Tensor
    """(pictures, width) float32."""
    logits: Tensor | None = None
    """(pictures, values) float32."""
    attributes: Mapping[str, Sequence[str]] | None = None
    """For each attribute, its value on each picture."""
    probabilities: AttributeProbabilities | None = None
    repeats: Tensor | None = None
    """(captions, drawings, width) float32: several drawings of each of some captions, with other noise."""
    training: Tensor | None = None
    """(pictures, width) float32: with the real pictures that others are compared with, those that were trained on."""
    statistics: FeatureStatistics | None = None
    """Of real pictures of which nothing else is known; there are no ``features`` then."""
    temperature: float | None = None
    """What ``logits`` must be divided by to be as sure as they are right, where the extractor :class:`IsCalibrated`."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The captions that a set of pictures is measured against, one for each picture."""

    captions: Sequence[str]
    features: Tensor | None = None
    """(captions, width) float32, where the extractor :class:`ReadsCaptions`."""
    truth: Sequence[Mapping[str, str]] | None = None
    """For each caption the attributes of the picture that it was written for, where the data knows them."""
    stated: Sequence[Sequence[str]] | None = None
    """For each caption the names of the attributes that it states."""
    classes: Sequence[int] | None = None
    """For each caption the class of the picture that it was written for; where the data has no classes, every picture
    is a class of its own."""
    novel: Sequence[bool] | None = None
    """For each caption whether values that it states, two of them or one alone, are together on no training picture;
    None where the data does not know."""


METRIC_NEEDS: Mapping[str, str] = {
    "real": "other real pictures to compare with",
    "statistics": "the mean and the covariance of other real pictures' features",
    "logits": "an extractor that classifies pictures",
    "attributes": "an extractor that reads attributes",
    "texts": "the captions of the pictures",
    "stated": "data that says which attributes each caption states",
    "caption_features": "an extractor that reads captions",
    "probabilities": "an extractor that tells how probable attributes are",
    "likeness": "an extractor that reads captions, or that tells how probable the attributes are that captions state",
    "training": "the training pictures",
    "repeats": "several drawings of one caption",
}
"""What a metric may need, each with a few words for whoever does not have it. They name what they fill: ``real``,
``texts``, and members of the :class:`Observation` of what was drawn, but for five: ``training`` is a member of that of
the real pictures, ``statistics`` likewise or else to be computed from their features, ``caption_features`` fills
``Texts.features``, ``stated`` both ``Texts.truth`` and ``Texts.stated``, and ``likeness`` is there where
``caption_features`` are, or else ``probabilities`` and what is ``stated``."""

CAPTION_NEEDS = frozenset({"texts", "stated", "caption_features", "likeness"})
"""Those of them that have to do with captions."""


class Metric(Protocol):
    """A number, or a few, that say how good a set of drawn pictures is.

    Factory parameters are its own options. It is measured wherever what it ``needs`` is there, and left out elsewhere
    with a word about what is missing.
    """

    title: str
    """For the heading of a column."""
    better: str
    """``lower`` or ``higher``."""
    needs: frozenset[str]
    """Of the keys of :data:`METRIC_NEEDS`; what is named here is never None in :meth:`measure`."""

    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        """Measure a set of pictures.

        Args:
            drawn: the pictures to measure; real ones for the ceiling and the floor.
            real: pictures of the test split to compare with; None where these are the ones measured.
            texts: the captions of ``drawn``, in its order; other pictures' captions for the floor, and None for
                pictures that are measured without any.
            seed: of everything random.

        Returns:
            What JSON can hold: ``value``, a finite float; perhaps ``interval`` (low, high) or ``deviation``; ``of``
            where the value is a share of that many things, which is shown in percent; ``parts``, by name mappings of
            this same form, for a table of their own; and whatever else the results should keep. Where nothing can be
            said of these pictures there is no ``value``, and ``reason`` may say why.
        """

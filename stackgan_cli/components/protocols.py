"""What a component must offer: the contract between this package and everybody's text encoders, networks and readers.

Nothing here is inherited from. A component is any object with these members; networks are ``torch.nn.Module`` objects
besides, so that their weights can be saved, moved and optimised. Importing this module imports no torch.

A generator is a function of its arguments: every random number that it uses, those of conditioning augmentation among
them, arrives in ``noise``. So a picture can be drawn again, alone or in any batch, and a resumed run repeats itself.

For drawing, a batch-norm goes into the layer before it where both stand in a plain ``nn.Sequential``; a generator that
reads what lies between two layers of one should subclass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image
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


@dataclass(frozen=True, slots=True)
class Generated:
    """What a generator makes of a batch of noise and text."""

    images: Tensor
    """(batch, 3, size, size) in [-1, 1]."""
    kl: Tensor | None = None
    """(batch,) KL divergence of the conditioning distribution from N(0, I), summed over its dimensions, in nats; None
    where the generator draws no condition."""
    condition: Tensor | None = None
    """(batch, condition_width) mean of the conditioning distribution, for recipes whose discriminator judges by it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a discriminator thinks of a batch of pictures beside one batch of texts."""

    matching: Tensor
    """(batch,) logits: real, and fitting the text."""
    realism: Tensor | None = None
    """(batch,) logits: real, text aside; None for discriminators without such a head."""


class FittingData(Protocol):
    """The training split, as an encoder or an extractor that learns from it sees it."""

    @property
    def captions(self) -> Sequence[Sequence[str]]:
        """All captions of every picture."""
        ...

    @property
    def classes(self) -> Sequence[int]:
        """Class of every picture; where the data has no classes, every picture is a class of its own."""
        ...

    @property
    def attributes(self) -> Sequence[Mapping[str, str]] | None:
        """Known attributes of every picture, or None where the data has none."""
        ...

    @property
    def stated(self) -> Sequence[Sequence[Sequence[str]]] | None:
        """For each caption of every picture the attributes that it states, or None where that is not known."""
        ...

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Pictures as uint8 (batch, 3, resolution, resolution), centre-cropped and resized."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Turns captions into features.

    Factory parameters are the encoder's own options; the host gives none. Optional members:

    - ``fit(data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]``: learn from
      the data at hand, telling ``report(done, total, words)`` now and then; returns what it measured of itself.
    - ``learnt_options -> dict``: options that ``fit`` found out and that a saved copy must be built with.
    - ``coverage(caption) -> float``: the share of a caption, 0 to 1, that the encoder can read.
    - ``source_features -> str``: for one that only stands for features which a source of data holds ready, their name
      there (see :class:`DatasetReader`); ``width`` is set when they are copied, and ``encode`` refuses.
    """

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        ...

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; the result of one caption does not depend on the others."""
        ...


class Stage1Generator(Protocol):
    """Sketches a picture from noise and text.

    The host gives the factory ``text_width`` and ``resolution``.
    """

    resolution: int
    noise_width: int
    """Random numbers per picture: the noise z, and those that draw the condition."""

    def __call__(self, noise: Tensor, text: TextFeatures) -> Generated:
        """Sketch pictures.

        Args:
            noise: (batch, noise_width), drawn from N(0, I).
            text: features of one caption per picture.
        """
        ...


class Stage2Generator(Protocol):
    """Corrects and refines a Stage-I picture.

    The host gives the factory ``text_width``, ``resolution`` and ``input_resolution``.
    """

    resolution: int
    input_resolution: int
    noise_width: int
    """Random numbers per picture; 0 for a generator that needs none."""

    def __call__(self, images: Tensor, noise: Tensor, text: TextFeatures) -> Generated:
        """Refine pictures.

        Args:
            images: (batch, 3, input_resolution, input_resolution) in [-1, 1].
            noise: (batch, noise_width), drawn from N(0, I).
            text: features of one caption per picture.
        """
        ...


class Discriminator(Protocol):
    """Judges pictures beside texts.

    The host gives the factory ``text_width`` and ``resolution``, and in Stage-II ``input_resolution``. There is one
    ``__call__`` and nothing else, because distributed and compiled wrappers hide every other method.
    """

    def __call__(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        """Judge one batch of pictures beside each batch of texts, computing the pictures' own features once.

        Args:
            images: (batch, 3, resolution, resolution) in [-1, 1].
            texts: one or more batches of text features.
            given: the Stage-I pictures, for discriminators that look at them.

        Returns:
            One judgement for each of ``texts``, in their order.
        """
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """One captioned picture, as a reader finds it."""

    name: str
    """Unique within the source and the same on every machine: it orders, shuffles and names the picture."""
    image: Path | bytes | Callable[[], Image.Image | bytes]
    """A file, an encoded picture, or a picklable function that draws one or fetches an encoded one. Such a function may
    have a ``size`` in bytes, by which a changed source is noticed."""
    captions: tuple[str, ...]
    split: str | None = None
    """``train``, ``test``, or None where the source does not say."""
    class_name: str | None = None
    box: tuple[float, float, float, float] | None = None
    """Bounding box in pixels: left, top, width, height."""
    attributes: Mapping[str, str] | None = None
    """What is true of the picture, where it is known."""
    stated: tuple[tuple[str, ...], ...] | None = None
    """For each caption, the attributes that it states, where that is known."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the source that is no example, and why."""

    name: str
    reason: str
    count: int = 1
    """How many such things this one stands for."""


class DatasetReader(Protocol):
    """Finds captioned pictures in one layout.

    The host gives the factory ``seed`` if it takes it. Optional members:

    - ``crop``: the published crop rule, ``bbox``, ``center``, ``squash`` or ``pad``.
    - ``encoder``: name and options of the text encoder that suits this data.
    - ``recipe``: name of the recipe that suits it.
    - ``published: PublishedData``: where ``prepare --download`` finds the data, and what has to be fetched by hand.
    - ``scheme``: for a reader of what lies elsewhere, what an address begins with, such as ``hf`` of ``hf:owner/name``;
      the rest is given to the factory as ``dataset``.
    - ``suits(source: Path) -> Mapping[str, Any]``: those of the three that depend on what the source holds.
    - ``features(source: Path) -> Mapping[str, Callable[[str], NDArray[np.float32]]]``: text features that the source
      holds ready, by name: each a function from an example's name to an array (captions, width), whose rows are its
      captions in their order. It raises KeyError for an example without any.
    """

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        ...

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, and what had to be left out.

        The source is read twice, first to count and then to write: the second time must yield the same in the same
        order. A reader holds no more than an index, so that memory does not grow with the pictures.

        Raises:
            stackgan_cli.errors.DataError: the source as a whole cannot be read.
        """
        ...


class FeatureExtractor(Protocol):
    """Turns pictures into features that metrics compare.

    Optional members: ``fit(data, *, seed, report)`` and ``learnt_options`` as for text encoders, and
    ``logits(pictures)`` and ``attributes(pictures)`` for those that classify.
    """

    width: int

    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, size, size)."""
        ...

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers: name, weights' hash, input size, resize filter."""
        ...

"""What a component must offer: the contract between this package and everybody's text encoders, networks and readers.

Nothing here is inherited from. A component is any object with these members; networks are ``torch.nn.Module`` objects
besides, so that their weights can be saved, moved and optimised. What a component may do besides is a small protocol of
its own, and whoever wants to know asks ``isinstance``. Importing this module imports no torch.

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

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from stackgan_cli.downloads.addresses import PublishedData
    from stackgan_cli.ranks import Ranks


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
    """(batch, condition_width) mean of the conditioning distribution, never a draw from it, for recipes whose
    discriminator judges by it; a generator gives both ``kl`` and ``condition``, or neither."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a discriminator thinks of a batch of pictures beside one batch of texts."""

    matching: Tensor
    """(batch,) logits: real, and fitting the text."""
    realism: Tensor | None = None
    """(batch,) logits: real, text aside; None for discriminators without such a head."""


class FittingData(Protocol):
    """The training split, as a component that learns from it sees it."""

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


class CaptionedData(FittingData, Protocol):
    """The training split beside the features that the text encoder made of its captions, as an objective sees it."""

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        """Features of one caption of each picture; both (batch,), captions of a picture counted from 0."""
        ...


@runtime_checkable
class HasWeights(Protocol):
    """A component with weights, as every ``torch.nn.Module`` is: they are saved, loaded and moved."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors by key."""
        ...


@runtime_checkable
class Fits(Protocol):
    """An encoder, an extractor or an objective that learns from the data at hand; it is a ``torch.nn.Module``."""

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from the training split.

        Args:
            data: :class:`FittingData`; for an objective :class:`CaptionedData`.
            seed: of everything random. Torch's default generator is seeded with it, too; the same seed must give the
                same weights.
            report: told how many steps are done, how many there are, and a few words such as the loss.

        Returns:
            What it measured of itself, numbers by name; kept and shown.
        """
        ...


@runtime_checkable
class LearnsOptions(Protocol):
    """A component whose ``fit`` finds out options that a saved copy must be built with, such as its classes."""

    @property
    def learnt_options(self) -> Mapping[str, Any]:
        """These options, as JSON can hold them."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Turns captions into features.

    Factory parameters are the encoder's own options; the host gives none. It may be one that :class:`Fits` and
    :class:`LearnsOptions`, :class:`CoversCaptions` or :class:`StandsForFeatures`.
    """

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        ...

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; the result of one caption does not depend on the others."""
        ...


@runtime_checkable
class CoversCaptions(Protocol):
    """A text encoder that can say how much of a caption it reads."""

    def coverage(self, caption: str) -> float:
        """Share of a caption, 0 to 1, that the encoder can read."""
        ...


@runtime_checkable
class StandsForFeatures(Protocol):
    """A text encoder that only stands for features which a source of data holds ready (:class:`HasReadyFeatures`).

    Its ``width`` is set when they are copied, and its ``encode`` refuses.
    """

    source_features: str
    """Name of the features in the source."""


class Stage1Generator(Protocol):
    """Sketches a picture from noise and text.

    The host gives the factory ``text_width`` and ``resolution``, and ``word_width`` where the text encoder describes
    words and the factory names it.
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

    The host gives the factory ``text_width``, ``resolution``, ``input_resolution`` and, as in Stage-I, ``word_width``.
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

    The host gives the factory ``text_width`` and ``resolution``, in Stage-II ``input_resolution``, and ``word_width``
    where there is one. There is one ``__call__`` and nothing else, because distributed and compiled wrappers hide every
    other method.
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


@runtime_checkable
class HasCondition(Protocol):
    """A generator whose discriminator may judge by its conditioning distribution (the published port does so)."""

    condition_width: int
    """Width of :attr:`Generated.condition`."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How one discriminator judged the three kinds of pair of a step."""

    generated: Judgement
    """Generated pictures and the text that they were made from."""
    real: Judgement | None = None
    """Real pictures and their own text; None in the generator's step, where no real picture is judged."""
    mismatched: Judgement | None = None
    """Real pictures and a text of another class; None in the generator's step."""


@dataclass(frozen=True, slots=True)
class Update:
    """One step of training as an objective sees it, in the discriminators' half of the step or in the generator's."""

    step: int
    """0, 1, 2 ..."""
    text: TextFeatures
    """What the generator read."""
    right: TextFeatures
    """What the discriminators read beside the real and the generated pictures: ``text``, or the condition."""
    wrong: TextFeatures
    """What they read of captions of another class."""
    real: Tensor
    """(batch, 3, resolution, resolution) in [-1, 1], as the discriminators see them: augmented where an objective does
    so. Where an objective :class:`WantsInputGradients`, these and ``right.sentence`` require gradients."""
    generated: Generated
    """As the generator made them. In the discriminators' half no gradient flows back to the generator."""
    seen: Tensor
    """The generated pictures as the discriminators see them."""
    sketch: Tensor | None
    """(batch, 3, input_resolution, input_resolution): what Stage-II was given; None in Stage-I."""
    pairs: Mapping[str, Pairs]
    """By name of the discriminator: the one whose terms are asked for, or in the generator's half all of them."""
    judge: Mapping[str, Callable[[Tensor, Sequence[TextFeatures], Tensor | None], Sequence[Judgement]]]
    """The same discriminators, to judge more: pictures, texts and sketch, as :class:`Discriminator` is called."""
    draw: Callable[[TextFeatures, str], Generated]
    """Draw more pictures for texts of the batch's size, with noise that belongs to the step and to a purpose."""
    fooling: Callable[[Tensor, TextFeatures], Tensor]
    """The generator's adversarial loss of pictures beside texts, over all discriminators by their weights."""
    random: Callable[[str], torch.Generator]
    """A source of random numbers that belongs to the step and to a purpose, the same in a resumed run."""
    ranks: Ranks
    """The processes that share the batch."""


class Objective(Protocol):
    """Adds to what a stage is trained for. An objective is any object with at least one of the abilities below.

    :class:`GeneratorTerms` and :class:`DiscriminatorTerms` give losses; :class:`Augments` changes what discriminators
    see; :class:`WantsInputGradients` prepares for penalties. One that :class:`Fits` learns from the prepared data
    before the first step; one that is a ``torch.nn.Module`` is kept in the run's checkpoints and beside its stage in
    the model, and those of its weights that require gradients learn from its discriminator terms, by an optimiser of
    its own.

    The host gives the factory ``text_width``, ``word_width`` where there is one, and ``resolution``. Weight, rhythm and
    the discriminators that it concerns are the recipe's: ``[[stage1.objectives]]`` with ``name``, ``options``,
    ``weight``, ``every`` and ``discriminators``.
    """


@runtime_checkable
class GeneratorTerms(Protocol):
    """An objective with losses for the generator."""

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give scalar losses by name; the empty name stands for the objective's own."""
        ...


@runtime_checkable
class DiscriminatorTerms(Protocol):
    """An objective with losses for each discriminator, or for weights of its own."""

    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give scalar losses by name; asked once for each discriminator that the recipe lets it concern."""
        ...


@runtime_checkable
class Augments(Protocol):
    """An objective that changes pictures before any discriminator sees them, real and generated ones alike."""

    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Change a batch so that gradients flow through.

        Args:
            images: (batch, 3, resolution, resolution) in [-1, 1].
            given: the Stage-I pictures in Stage-II, which a geometric change must move alike.
            draw: source of randomness on the processor, other for real and for generated pictures.
        """
        ...


@runtime_checkable
class WantsInputGradients(Protocol):
    """An objective that differentiates judgements by the real pictures and their text, as gradient penalties do."""

    input_gradients: bool
    """Whether it does; the step then runs uncompiled, because a compiled network has no second derivative."""


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

    The host gives the factory ``seed`` if it takes it. What a reader may have besides is in the protocols below:
    `HasCrop`, `HasEncoder`, `HasRecipe`, `SuitsSources`, `HasReadyFeatures`, `HasPublishedData` and `HasScheme`.
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


@runtime_checkable
class HasCrop(Protocol):
    """A reader whose data have a published crop rule."""

    @property
    def crop(self) -> str:
        """``bbox``, ``center``, ``squash`` or ``pad``."""
        ...


@runtime_checkable
class HasEncoder(Protocol):
    """A reader that knows which text encoder suits its data."""

    @property
    def encoder(self) -> tuple[str, Mapping[str, Any]] | None:
        """Name and options of the text encoder."""
        ...


@runtime_checkable
class HasRecipe(Protocol):
    """A reader that knows which recipe suits its data."""

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        ...


@runtime_checkable
class SuitsSources(Protocol):
    """A reader of data of several kinds."""

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Return ``crop``, ``encoder`` and ``recipe``, or those of them that depend on what the source holds."""
        ...


@runtime_checkable
class HasReadyFeatures(Protocol):
    """A reader of sources that may hold text features."""

    def features(self, source: Path | None) -> Mapping[str, Callable[[str], NDArray[np.float32]]]:
        """Return text features that the source holds ready, by name.

        Each is a function from an example's name to an array (captions, width), whose rows are its captions in their
        order. It raises KeyError for an example without any.
        """
        ...


@runtime_checkable
class HasPublishedData(Protocol):
    """A reader, or its factory, whose data are published."""

    @property
    def published(self) -> PublishedData:
        """Where ``prepare --download`` finds the data, and what has to be fetched by hand."""
        ...


@runtime_checkable
class HasScheme(Protocol):
    """A reader, or its factory, of what lies elsewhere than on this disk."""

    @property
    def scheme(self) -> str:
        """What an address begins with: ``hf`` of ``hf:owner/name``, whose rest the factory gets as ``dataset``."""
        ...


class FeatureExtractor(Protocol):
    """Turns pictures into features that metrics compare.

    It may be one that :class:`Fits` and :class:`LearnsOptions`, :class:`Classifies`, :class:`ReadsAttributes` or
    :class:`ReadsCaptions`.
    """

    width: int

    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, size, size)."""
        ...

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers: ``sha256`` of the weights, name, input size, resize filter and so on.

        Numbers are compared only where this is equal; JSON must be able to hold it.
        """
        ...


@runtime_checkable
class Classifies(Protocol):
    """A feature extractor that also names classes."""

    def logits(self, pictures: Tensor) -> Tensor:
        """(batch, values) logits of uint8 pictures (batch, 3, size, size)."""
        ...


@runtime_checkable
class ReadsAttributes(Protocol):
    """A feature extractor that also tells the attributes that the data knows."""

    def attributes(self, pictures: Tensor) -> Mapping[str, Sequence[str]]:
        """For each attribute, its likeliest value on each picture."""
        ...


@runtime_checkable
class ReadsCaptions(Protocol):
    """A feature extractor that also describes captions, so that a picture's text can be told from others'."""

    def caption_features(self, captions: Sequence[str]) -> Tensor:
        """(captions, width) float32 features; the closer to a picture's by cosine, the better they fit."""
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """What an extractor makes of a set of pictures."""

    features: Tensor
    """(pictures, width) float32."""
    logits: Tensor | None = None
    """(pictures, values) float32."""
    attributes: Mapping[str, Sequence[str]] | None = None
    """For each attribute, its value on each picture."""


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


METRIC_NEEDS: Mapping[str, str] = {
    "real": "other real pictures to compare with",
    "logits": "an extractor that classifies pictures",
    "attributes": "an extractor that reads attributes",
    "texts": "the captions of the pictures",
    "stated": "data that says which attributes each caption states",
    "caption_features": "an extractor that reads captions",
}
"""What a metric may need, each with a few words for whoever does not have it. All but ``attributes`` and ``stated``
name what they fill: ``real``, ``Observation.logits``, ``texts``, ``Texts.features``; ``attributes`` fills
``Observation.attributes``, and ``stated`` both ``Texts.truth`` and ``Texts.stated``."""


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
            What JSON can hold: ``value``, a finite number; perhaps ``interval`` (low, high) or ``deviation``; ``of``
            where the value is a share of that many things, which is shown in percent; ``parts``, by name mappings of
            this same form, for a table of their own; and whatever else the results should keep. Where nothing can be
            said of these pictures there is no ``value``, and ``reason`` may say why.
        """
        ...

"""Generators and discriminators.

A generator is a function of its arguments: every random number that it uses, those of conditioning augmentation among
them, arrives in ``noise``. So a picture can be drawn again, alone or in any batch, and a resumed run repeats itself.

For drawing, a batch-norm goes into the layer before it where both stand in a plain ``nn.Sequential``; a generator that
reads what lies between two layers of one should subclass it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols.texts import TextFeatures


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
    """(batch,) logits: real, and fitting the text; (batch, heads) where several heads judge, each for itself."""
    realism: Tensor | None = None
    """Logits of the same form: real, text aside; None for discriminators without such a head."""


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


@runtime_checkable
class HasCondition(Protocol):
    """A generator whose discriminator may judge by its conditioning distribution (the published port does so)."""

    condition_width: int
    """Width of :attr:`Generated.condition`."""


@runtime_checkable
class Mirrors(Protocol):
    """A generator that may draw half of its pictures mirrored, and then learns from mirrored pictures alone."""

    mirrors: bool
    """Whether it does."""


@runtime_checkable
class DrawsCondition(Protocol):
    """A generator that draws its condition by some of the noise, and can be given the condition's mean instead."""

    condition_noise: slice
    """Columns of the noise that draw the condition; zeros there give its mean."""


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


@runtime_checkable
class TakesPublished(Protocol):
    """The factory of a network, or of a text encoder, that takes the weights which its authors published.

    ``stackgan convert`` asks the components of a recipe for it.
    """

    @staticmethod
    def published_options(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
        """Read the factory's parameters off published weights, what the host gives otherwise among them.

        Raises:
            ModelError: the weights are another network's.
        """

    @staticmethod
    def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give published weights the names that they have here, and leave out those of other networks.

        Raises:
            ModelError: the weights are another network's.
        """

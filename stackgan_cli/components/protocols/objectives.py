"""What a stage is trained for besides the matching-aware loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import Tensor

    from stackgan_cli.components.protocols.networks import Generated, Judgement
    from stackgan_cli.components.protocols.texts import TextFeatures
    from stackgan_cli.ranks import Ranks


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
    """(batch, 3, resolution, resolution) in [-1, 1]. In the discriminators' half as these see them: augmented where an
    objective does so, and where one :class:`WantsInputGradients`, these and ``right.sentence`` require gradients."""
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
    vary: Callable[[str], Generated]
    """Draw the batch again, each picture of the condition that ``generated`` had, with other noise of a purpose."""
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
    """An objective with losses for the generator, measured in the run's precision for forward passes."""

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give scalar losses by name; the empty name stands for the objective's own."""


@runtime_checkable
class DiscriminatorTerms(Protocol):
    """An objective with losses for each discriminator, or for weights of its own."""

    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give scalar losses by name; asked once for each discriminator that the recipe lets it concern."""


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


@runtime_checkable
class WantsInputGradients(Protocol):
    """An objective that differentiates judgements by the real pictures and their text, as gradient penalties do."""

    input_gradients: bool
    """Whether it does; the step then runs uncompiled, because a compiled network has no second derivative."""

"""What learns from the data at hand, and what has weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols.texts import TextFeatures


@runtime_checkable
class HasWeights(Protocol):
    """A component with weights, as every ``torch.nn.Module`` is: they are saved, loaded and moved."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors by key."""


class FittingData(Protocol):
    """The training split, as a component that learns from it sees it."""

    @property
    def captions(self) -> Sequence[Sequence[str]]:
        """All captions of every picture; an empty text for each of which the source gave ready features alone."""

    @property
    def classes(self) -> Sequence[int]:
        """Class of every picture; where the data has no classes, every picture is a class of its own."""

    @property
    def attributes(self) -> Sequence[Mapping[str, str]] | None:
        """Known attributes of every picture, or None where the data has none."""

    @property
    def stated(self) -> Sequence[Sequence[Sequence[str]]] | None:
        """For each caption of every picture the attributes that it states, or None where that is not known."""

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Pictures as uint8 (batch, 3, resolution, resolution), centre-cropped and resized."""


class CaptionedData(FittingData, Protocol):
    """The training split beside the features that the text encoder made of its captions, as an objective sees it."""

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        """Features of one caption of each picture; both (batch,), captions of a picture counted from 0."""

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Features of captions that no picture has.

        Raises:
            ComponentError: the data's text encoder fails.
            SettingsError: it only stands for features that the source gave, and can encode nothing.
        """


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


@runtime_checkable
class LearnsOptions(Protocol):
    """A component whose ``fit`` finds out options that a saved copy must be built with, such as its classes."""

    @property
    def learnt_options(self) -> Mapping[str, Any]:
        """These options, as JSON can hold them."""

"""Readers of captioned pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from stackgan_cli.downloads.addresses import PublishedData


@dataclass(frozen=True, slots=True)
class Example:
    """One captioned picture, as a reader finds it."""

    name: str
    """Unique within the source and the same on every machine: it orders, shuffles and names the picture."""
    image: Path | bytes | Callable[[], Image.Image | bytes]
    """A file, an encoded picture, or a picklable function that draws one or fetches an encoded one. Such a function may
    have a ``size`` in bytes, by which a changed source is noticed."""
    captions: tuple[str, ...]
    """One or more; an empty text stands for a caption of which the source gives ready features alone."""
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
    `HasCrop`, `HasEncoder`, `HasRecipe`, `HasExtractor`, `HasGlossary`, `SuitsSources`, `HasReadyFeatures`,
    `HasPublishedData`, `HasScheme`, `ReadsFiles` and `SaysWhatIsMissing`.
    """

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, and what had to be left out.

        The source is read twice, first to count and then to write: the second time must yield the same in the same
        order. A reader holds no more than an index, so that memory does not grow with the pictures.

        Raises:
            stackgan_cli.errors.DataError: the source as a whole cannot be read.
        """


@runtime_checkable
class HasCrop(Protocol):
    """A reader whose data have a published crop rule."""

    @property
    def crop(self) -> str:
        """``bbox``, ``center``, ``squash`` or ``pad``."""


@runtime_checkable
class HasEncoder(Protocol):
    """A reader that knows which text encoder suits its data."""

    @property
    def encoder(self) -> tuple[str, Mapping[str, Any]] | None:
        """Name and options of the text encoder."""


@runtime_checkable
class HasRecipe(Protocol):
    """A reader that knows which recipe suits its data."""

    @property
    def recipe(self) -> str:
        """Name of the recipe."""


@runtime_checkable
class HasExtractor(Protocol):
    """A reader that knows which feature extractor judges pictures drawn after its data best."""

    @property
    def extractor(self) -> str:
        """Name of the extractor."""


@runtime_checkable
class HasGlossary(Protocol):
    """A reader that knows what other words mean in the words of its captions.

    Prepared data keeps it, and so does every model that learns from them; `stackgan_cli.models.glossary` reads by it.
    """

    @property
    def glossary(self) -> Mapping[str, str]:
        """From a word that no caption has to what captions say in its place; both as people write them."""


@runtime_checkable
class SuitsSources(Protocol):
    """A reader of data of several kinds."""

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Return those of ``crop``, ``encoder``, ``recipe`` and ``extractor`` that depend on what the source holds."""


@runtime_checkable
class HasReadyFeatures(Protocol):
    """A reader of sources that may hold text features."""

    def features(self, source: Path | None) -> Mapping[str, Callable[[str], NDArray[np.float32]]]:
        """Return text features that the source holds ready, by name.

        Each is a function from an example's name to an array (captions, width), whose rows are its captions in their
        order. It raises KeyError for an example without any.
        """


@runtime_checkable
class HasPublishedData(Protocol):
    """A reader, or its factory, whose data are published."""

    @property
    def published(self) -> PublishedData:
        """Where ``prepare --download`` finds the data, and what has to be fetched by hand."""


@runtime_checkable
class HasScheme(Protocol):
    """A reader, or its factory, of what lies elsewhere than on this disk."""

    @property
    def scheme(self) -> str:
        """What an address begins with: ``hf`` of ``hf:owner/name``, whose rest the factory gets as ``dataset``."""


@runtime_checkable
class ReadsFiles(Protocol):
    """A reader, or its factory, of single files as well as folders: other sources of this kind are opened for it."""

    @property
    def file_suffixes(self) -> tuple[str, ...]:
        """What the names of such files usually end in."""


@runtime_checkable
class SaysWhatIsMissing(Protocol):
    """A reader that tells what keeps a source from being of its layout."""

    @property
    def layout(self) -> str:
        """A sentence saying what the source should hold."""

    def missing(self, source: Path) -> str | None:
        """Say in half a sentence what ``source`` lacks of this layout; None where it is nothing like it."""

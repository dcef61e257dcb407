"""The built-in data: birds drawn from known attributes. They need no source and no download."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example
from stackgan_cli.drawn_birds.attributes import sample_attributes, sample_held_out
from stackgan_cli.drawn_birds.captions import describe
from stackgan_cli.drawn_birds.painter import paint
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.models.glossary import read_glossary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgan_cli.components.protocols import Skipped

_LEAST, _MOST = 20, 1_000_000
_CAPTIONS = 10
# Of every twenty birds one is of a held-out combination and one more is an ordinary bird for the test split.
_ROUND, _HELD_OUT, _ORDINARY_TEST = 20, 7, 17


class DrawnBirdsReader:
    """Draws birds and says true things of them.

    Nine tenths are for training. Half of the test split shows pairs of body and wing colour that training never shows
    (`stackgan_cli.drawn_birds.attributes.HELD_OUT`), the other half is as training is.

    Args:
        count: number of pictures, 20 to 1,000,000.
        seed: of everything; the i-th bird is the same whatever the count.

    Raises:
        SettingsError: the count is out of range, or an option is no whole number.
    """

    crop = "squash"
    recipe = "quick"
    extractor = "drawn-birds-judge"
    encoder: tuple[str, Mapping[str, Any]] = ("words", {"fit_steps": 1600, "picture_every": 16})

    def __init__(self, *, count: int = 10_000, seed: int = 0) -> None:
        for name, value in (("count", count), ("seed", seed)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise SettingsError(
                    f"drawn-birds takes {name} as a whole number, not {value!r}.", f"Set it so: {name}={_LEAST}"
                )
        if not _LEAST <= count <= _MOST:
            raise SettingsError(
                f"drawn-birds cannot draw {count} pictures.", f"Choose a count from {_LEAST} to {_MOST:,}."
            )
        self.count = count
        self.seed = seed

    @functools.cached_property
    def glossary(self) -> Mapping[str, str]:
        """What words of other languages than English mean."""
        return read_glossary(Path(__file__).parent)

    def recognises(self, source: Path) -> str | None:  # noqa: ARG002
        """Return None: no folder holds these pictures, they are drawn."""
        return None

    def examples(self, source: Path | None = None) -> Iterator[Example | Skipped]:
        """Yield one example per bird; its picture, 304 x 304, is drawn when it is asked for.

        Raises:
            DataError: a source is given.
        """
        if source is not None:
            raise DataError(
                f"drawn-birds draws its own pictures and cannot read {source}.",
                "Leave --source out, or name your data differently.",
            )
        return (self._example(index) for index in range(self.count))

    def _example(self, index: int) -> Example:
        own = (self.seed % 2**64 << 32) + index
        rng = random.Random(own)
        place = index % _ROUND
        bird = sample_held_out(rng) if place == _HELD_OUT else sample_attributes(rng)
        captions = describe(bird, rng, _CAPTIONS)
        return Example(
            name=f"bird-{index:06d}",
            image=functools.partial(paint, bird, own),
            captions=tuple(caption.text for caption in captions),
            split="test" if place in {_HELD_OUT, _ORDINARY_TEST} else "train",
            attributes=bird.as_dict(),
            stated=tuple(caption.stated for caption in captions),
        )

"""What a pipeline is asked to draw, and the pictures that it drew with all that draws them again."""

from __future__ import annotations

import operator
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError
from stackgan_cli.files import at_home, given_path
from stackgan_cli.pictures.picture_files import picture_stem, save_new_picture
from stackgan_cli.randomness import LARGEST_SEED

if TYPE_CHECKING:
    import torch
    from PIL import Image

MOST_STOPS = 100
"""Pictures that a way may lead through."""
_LONGEST_PROMPT = 10_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to draw."""

    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture that was drawn, and what it takes to draw it again."""

    picture: Image.Image
    prompt: str
    seed: int
    model: str
    fingerprint: str
    """Of the model's weights: two models of one name differ in it."""
    stage: int
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """What the pipeline draws otherwise than the model was made for: ``condition``, ``checkpoint``, ``truncation``."""
    sketch: Image.Image | None = None
    """What Stage-I drew, where Stage-II drew the picture."""
    read_as: str | None = None
    """The prompt in the words that the model's glossary has for it, where they are others."""

    @property
    def of_sketch(self) -> Drawn | None:
        """The sketch as the picture that Stage-I alone draws, with its own weights whatever Stage-II's were."""
        if self.sketch is None:
            return None
        chosen = {name: value for name, value in self.chosen.items() if name != "checkpoint"}
        return replace(self, picture=self.sketch, stage=1, sketch=None, chosen=chosen)

    @property
    def facts(self) -> dict[str, Any]:
        """What the picture's file says of it, plain values."""
        return {
            "prompt": self.prompt,
            "seed": self.seed,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "stage": self.stage,
            "size": self.picture.width,
            "stackgan": own_version(),
            **({} if self.read_as is None else {"read_as": self.read_as}),
            **self.chosen,
        }


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """Pictures of one call of a :class:`Pipeline`.

    ``images`` and ``stage1_images`` are PIL pictures (``pil``), whose ``info`` says how they were drawn, a float32
    tensor (pictures, 3, side, side) in [0, 1] on the processor (``pt``), or a float32 array (pictures, side, side, 3)
    in [0, 1] (``np``).
    """

    images: Any
    stage1_images: Any
    """The sketches of the same pictures."""
    drawn: list[Drawn]
    """Each picture with its prompt, its seed and all else that draws it again."""

    @property
    def seeds(self) -> list[int]:
        """Seed of every picture."""
        return [each.seed for each in self.drawn]

    def save(self, folder: str | Path) -> list[Path]:
        """Write every picture as a PNG that says how it was drawn, under names that are free.

        Raises:
            UsageError: that is no folder.
            StackganError: a file cannot be written.
        """
        place = folder_given(folder)
        return [
            save_new_picture(each.picture, place, picture_stem(each.prompt, each.seed), each.facts)
            for each in self.drawn
        ]


@cache
def own_version() -> str:
    """Version of this package; every picture says it, and to look it up takes as long as to draw a small one."""
    return version("stackgan-cli")


def seed_by_lot() -> int:
    """A first seed for whoever asks for none, from 0 to below 2^31."""
    return secrets.randbelow(2**31)


def whole_number(what: str, value: Any) -> int:
    """A whole number that somebody gave from Python, of whatever type, as one of Python.

    Raises:
        UsageError: it is none, or is true or false, which Python takes for 1 and 0.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise UsageError(f"{what} is a whole number, not {value!r}.", hint="such as 1")
    return number


def folder_given(folder: Any) -> Path:
    """The path of a folder that somebody gave from Python.

    Raises:
        UsageError: it is none, or cannot be one here.
    """
    if not isinstance(folder, str | PathLike):
        raise UsageError(f"A folder is a path, not {folder!r}.", hint='such as "birds"')
    path = os.fsdecode(folder)
    given_path(path)
    return at_home(path)


def prompts_given(prompt: Any) -> list[str]:
    """The sentences that somebody gave from Python.

    Args:
        prompt: one, or several in their order.

    Raises:
        UsageError: it is something else, or one cannot be meant as a sentence.
    """
    # A set has no order, and what a mapping has beside its keys would be lost.
    one = isinstance(prompt, str | Set | Mapping) or not isinstance(prompt, Iterable)
    several = [prompt] if one else list(prompt)
    for text in several:
        refuse_no_text(text)
    return several


def refuse_no_text(prompt: Any) -> None:
    """Refuse what is no text, what no file can hold as text, and what is far longer than a sentence.

    Raises:
        UsageError: the prompt is one of them.
    """
    if not isinstance(prompt, str):
        raise UsageError("A prompt is a sentence, and something else was given for one.", hint="text, or a list of it")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise UsageError("The prompt is not UTF-8.", hint="Type it anew; a terminal is to be set to UTF-8.") from None
    if len(prompt) > _LONGEST_PROMPT:
        raise UsageError(
            f"A prompt of {len(prompt):,} characters is too long; a sentence is meant.", hint="one or two sentences"
        )


def seeds_of(
    prompts: int, each: int, generator: torch.Generator | Sequence[torch.Generator] | None, seed: int | None
) -> list[int]:
    """Choose the seeds of all pictures, those of one prompt beside each other.

    Args:
        prompts: how many there are.
        each: pictures of each prompt.
        generator: that seeds are drawn from, or one for every picture.
        seed: of each prompt's first picture; by lot where there is neither.

    Raises:
        UsageError: both are given, or too few or too many generators, or something else than these.
    """
    count = prompts * each
    if generator is None:
        first = seed_by_lot() if seed is None else whole_number("The seed", seed)
        return [first + number for number in range(each)] * prompts
    import torch

    if seed is not None:
        raise UsageError("Seeds come from a seed or from a generator, not from both.", hint="either of them")
    several = [generator] * count if isinstance(generator, torch.Generator) else generator
    if not isinstance(several, Sequence) or not all(isinstance(each, torch.Generator) for each in several):
        raise UsageError("Generators are torch's.", hint="torch.Generator().manual_seed(7), or a list of such")
    if len(several) != count:
        raise UsageError(
            f"There are {len(several)} generators for {count} pictures.", hint="one generator, or one a picture"
        )
    return [int(torch.randint(LARGEST_SEED, (1,), generator=one, device=one.device)) for one in several]


@dataclass(frozen=True, slots=True)
class Stop:
    """A picture that the way leads through."""

    prompt: str
    seed: int


def stops_of(prompts: Sequence[str], seeds: Sequence[int]) -> list[Stop]:
    """Put prompts and seeds together: as many of each, or one of the one for all of the other.

    Raises:
        UsageError: they do not fit together, or there are fewer than two stops.
    """
    count = max(len(prompts), len(seeds))
    if count < 2:
        raise UsageError("A way needs two ends.", hint="two sentences, or one and two seeds (--seeds 1,2)")
    if {len(prompts), len(seeds)} - {1, count}:
        raise UsageError(
            f"{len(prompts)} sentences and {len(seeds)} seeds do not fit together.",
            hint="one seed for all sentences, one sentence for all seeds, or as many of each",
        )
    texts = list(prompts) if len(prompts) == count else list(prompts) * count
    numbers = list(seeds) if len(seeds) == count else list(seeds) * count
    return [Stop(text, number) for text, number in zip(texts, numbers, strict=True)]

"""Says true things of a drawn bird, in the many ways that people have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.drawn_birds import wording
from stackgan_cli.drawn_birds.attributes import choose
from stackgan_cli.drawn_birds.forms import FORMS, NEEDS_COMMAS, short
from stackgan_cli.drawn_birds.speaker import Speaker

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from stackgan_cli.drawn_birds.attributes import BirdAttributes

_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_AN = re.compile(r"\ba (?=[aeiou])")
_ARTICLE = re.compile(r"\b(?:an?|the) ")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and the names of the attributes that it states, in the order of `BirdAttributes`."""

    text: str
    stated: tuple[str, ...]


def describe(attributes: BirdAttributes, rng: random.Random, count: int = 10, *, slips: float = 0.06) -> list[Caption]:
    """Write captions that are true of a bird.

    Args:
        attributes: the bird.
        rng: chooses what is said and how.
        count: how many, at least 1.
        slips: share of captions with a slip of the finger in one word, 0 to 1.

    Returns:
        ``count`` captions of different texts; the first is short.
    """
    captions: list[Caption] = []
    texts: set[str] = set()
    while len(captions) < count:
        caption = _caption(attributes, rng, choose(rng, FORMS) if captions else short, slips)
        if caption.text not in texts:
            texts.add(caption.text)
            captions.append(caption)
    return captions


def _caption(bird: BirdAttributes, rng: random.Random, form: Callable[[Speaker], str], slips: float) -> Caption:
    speaker = Speaker(bird, rng)
    text = form(speaker)
    if form not in NEEDS_COMMAS and " of " not in text and rng.random() < 0.05:
        text = re.sub(r"[,;:]", "", text)
    text = _finished(text, rng)
    return Caption(with_slip(text, rng) if rng.random() < slips else text, speaker.stated())


def _finished(text: str, rng: random.Random) -> str:
    """Write as people do: with capitals and full stops or without, now and then in a hurry."""
    text = _AN.sub("an ", text)
    if rng.random() < 0.06:
        text = _ARTICLE.sub("", text)
    if rng.random() < 0.03:
        text = text.replace(" and ", " & ")
    lot = rng.random()
    if lot < 0.015:
        return text.upper()
    if (". " in text and lot < 0.7) or lot < 0.1:
        text = ". ".join(part[0].upper() + part[1:] for part in text.split(". "))
        return text if text.endswith("?") else text + "."
    if lot < 0.16 and not text.endswith("?"):
        return text + choose(rng, (".", ".", ".", "!"))
    return text[0].upper() + text[1:] if lot < 0.24 else text


def with_slip(text: str, rng: random.Random) -> str:
    """Swap, drop or double a letter, not the first, of a word of four letters or more.

    The result is no other word that captions are made of; a text without such a word stays as it is.
    """
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return text
    found = choose(rng, words)
    word, place, kind = found.group(), 1 + int(rng.random() * (len(found.group()) - 2)), rng.random()
    if kind < 0.4:
        slipped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    elif kind < 0.75:
        slipped = word[:place] + word[place + 1 :]
    else:
        slipped = word[:place] + word[place] + word[place:]
    if slipped.lower() in wording.WORDS:
        return text
    return text[: found.start()] + slipped + text[found.end() :]

"""Says true things of a drawn bird, in the many ways that people have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.drawn_birds import wording
from stackgan_cli.drawn_birds.attributes import ATTRIBUTE_NAMES, choose

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from stackgan_cli.drawn_birds.attributes import BirdAttributes

_COLOURED = ("wing_colour", "head_colour", "belly_colour", "tail_colour")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and the names of the attributes that it states, in the order of `BirdAttributes`."""

    text: str
    stated: tuple[str, ...]


def describe(attributes: BirdAttributes, rng: random.Random, count: int = 10) -> list[Caption]:
    """Write captions that are true of a bird.

    Args:
        attributes: the bird.
        rng: chooses what is said and how.
        count: how many, at least 1.

    Returns:
        ``count`` captions of different texts; the first is short.
    """
    captions = [_short(attributes, rng)]
    texts = {captions[0].text}
    while len(captions) < count:
        caption = _caption(attributes, rng)
        if caption.text not in texts:
            texts.add(caption.text)
            captions.append(caption)
    return captions


class _Speaker:
    """Puts single facts into words, and notes which attributes have been stated."""

    def __init__(self, bird: BirdAttributes, rng: random.Random) -> None:
        self.bird = bird
        self.rng = rng
        self.said: set[str] = set()

    def likely(self, chance: float) -> bool:
        return self.rng.random() < chance

    def colour(self, part: str) -> str:
        self.said.add(part)
        value: str = getattr(self.bird, part)
        spellings = wording.COLOURS.get(value)
        return choose(self.rng, spellings) if spellings else value

    def size(self) -> str:
        self.said.add("size")
        return choose(self.rng, wording.SIZES[self.bird.size])

    def bird_noun(self, size_chance: float = 0.4) -> str:
        """Return ``small red bird`` and the like, without an article."""
        words = [self.size()] if self.likely(size_chance) else []
        if self.bird.one_colour and self.likely(0.15):
            self.said.update(_COLOURED)
            words.append(choose(self.rng, ("all", "completely", "entirely")))
        colour = self.colour("body_colour")
        others = sorted(set(self.bird.colours) - {self.bird.body_colour})
        if len(others) == 1 and self.likely(0.06):
            colour = f"{colour} and {others[0]}"
        return " ".join([*words, colour, "bird"])

    def wings(self) -> tuple[str, str]:
        """Return the adjectives and the noun: ``black striped`` and ``wings``."""
        adjectives = self.colour("wing_colour")
        if self.likely(0.5 if self.bird.pattern != "plain" else 0.08):
            self.said.add("pattern")
            adjectives = f"{choose(self.rng, wording.PATTERNS[self.bird.pattern])} {adjectives}"
        return adjectives, choose(self.rng, wording.WINGS)

    def part(self, name: str) -> tuple[str, str]:
        """Return the adjectives and the noun for a part of the bird."""
        if name == "wing_colour":
            return self.wings()
        if name == "beak":
            self.said.add("beak")
            length = choose(self.rng, wording.BEAK_LENGTHS[self.bird.beak])
            return length, choose(self.rng, wording.BEAKS)
        nouns = {"head_colour": wording.HEADS, "belly_colour": wording.BELLIES, "tail_colour": wording.TAILS}
        return self.colour(name), choose(self.rng, nouns[name])

    def marks(self) -> str:
        """Return what is on the wing: ``stripes on its wings``."""
        self.said.add("pattern")
        return choose(self.rng, wording.MARKS[self.bird.pattern])

    def possession(self, name: str) -> str:
        """Return a part with its article: ``a gray head``, ``black wings``, ``wing bars``."""
        if name == "pattern":
            return self.marks()
        adjectives, noun = self.part(name)
        return f"{adjectives} {noun}" if noun.endswith("s") else with_article(f"{adjectives} {noun}")

    def parts(self, most: int) -> list[str]:
        """Choose what else to say of the bird: rather what stands out than what goes without saying."""
        bird, rng = self.bird, self.rng
        scored = []
        for name in (*_COLOURED, "beak", "pattern"):
            striking = bird.pattern != "plain" if name == "pattern" else name == "beak"
            striking = striking or (name in _COLOURED and getattr(bird, name) != bird.body_colour)
            if name == "pattern" and bird.pattern == "plain" and rng.random() < 0.8:
                continue
            scored.append((rng.random() * (1.0 if striking else 0.42), name))
        scored.sort(reverse=True)
        names = [name for _, name in scored[: 1 + int(rng.random() * most)]]
        if "wing_colour" in names and "pattern" in names:
            # The wings' adjectives tell the pattern already.
            names.remove("pattern")
        return names

    def scene(self) -> str:
        """Return where the bird is and what it does there: ``standing in the snow``."""
        table = wording.POSES[self.bird.pose]
        if self.likely(0.68):
            table = wording.SCENES[self.bird.pose, self.bird.background]
        phrase, states = choose(self.rng, table)
        self.said.update(states)
        return phrase

    def stated(self) -> tuple[str, ...]:
        return tuple(name for name in ATTRIBUTE_NAMES if name in self.said)


def with_article(phrase: str) -> str:
    """Put a or an before a phrase."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listing(items: list[str]) -> str:
    """Join items with commas and a last ``and``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]


def _short(bird: BirdAttributes, rng: random.Random) -> Caption:
    speaker = _Speaker(bird, rng)
    noun = speaker.bird_noun()
    return Caption(_finished(with_article(noun) if speaker.likely(0.7) else noun, rng), speaker.stated())


def _caption(bird: BirdAttributes, rng: random.Random) -> Caption:
    speaker = _Speaker(bird, rng)
    text = choose(rng, _FORMS)(speaker)
    return Caption(_finished(text, rng), speaker.stated())


def _finished(text: str, rng: random.Random) -> str:
    lot = rng.random()
    if ". " in text or lot < 0.1:
        return ". ".join(part[0].upper() + part[1:] for part in text.split(". ")) + "."
    if lot < 0.17:
        return text + "."
    return text[0].upper() + text[1:] if lot < 0.24 else text


def _named(speaker: _Speaker) -> str:
    """``a small red bird with black wings and a long beak``."""
    noun = speaker.bird_noun()
    names = speaker.parts(3)
    text = f"{noun} with {listing([speaker.possession(name) for name in names])}"
    return with_article(text) if speaker.likely(0.75) else text


def _named_in_scene(speaker: _Speaker) -> str:
    """``red bird with black wings, standing in the snow``."""
    text = _named(speaker)
    link = choose(speaker.rng, (", ", " "))
    return text + link + speaker.scene()


def _placed(speaker: _Speaker) -> str:
    """``a tiny yellow bird perched on a branch``."""
    noun = speaker.bird_noun()
    text = with_article(noun) if speaker.likely(0.75) else noun
    link = choose(speaker.rng, (" ", " ", " ", " is ", " that is "))
    return text + link + speaker.scene()


def _presented(speaker: _Speaker) -> str:
    """``this is a large white bird with a gray head``."""
    opening = choose(
        speaker.rng,
        ("this is ", "there is ", "here is ", "it is ", "a picture of ", "a drawing of ", "i see ", "an image of "),
    )
    noun = with_article(speaker.bird_noun())
    if speaker.likely(0.2):
        return opening + noun
    if speaker.likely(0.35):
        return f"{opening}{noun} {speaker.scene()}"
    return f"{opening}{noun} with {listing([speaker.possession(name) for name in speaker.parts(3)])}"


def _stated_of_it(speaker: _Speaker) -> str:
    """``the bird is blue and has a long beak``."""
    subject = choose(speaker.rng, ("the bird", "this bird", "it", "the bird in the picture"))
    qualities = speaker.colour("body_colour")
    if speaker.likely(0.35):
        qualities = f"{speaker.size()} and {qualities}"
    names = speaker.parts(2)
    link = choose(speaker.rng, (" and has ", " with ", " and it has "))
    return f"{subject} is {qualities}{link}{listing([speaker.possession(name) for name in names])}"


def _body_among_parts(speaker: _Speaker) -> str:
    """``this small bird has a red body and black wings``."""
    subject = f"{speaker.size()} bird" if speaker.likely(0.4) else "bird"
    opening = choose(speaker.rng, ("this {} has ", "the {} has ", "a {} with ", "a {} that has ", "{} with "))
    feathers = choose(speaker.rng, ("a {} body", "a {} body", "{} feathers", "{} plumage"))
    body = feathers.format(speaker.colour("body_colour")).replace("a orange", "an orange")
    return opening.format(subject) + listing([body, *(speaker.possession(name) for name in speaker.parts(2))])


def _told_of_parts(speaker: _Speaker) -> str:
    """``a red bird. its wings are black``."""
    noun = with_article(speaker.bird_noun())
    clauses = []
    for name in [name for name in speaker.parts(2) if name != "pattern"] or ["wing_colour"]:
        adjectives, noun_of_part = speaker.part(name)
        verb = "are" if noun_of_part.endswith("s") else "is"
        if name == "wing_colour" and " " in adjectives:
            adjectives = adjectives.replace(" ", " and ")
        clauses.append(f"its {noun_of_part} {verb} {adjectives}")
    return f"{noun}{choose(speaker.rng, ('. ', ', '))}{listing(clauses)}"


def _keywords(speaker: _Speaker) -> str:
    """``bird, green body, brown tail``."""
    words = ["bird", f"{speaker.colour('body_colour')} body"] if speaker.likely(0.4) else [speaker.bird_noun()]
    words += [" ".join(speaker.part(name)) if name != "pattern" else speaker.marks() for name in speaker.parts(3)]
    if speaker.likely(0.3):
        words.append(speaker.scene())
    return ", ".join(words)


def _compound(speaker: _Speaker) -> str:
    """``a black-winged red bird``."""
    bird = speaker.bird
    endings = {"wing_colour": "winged", "head_colour": "headed", "belly_colour": "bellied", "tail_colour": "tailed"}
    name = next((each for each in speaker.parts(1) if each in endings), None)
    if name is None:
        speaker.said.add("beak")
        first = f"{bird.beak}-{choose(speaker.rng, ('beaked', 'billed'))}"
    else:
        first = f"{speaker.colour(name)}-{endings[name]}"
    words = [speaker.size()] if speaker.likely(0.25) else []
    text = " ".join([*words, first, speaker.bird_noun(0.0)])
    if speaker.likely(0.3):
        text += f" {speaker.scene()}"
    return with_article(text) if speaker.likely(0.75) else text


def _relative(speaker: _Speaker) -> str:
    """``a red bird that has black wings``, ``a red bird whose wings are black``."""
    noun = with_article(speaker.bird_noun())
    names = speaker.parts(2)
    if "pattern" not in names and speaker.likely(0.5):
        adjectives, part = speaker.part(names[0])
        return f"{noun} whose {part} {'are' if part.endswith('s') else 'is'} {adjectives.replace(' ', ' and ')}"
    return f"{noun} {choose(speaker.rng, ('that has', 'which has', 'having'))} " + listing(
        [speaker.possession(name) for name in names]
    )


def _wished(speaker: _Speaker) -> str:
    """``draw a small red bird``."""
    opening = choose(speaker.rng, ("draw ", "show me ", "paint ", "i want ", "please draw "))
    return opening + (_named(speaker) if speaker.likely(0.5) else with_article(speaker.bird_noun(0.6)))


def _without_body(speaker: _Speaker) -> str:
    """``a small bird with black wings``: the colour of the body goes unsaid."""
    text = with_article(f"{speaker.size()} bird" if speaker.likely(0.5) else "bird")
    if speaker.likely(0.6):
        text += f" with {listing([speaker.possession(name) for name in speaker.parts(2)])}"
        return f"{text} {speaker.scene()}" if speaker.likely(0.4) else text
    return f"{text} {speaker.scene()}"


def _bare(speaker: _Speaker) -> str:
    """``red bird``."""
    noun = speaker.bird_noun()
    return choose(speaker.rng, (noun, with_article(noun), f"the {noun}", f"one {noun}"))


def _full(speaker: _Speaker) -> str:
    """``a large white bird with a gray head and striped wings is standing in the snow``."""
    noun = with_article(speaker.bird_noun(0.7))
    text = f"{noun} with {listing([speaker.possession(name) for name in speaker.parts(3)])}"
    return f"{text}{choose(speaker.rng, (' is ', ', ', ' that is '))}{speaker.scene()}"


_FORMS: tuple[Callable[[_Speaker], str], ...] = (
    _named,
    _named,
    _named_in_scene,
    _placed,
    _placed,
    _presented,
    _stated_of_it,
    _body_among_parts,
    _told_of_parts,
    _keywords,
    _compound,
    _relative,
    _wished,
    _without_body,
    _bare,
    _full,
)

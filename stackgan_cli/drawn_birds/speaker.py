"""Puts single facts about a drawn bird into words, and keeps account of what has been said."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stackgan_cli.drawn_birds import wording
from stackgan_cli.drawn_birds.attributes import ATTRIBUTE_NAMES, choose

if TYPE_CHECKING:
    import random

    from stackgan_cli.drawn_birds.attributes import BirdAttributes

COLOURED = tuple(wording.PARTS)
"""Attributes that are the colour of a part, the body first."""


class Speaker:
    """Puts single facts into words, and notes which attributes have been stated."""

    def __init__(self, bird: BirdAttributes, rng: random.Random) -> None:
        self.bird = bird
        self.rng = rng
        self.said: set[str] = set()

    def likely(self, chance: float) -> bool:
        """Toss a coin that shows heads with this chance."""
        return self.rng.random() < chance

    def stated(self) -> tuple[str, ...]:
        """Return the names of the attributes that have been said, in the order of `BirdAttributes`."""
        return tuple(name for name in ATTRIBUTE_NAMES if name in self.said)

    def colour(self, part: str) -> str:
        """Return the colour of a part, in one of the words for it."""
        self.said.add(part)
        return self.spelt(getattr(self.bird, part))

    def spelt(self, colour: str) -> str:
        """Return one of the words for a colour."""
        return choose(self.rng, wording.COLOURS[colour])

    def size(self) -> str:
        """Return ``large``, ``huge`` and the like."""
        self.said.add("size")
        return choose(self.rng, wording.SIZES[self.bird.size])

    def bird_noun(self, size_chance: float = 0.35) -> str:
        """Return ``small red bird`` and the like, without an article."""
        words = [self.size()] if self.likely(size_chance) else []
        colour = self.colour("body_colour")
        if self.bird.one_colour and self.likely(0.15):
            self.said.update(COLOURED)
            words.append(choose(self.rng, ("all", "completely", "entirely", "totally")))
        elif self.likely(0.04):
            colour += choose(self.rng, ("-coloured", " colored", " coloured", "-colored"))
        return " ".join([*words, colour, "bird"])

    def uncoloured_noun(self, size_chance: float = 0.45) -> str:
        """Return ``small bird`` or ``bird``."""
        return f"{self.size()} bird" if self.likely(size_chance) else "bird"

    def part(self, name: str) -> tuple[str, str]:
        """Return adjectives and noun of a part, or of the beak: ``striped black`` and ``wings``."""
        if name == "beak":
            self.said.add("beak")
            return choose(self.rng, wording.BEAK_LENGTHS[self.bird.beak]), choose(self.rng, wording.BEAKS)
        adjectives = self.colour(name)
        if name == "wing_colour" and self.likely(0.45 if self.bird.pattern != "plain" else 0.06):
            self.said.add("pattern")
            adjectives = f"{choose(self.rng, wording.PATTERNS[self.bird.pattern])} {adjectives}"
        return adjectives, choose(self.rng, wording.PARTS[name])

    def marks(self) -> str:
        """Return what is on the wing: ``stripes on its wings``."""
        self.said.add("pattern")
        return choose(self.rng, wording.MARKS[self.bird.pattern])

    def possession(self, name: str) -> str:
        """Return a part with its article: ``a gray head``, ``wings of black``, ``wing bars``."""
        if name == "pattern":
            return self.marks()
        adjectives, noun = self.part(name)
        several = is_plural(noun) or noun in wording.WITHOUT_ARTICLE
        lot = self.rng.random()
        if lot < 0.05:
            qualities = adjectives.replace(" ", " and ") if name == "wing_colour" else adjectives
            link = choose(self.rng, ("that {}", "which {}")).format("are" if is_plural(noun) else "is")
            return f"{noun if several else with_article(noun)} {link} {qualities}"
        if lot < 0.08 and name in COLOURED and " " not in adjectives:
            return f"{noun if several else with_article(noun)} of {adjectives}"
        if 0.11 <= lot < 0.15 and name not in ("beak", "body_colour") and noun in wording.FEATHERED:
            return f"{adjectives} feathers on its {noun}"
        if lot < 0.11 and name in COLOURED:
            adjectives += choose(self.rng, ("-coloured", " colored", " coloured", "-colored"))
        return f"{adjectives} {noun}" if several else with_article(f"{adjectives} {noun}")

    def which_is(self, name: str) -> str:
        """Return a part and, behind it, its colour: ``the head, which is red``."""
        adjectives, noun = self.part(name)
        return f"the {noun}, which {'are' if is_plural(noun) else 'is'} {adjectives.replace(' ', ' and ')}"

    def possessions(self, names: list[str]) -> list[str]:
        """Return parts with their articles; parts of one colour may share it: ``a red head and tail``."""
        items: list[str] = []
        left = list(names)
        while left:
            name = left.pop(0)
            twin = self._twin(name, left)
            if twin is None:
                items.append(self.possession(name))
                continue
            left.remove(twin)
            colour = self.colour(name)
            self.said.add(twin)
            first, second = (choose(self.rng, wording.PARTS[each]) for each in (name, twin))
            several = is_plural(first) or first in wording.WITHOUT_ARTICLE
            items.append(f"{colour if several else with_article(colour)} {first} and {second}")
        # Nothing follows "a head of pink": "a head of pink and red feathers" would be another bird.
        return sorted(items, key=lambda item: " of " in item)

    def bare(self, name: str) -> str:
        """Return a part without any article: ``gray head``, ``stripes on its wings``."""
        return self.marks() if name == "pattern" else " ".join(self.part(name))

    def clauses(self, names: list[str]) -> list[str]:
        """Return a clause for each part: ``its wings are striped and black``; parts of one colour may share one."""
        rng = self.rng
        owner = choose(rng, ("its", "its", "the", "its", ""))
        items: list[str] = []
        left = [name for name in names if name != "pattern"]
        while left:
            name = left.pop(0)
            twin = self._twin(name, left)
            if twin is not None:
                left.remove(twin)
                colour = self.colour(name)
                self.said.add(twin)
                first, second = (choose(rng, wording.PARTS[each]) for each in (name, twin))
                items.append(f"{owner} {first} and {second} are {colour}".strip())
                continue
            adjectives, noun = self.part(name)
            if name == "wing_colour":
                adjectives = adjectives.replace(" ", " and ")
            elif name in COLOURED and self.likely(0.06):
                whose = f"{owner or 'the'} {noun}"
                items.append(f"the {choose(rng, ('colour', 'color'))} of {whose} is {adjectives}")
                continue
            items.append(f"{owner} {noun} {'are' if is_plural(noun) else 'is'} {adjectives}".strip())
        return items

    def parts(self, most: int, *, body: bool = False) -> list[str]:
        """Choose what else to say of the bird: rather what stands out than what goes without saying.

        Args:
            most: how many at most, now and then exceeded by far.
            body: the colour of the body is one of them, at any place.
        """
        bird, rng = self.bird, self.rng
        scored = []
        for name in (*COLOURED[1:], "beak", "pattern"):
            striking = bird.pattern != "plain" if name == "pattern" else name == "beak"
            striking = striking or (name in COLOURED and getattr(bird, name) != bird.body_colour)
            if name == "pattern" and bird.pattern == "plain" and rng.random() < 0.8:
                continue
            scored.append((rng.random() * (1.0 if striking else 0.42), name))
        scored.sort(reverse=True)
        most = 6 if rng.random() < 0.12 else most
        names = [name for _, name in scored[: 1 + int(rng.random() * most)]]
        if "wing_colour" in names and "pattern" in names:
            # The wings' adjectives tell the pattern already.
            names.remove("pattern")
        if body:
            names.insert(int(rng.random() * (len(names) + 1)), "body_colour")
        return names

    def coloured_parts(self, most: int) -> list[str]:
        """Choose from two parts to ``most``, in any order; the body is one of them more often than not."""
        names = sorted(COLOURED, key=lambda name: self.rng.random() * (0.5 if name == "body_colour" else 1.0))
        names = names[: 2 + int(self.rng.random() * (most - 1))]
        return sorted(names, key=lambda _: self.rng.random())

    def exceptions(self) -> tuple[str, list[str]] | None:
        """Return the colour of most parts, and the one to three parts that differ from it, if the bird has such."""
        colours = {name: str(getattr(self.bird, name)) for name in COLOURED}
        main, count = Counter(colours.values()).most_common(1)[0]
        if not 2 <= count < len(COLOURED):
            return None
        return main, [name for name, colour in colours.items() if colour != main]

    def scene(self) -> str:
        """Return where the bird is and what it does there: ``standing in the snow``."""
        lot = self.rng.random()
        if lot < 0.12:
            self.said.add("background")
            return choose(self.rng, wording.BACKDROPS[self.bird.background])
        table = wording.POSES[self.bird.pose]
        if lot < 0.72:
            table = wording.SCENES[self.bird.pose, self.bird.background]
        return self._phrase(table)

    def place(self) -> str:
        """Return a background that is told by itself: ``a meadow``."""
        self.said.add("background")
        return choose(self.rng, wording.PLACES[self.bird.background])

    def there(self, *, verb: bool) -> str:
        """Return what the bird does in a place that has been told: ``stands there``, or ``standing there``."""
        self.said.add("pose")
        return choose(self.rng, wording.THERE[self.bird.pose][verb])

    def arrival(self) -> str:
        """Return a scene that goes before the bird, with its verb: ``in the snow stands``."""
        table = wording.ARRIVALS[self.bird.pose, self.bird.background]
        if self.bird.pose == "perched" and self.likely(0.5):
            table = wording.PERCHES
        return self._phrase(table)

    def _phrase(self, table: wording.Phrases) -> str:
        phrase, states = choose(self.rng, table)
        self.said.update(states)
        return phrase

    def _twin(self, name: str, others: list[str]) -> str | None:
        """Another part of the same colour, if the two are to be said together."""
        if name not in COLOURED:
            return None
        colour = getattr(self.bird, name)
        twins = [each for each in others if each in COLOURED and getattr(self.bird, each) == colour]
        return twins[0] if twins and self.likely(0.4) else None


def is_plural(noun: str) -> bool:
    """Tell whether the noun of a part takes ``are``."""
    return noun.endswith("s")


def with_article(phrase: str) -> str:
    """Put a or an before a phrase."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listing(items: list[str]) -> str:
    """Join items with commas and a last ``and``."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]

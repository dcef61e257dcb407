"""What is true of a drawn bird, and how birds are drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

COLOURS = ("red", "blue", "green", "yellow", "orange", "brown", "black", "white", "gray", "pink")
SIZES = ("small", "medium", "large")
BEAKS = ("short", "long")
PATTERNS = ("plain", "striped", "spotted")
POSES = ("perched", "standing", "flying")
BACKGROUNDS = ("sky", "leaves", "water", "grass", "snow", "sand")

PLACES = {
    "perched": ("sky", "sky", "leaves", "leaves", "water", "snow"),
    "standing": ("grass", "grass", "sand", "snow", "water"),
    "flying": ("sky", "sky", "sky", "water", "water", "leaves", "grass", "snow", "sand"),
}
"""Backgrounds that go with each pose; one that is listed more often is drawn more often."""

HELD_OUT = frozenset(
    {
        ("red", "blue"),
        ("blue", "orange"),
        ("green", "white"),
        ("yellow", "gray"),
        ("orange", "green"),
        ("white", "pink"),
        ("black", "yellow"),
        ("gray", "red"),
    }
)
"""Pairs (body colour, wing colour) that no training picture shows: 8 of the 90 pairs of different colours."""

_INDEPENDENT = 0.5
"""Share of birds whose five parts are coloured independently: whoever learns from them cannot guess which part has
which colour, but has to read it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BirdAttributes:
    """Everything that a caption may say of a bird."""

    size: str
    body_colour: str
    wing_colour: str
    head_colour: str
    belly_colour: str
    tail_colour: str
    beak: str
    pattern: str
    """Of the wing."""
    pose: str
    background: str

    def as_dict(self) -> dict[str, str]:
        """Return values by attribute name, in the order of the fields."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def held_out(self) -> bool:
        """Whether the bird belongs to the combinations that no training picture shows."""
        return (self.body_colour, self.wing_colour) in HELD_OUT

    @property
    def colours(self) -> tuple[str, ...]:
        """Colours of body, wing, head, belly and tail."""
        return (self.body_colour, self.wing_colour, self.head_colour, self.belly_colour, self.tail_colour)

    @property
    def one_colour(self) -> bool:
        """Whether all parts have the colour of the body."""
        return len(set(self.colours)) == 1


ATTRIBUTE_NAMES = tuple(each.name for each in fields(BirdAttributes))


def choose(rng: random.Random, values: Sequence[T]) -> T:
    """Pick one of ``values`` by one call of ``rng.random``, whose numbers are the same in every version of Python."""
    return values[int(rng.random() * len(values))]


def sample_attributes(rng: random.Random) -> BirdAttributes:
    """Draw the attributes of a bird whose pair of body and wing colour may appear in training."""
    while True:
        bird = _sample(rng)
        if not bird.held_out:
            return bird


def sample_held_out(rng: random.Random) -> BirdAttributes:
    """Draw the attributes of a bird of a held-out pair of body and wing colour."""
    return _sample(rng, choose(rng, sorted(HELD_OUT)))


def _sample(rng: random.Random, pair: tuple[str, str] | None = None) -> BirdAttributes:
    body = pair[0] if pair else choose(rng, COLOURS)
    independent = rng.random() < _INDEPENDENT
    wing, head, belly, tail = _independent_colours(rng) if independent else _other_colours(rng, body)
    if pair:
        if tail == wing != body and not independent:
            # A tail that goes with the wings goes with these wings, too.
            tail = pair[1]
        wing = pair[1]
    pose = choose(rng, ("perched", "perched", "standing", "flying"))
    return BirdAttributes(
        size=choose(rng, SIZES),
        body_colour=body,
        wing_colour=wing,
        head_colour=head,
        belly_colour=belly,
        tail_colour=tail,
        beak=choose(rng, BEAKS),
        pattern=choose(rng, ("plain", "plain", "striped", "spotted")),
        pose=pose,
        background=choose(rng, PLACES[pose]),
    )


def _independent_colours(rng: random.Random) -> tuple[str, str, str, str]:
    """Colours of wing, head, belly and tail that say nothing of one another."""
    return choose(rng, COLOURS), choose(rng, COLOURS), choose(rng, COLOURS), choose(rng, COLOURS)


def _other_colours(rng: random.Random, body: str) -> tuple[str, str, str, str]:
    """Colours of wing, head, belly and tail: mostly the body's, with one or two that stand out."""
    other = choose(rng, [colour for colour in COLOURS if colour != body])
    lot = rng.random()
    for chance, parts in (
        (0.18, (body, body, body, body)),
        (0.45, (other, body, body, body)),
        (0.57, (body, body, other, body)),
        (0.67, (body, other, body, body)),
        (0.75, (other, body, body, other)),
        (0.82, (body, body, body, other)),
    ):
        if lot < chance:
            return parts
    wing = choose(rng, COLOURS) if rng.random() < 0.7 else body
    head = choose(rng, (body, body, wing, other))
    belly = choose(rng, (body, other, choose(rng, COLOURS)))
    tail = choose(rng, (body, wing, choose(rng, COLOURS)))
    return wing, head, belly, tail

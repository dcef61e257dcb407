"""The words that people have for what a drawn bird may be.

In the scene tables every phrase comes with the attributes that it states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Phrases = tuple[tuple[str, tuple[str, ...]], ...]

SIZES: Mapping[str, tuple[str, ...]] = {
    "small": ("small", "small", "small", "little", "little", "tiny", "tiny", "very small", "miniature", "really small"),
    "medium": (
        "medium-sized",
        "medium-sized",
        "medium",
        "medium sized",
        "mid-sized",
        "mid-size",
        "midsize",
        "medium-size",
        "average-sized",
        "average sized",
        "normal-sized",
        "middle-sized",
    ),
    "large": (
        "large",
        "large",
        "large",
        "big",
        "big",
        "very big",
        "huge",
        "huge",
        "giant",
        "enormous",
        "very large",
        "really big",
        "massive",
        "gigantic",
    ),
}
COLOURS: Mapping[str, tuple[str, ...]] = {
    "red": (*("red",) * 14, "scarlet", "crimson"),
    "blue": (*("blue",) * 14, "azure", "sapphire"),
    "green": (*("green",) * 14, "emerald", "emerald"),
    "yellow": (*("yellow",) * 14, "golden", "golden"),
    "orange": (*("orange",) * 15, "tangerine"),
    "brown": (*("brown",) * 14, "chocolate", "chestnut"),
    "black": (*("black",) * 15, "ebony"),
    "white": (*("white",) * 15, "ivory"),
    "pink": (*("pink",) * 15, "rosy"),
    "gray": (*("gray",) * 7, *("grey",) * 7, "silver", "ashen"),
}
"""Words for a colour, each as often as it is to be chosen."""

BEAKS = ("beak", "beak", "bill")
BEAK_LENGTHS: Mapping[str, tuple[str, ...]] = {
    "short": ("short", "short", "short", "stubby", "very short", "stumpy"),
    "long": ("long", "long", "long", "very long", "lengthy"),
}
BODIES = ("body", "body", "body", "body", "plumage", "feathers", "torso")
HEADS = ("head", "head", "head", "head", "crown")
BELLIES = ("belly", "belly", "belly", "breast", "chest", "underside", "stomach", "abdomen", "tummy", "underparts")
TAILS = ("tail", "tail", "tail", "tail", "tail feathers")
WINGS = ("wings", "wings", "wings", "wing", "wing feathers")
FEATHERED = frozenset((*HEADS, *BELLIES, "tail"))
"""Parts that have feathers on them: ``red feathers on its chest``."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "body_colour": BODIES,
    "wing_colour": WINGS,
    "head_colour": HEADS,
    "belly_colour": BELLIES,
    "tail_colour": TAILS,
}
WITHOUT_ARTICLE = frozenset({"plumage"})
COMPOUNDS: Mapping[str, tuple[str, ...]] = {
    "wing_colour": ("winged",),
    "head_colour": ("headed", "headed", "crowned"),
    "belly_colour": ("bellied", "bellied", "breasted", "chested"),
    "tail_colour": ("tailed",),
    "beak": ("billed", "beaked"),
}
ALL_OVER = (
    *("completely {}", "entirely {}", "all {}", "{} all over", "totally {}", "only {}", "nothing but {}"),
    *("{} from head to tail", "{} from beak to tail", "{} from top to bottom"),
)
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "plain": ("plain",),
    "striped": ("striped", "striped", "striped", "barred", "stripy", "banded"),
    "spotted": ("spotted", "spotted", "spotted", "speckled", "dotted"),
}
MARKS: Mapping[str, tuple[str, ...]] = {
    "striped": ("stripes on its wings", "wing bars", "striped wings", "bars on the wing", "stripes on the wings"),
    "spotted": ("spots on its wings", "dots on its wings", "spotted wings", "speckled wings", "spots on the wings"),
    "plain": ("plain wings", "wings without a pattern", "no pattern on its wings"),
}
CONFUSED = frozenset(
    ("back", "lack", "crow", "range", "beast", "bead", "been", "from", "form", "than", "then", "there", "three", "had")
)
"""Words that a typing slip must not make, beside those that captions are made of."""

_POSE, _PLACE, _BOTH = ("pose",), ("background",), ("pose", "background")

POSES: Mapping[str, Phrases] = {
    "perched": (
        ("perched on a branch", _POSE),
        ("sitting on a branch", _POSE),
        ("perched on a twig", _POSE),
        ("sitting on a tree branch", _POSE),
        ("sitting on a twig", _POSE),
        ("on a branch", _POSE),
        ("on a twig", _POSE),
        ("perching on a branch", _POSE),
        ("resting on a branch", _POSE),
        ("sitting in a tree", _POSE),
        ("in a tree", _POSE),
        ("sitting on a bough", _POSE),
    ),
    "standing": (
        ("standing on the ground", _POSE),
        ("standing", _POSE),
        ("on the ground", _POSE),
        ("standing upright", _POSE),
        ("standing still", _POSE),
    ),
    "flying": (
        ("flying", _POSE),
        ("in flight", _POSE),
        ("flying by", _POSE),
        ("in the air", _POSE),
        ("in mid-air", _POSE),
        ("soaring", _POSE),
        ("gliding", _POSE),
        ("hovering in the air", _POSE),
        ("spreading its wings", _POSE),
        ("flapping its wings", _POSE),
    ),
}

SCENES: Mapping[tuple[str, str], Phrases] = {
    ("perched", "sky"): (
        ("perched on a branch against the sky", _BOTH),
        ("sitting on a branch in front of the sky", _BOTH),
        ("against the sky", _PLACE),
        ("in front of the sky", _PLACE),
    ),
    ("perched", "leaves"): (
        ("sitting in a tree full of leaves", _BOTH),
        ("in the foliage", _PLACE),
        ("perched on a branch among the leaves", _BOTH),
        ("sitting in a leafy tree", _BOTH),
        ("sitting among green leaves", _BOTH),
        ("perched in the foliage", _BOTH),
        ("on a leafy branch", _BOTH),
        ("among leaves", _PLACE),
        ("surrounded by leaves", _PLACE),
        ("in the leaves", _PLACE),
    ),
    ("perched", "water"): (
        ("on a branch by the sea", _BOTH),
        ("perched on a branch over the water", _BOTH),
        ("sitting on a twig by the water", _BOTH),
        ("perched above the water", _BOTH),
        ("sitting by the lake", _BOTH),
        ("perched by the ocean", _BOTH),
        ("by the sea", _PLACE),
        ("by the water", _PLACE),
        ("near the water", _PLACE),
    ),
    ("perched", "snow"): (
        ("perched on a snowy branch", _BOTH),
        ("sitting on a branch in the snow", _BOTH),
        ("on a twig in the snow", _BOTH),
        ("in the snow", _PLACE),
        ("in winter snow", _PLACE),
        ("in falling snow", _PLACE),
        ("sitting on a branch while it is snowing", _BOTH),
    ),
    ("standing", "grass"): (
        ("standing in a grassy field", _BOTH),
        ("on a lawn", _PLACE),
        ("standing in the grass", _BOTH),
        ("standing on grass", _BOTH),
        ("standing in a meadow", _BOTH),
        ("in the grass", _PLACE),
        ("on the grass", _PLACE),
        ("in a meadow", _PLACE),
        ("in a grassy field", _PLACE),
        ("standing in green grass", _BOTH),
    ),
    ("standing", "snow"): (
        ("standing in the snow", _BOTH),
        ("standing in snow", _BOTH),
        ("standing on snowy ground", _BOTH),
        ("standing in a snowy field", _BOTH),
        ("in white snow", _PLACE),
        ("in the snow", _PLACE),
        ("on snowy ground", _PLACE),
        ("in falling snow", _PLACE),
        ("standing there while it snows", _BOTH),
    ),
    ("standing", "sand"): (
        ("standing on the sand", _BOTH),
        ("standing on a sandy beach", _BOTH),
        ("standing in the sand", _BOTH),
        ("on the sand", _PLACE),
        ("on a beach", _PLACE),
        ("at the beach", _PLACE),
        ("standing on the beach", _BOTH),
        ("in the desert", _PLACE),
        ("on sandy ground", _PLACE),
    ),
    ("standing", "water"): (
        ("standing in the water", _BOTH),
        ("standing in shallow water", _BOTH),
        ("wading in the water", _BOTH),
        ("standing in a pond", _BOTH),
        ("standing in a lake", _BOTH),
        ("in the water", _PLACE),
        ("in shallow water", _PLACE),
    ),
    ("flying", "sky"): (
        ("flying in the sky", _BOTH),
        ("flying through the sky", _BOTH),
        ("flying across the sky", _BOTH),
        ("flying high in the sky", _BOTH),
        ("soaring in the sky", _BOTH),
        ("flying in a blue sky", _BOTH),
        ("in the blue sky", _PLACE),
        ("up in the sky", _PLACE),
        ("in the sky", _PLACE),
        ("against the sky", _PLACE),
    ),
    ("flying", "water"): (
        ("flying over the sea", _BOTH),
        ("flying over the water", _BOTH),
        ("flying over water", _BOTH),
        ("flying above the water", _BOTH),
        ("flying over the ocean", _BOTH),
        ("gliding over the sea", _BOTH),
        ("flying above a lake", _BOTH),
        ("over the ocean", _PLACE),
        ("over the water", _PLACE),
        ("above the water", _PLACE),
    ),
    ("flying", "leaves"): (
        ("flying among the leaves", _BOTH),
        ("flying between leaves", _BOTH),
        ("flying through green leaves", _BOTH),
        ("in front of green foliage", _PLACE),
        ("among leaves", _PLACE),
        ("surrounded by leaves", _PLACE),
    ),
    ("flying", "grass"): (
        ("flying over a grassy field", _BOTH),
        ("flying over the grass", _BOTH),
        ("flying over a meadow", _BOTH),
        ("flying over green grass", _BOTH),
        ("gliding over a lawn", _BOTH),
        ("flying above grass", _BOTH),
        ("over the grass", _PLACE),
        ("above a meadow", _PLACE),
    ),
    ("flying", "snow"): (
        ("flying over the snow", _BOTH),
        ("flying in the snow", _BOTH),
        ("flying through falling snow", _BOTH),
        ("soaring over the snow", _BOTH),
        ("flying over a snowy field", _BOTH),
        ("flying while it is snowing", _BOTH),
        ("in the snow", _PLACE),
        ("over snowy ground", _PLACE),
    ),
    ("flying", "sand"): (
        ("flying over the sand", _BOTH),
        ("flying over a beach", _BOTH),
        ("flying over the beach", _BOTH),
        ("gliding over the sand", _BOTH),
        ("flying over the desert", _BOTH),
        ("flying above sand", _BOTH),
        ("over the sand", _PLACE),
        ("over a beach", _PLACE),
    ),
}

BACKDROPS: Mapping[str, tuple[str, ...]] = {
    "sky": ("with the sky behind it", "with sky in the background", "sky in the background"),
    "leaves": ("with leaves behind it", "with green leaves in the background", "leaves in the background"),
    "water": ("with the sea behind it", "with water in the background", "water in the background"),
    "grass": ("with grass behind it", "with grass in the background", "grass in the background"),
    "snow": ("with snow around it", "with snow in the background", "snow in the background", "surrounded by snow"),
    "sand": ("with sand around it", "with sand in the background", "sand in the background", "surrounded by sand"),
}
"""What can be said of a background whatever the bird does."""

VERBS: Mapping[str, str] = {
    "sitting": "sits",
    "perching": "perches",
    "resting": "rests",
    "standing": "stands",
    "wading": "wades",
    "flying": "flies",
    "soaring": "soars",
    "gliding": "glides",
    "hovering": "hovers",
    "spreading": "spreads",
    "flapping": "flaps",
}

ARRIVALS: Mapping[tuple[str, str], Phrases] = {
    ("perched", "sky"): (("against the sky sits", _BOTH),),
    ("perched", "leaves"): (("among the leaves sits", _BOTH), ("in a leafy tree sits", _BOTH)),
    ("perched", "water"): (("by the water sits", _BOTH), ("on a branch by the sea sits", _BOTH)),
    ("perched", "snow"): (("on a snowy branch sits", _BOTH), ("on a branch in the snow sits", _BOTH)),
    ("standing", "grass"): (("in the grass stands", _BOTH), ("in a meadow stands", _BOTH)),
    ("standing", "snow"): (("in the snow stands", _BOTH), ("on snowy ground stands", _BOTH)),
    ("standing", "sand"): (("on the sand stands", _BOTH), ("on a beach stands", _BOTH)),
    ("standing", "water"): (("in the water stands", _BOTH), ("in shallow water stands", _BOTH)),
    ("flying", "sky"): (("through the sky flies", _BOTH), ("in the sky flies", _BOTH)),
    ("flying", "water"): (("over the sea flies", _BOTH), ("above the water flies", _BOTH)),
    ("flying", "leaves"): (("among the leaves flies", _BOTH), ("through the leaves flies", _BOTH)),
    ("flying", "grass"): (("over the grass flies", _BOTH), ("over a meadow flies", _BOTH)),
    ("flying", "snow"): (("over the snow flies", _BOTH), ("through falling snow flies", _BOTH)),
    ("flying", "sand"): (("over the sand flies", _BOTH), ("over a beach flies", _BOTH)),
}
"""Scenes that go before the bird: ``in the snow stands`` (a red bird)."""
PERCHES: Phrases = (("on a branch sits", _POSE), ("on a twig sits", _POSE), ("on a branch perches", _POSE))

PLACES: Mapping[str, tuple[str, ...]] = {
    "sky": ("a blue sky", "the open sky", "only sky"),
    "leaves": ("green leaves", "dense foliage", "leaves everywhere"),
    "water": ("the sea", "a lake", "water"),
    "grass": ("a meadow", "a lawn", "a grassy field", "green grass"),
    "snow": ("a snowy field", "winter snow", "snow everywhere", "it is snowing", "it's snowing"),
    "sand": ("a beach", "a sandy beach", "the desert", "sand everywhere"),
}
"""Backgrounds that are told before anything else: ``a meadow`` (with a red bird in it)."""
THERE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "perched": (("sitting there", "sitting on a branch", "perched there"), ("sits there", "sits on a branch")),
    "standing": (("standing there", "standing in it", "standing around"), ("stands there", "is standing there")),
    "flying": (("flying there", "flying by", "flying past"), ("flies by", "flies there", "is flying by")),
}
"""What a bird is doing, and does, in a place that has been told."""

THINGS = ("drawing", "picture", "image", "painting", "photo", "illustration", "sketch")
OPENINGS = ("this is ", "there is ", "here is ", "it is ", "it's ", "i see ", "i can see ", "we see ", "you can see ")
WISHES = (
    "draw ",
    "show me ",
    "paint ",
    "i want ",
    "please draw ",
    "i would like ",
    "i'd like to see ",
    "make ",
    "give me ",
    "create ",
    "imagine ",
    "let me see ",
)
QUESTIONS = (
    "can you draw ",
    "could you paint ",
    "can you show me ",
    "could you draw me ",
    "will you draw ",
    "can i have ",
    "may i see ",
    "would you paint ",
)


_FURTHER = (
    "red blue green yellow orange brown black white pink the that this with which whose having bird",
    "everything otherwise rest else except apart only just coloured colored both colour color",
)


def _words() -> frozenset[str]:
    tables = [SIZES, COLOURS, BEAK_LENGTHS, PARTS, COMPOUNDS, PATTERNS, MARKS, BACKDROPS, PLACES]
    phrases = [phrase for table in tables for values in table.values() for phrase in values]
    phrases += [phrase for scenes in (POSES, SCENES, ARRIVALS) for values in scenes.values() for phrase, _ in values]
    phrases += [phrase for doing, does in THERE.values() for phrase in (*doing, *does)]
    phrases += [*BEAKS, *ALL_OVER, *THINGS, *OPENINGS, *WISHES, *QUESTIONS, *VERBS.values(), *_FURTHER]
    return frozenset(word for phrase in phrases for word in phrase.replace("-", " ").split()) | CONFUSED


WORDS = _words()
"""Words that captions are made of, in lower case."""

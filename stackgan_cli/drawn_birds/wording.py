"""The words that people have for what a drawn bird may be.

In the scene tables every phrase comes with the attributes that it states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Phrases = tuple[tuple[str, tuple[str, ...]], ...]

SIZES: Mapping[str, tuple[str, ...]] = {
    "small": ("small", "small", "little", "tiny"),
    "medium": ("medium-sized", "medium", "medium sized", "mid-sized"),
    "large": ("large", "large", "big", "big", "very big"),
}
COLOURS: Mapping[str, tuple[str, ...]] = {"gray": ("gray", "grey")}
"""Spellings of a colour; colours that are not here have one."""

BEAKS = ("beak", "beak", "bill")
BEAK_LENGTHS: Mapping[str, tuple[str, ...]] = {"short": ("short", "short", "stubby"), "long": ("long",)}
HEADS = ("head", "head", "head", "crown")
BELLIES = ("belly", "belly", "breast", "chest", "underside")
TAILS = ("tail", "tail", "tail", "tail feathers")
WINGS = ("wings", "wings", "wing", "wing feathers")
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "plain": ("plain",),
    "striped": ("striped", "striped", "barred", "stripy"),
    "spotted": ("spotted", "spotted", "speckled", "dotted"),
}
MARKS: Mapping[str, tuple[str, ...]] = {
    "striped": ("stripes on its wings", "wing bars", "striped wings", "bars on the wing"),
    "spotted": ("spots on its wings", "dots on its wings", "spotted wings", "speckled wings"),
    "plain": ("plain wings", "wings without a pattern"),
}

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
    ),
    "standing": (
        ("standing on the ground", _POSE),
        ("standing", _POSE),
        ("on the ground", _POSE),
    ),
    "flying": (
        ("flying", _POSE),
        ("in flight", _POSE),
        ("flying by", _POSE),
        ("in the air", _POSE),
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
    ),
    ("standing", "snow"): (
        ("standing in the snow", _BOTH),
        ("standing in snow", _BOTH),
        ("standing on snowy ground", _BOTH),
        ("in the snow", _PLACE),
        ("on snowy ground", _PLACE),
        ("in falling snow", _PLACE),
    ),
    ("standing", "sand"): (
        ("standing on the sand", _BOTH),
        ("standing on a sandy beach", _BOTH),
        ("standing in the sand", _BOTH),
        ("on the sand", _PLACE),
        ("on a beach", _PLACE),
        ("on sandy ground", _PLACE),
    ),
    ("standing", "water"): (
        ("standing in the water", _BOTH),
        ("standing in shallow water", _BOTH),
        ("wading in the water", _BOTH),
        ("in the water", _PLACE),
        ("in shallow water", _PLACE),
    ),
    ("flying", "sky"): (
        ("flying in the sky", _BOTH),
        ("flying through the sky", _BOTH),
        ("flying across the sky", _BOTH),
        ("in the sky", _PLACE),
        ("against the sky", _PLACE),
    ),
    ("flying", "water"): (
        ("flying over the sea", _BOTH),
        ("flying over the water", _BOTH),
        ("flying over water", _BOTH),
        ("flying above the water", _BOTH),
        ("over the water", _PLACE),
        ("above the water", _PLACE),
    ),
    ("flying", "leaves"): (
        ("flying among the leaves", _BOTH),
        ("flying between leaves", _BOTH),
        ("among leaves", _PLACE),
        ("surrounded by leaves", _PLACE),
    ),
    ("flying", "grass"): (
        ("flying over a grassy field", _BOTH),
        ("flying over the grass", _BOTH),
        ("flying over a meadow", _BOTH),
        ("flying above grass", _BOTH),
        ("over the grass", _PLACE),
        ("above a meadow", _PLACE),
    ),
    ("flying", "snow"): (
        ("flying over the snow", _BOTH),
        ("flying in the snow", _BOTH),
        ("flying through falling snow", _BOTH),
        ("in the snow", _PLACE),
        ("over snowy ground", _PLACE),
    ),
    ("flying", "sand"): (
        ("flying over the sand", _BOTH),
        ("flying over a beach", _BOTH),
        ("flying above sand", _BOTH),
        ("over the sand", _PLACE),
        ("over a beach", _PLACE),
    ),
}

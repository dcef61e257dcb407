"""Colours, and what light does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

Colour = tuple[int, int, int]

PLUMAGE: Mapping[str, Colour] = {
    "red": (206, 38, 40),
    "blue": (42, 92, 205),
    "green": (48, 148, 62),
    "yellow": (250, 212, 44),
    "orange": (244, 126, 24),
    "brown": (122, 76, 44),
    "black": (40, 40, 48),
    "white": (246, 245, 242),
    "gray": (146, 149, 156),
    "pink": (244, 142, 180),
}
"""RGB, 0 to 255, of each colour that a caption may name, before the light of the single picture."""


def shade(colour: Colour, factor: float) -> Colour:
    """Darken by a factor below 1; above 1, go that much of the way to white."""
    red, green, blue = colour
    if factor <= 1.0:
        return int(red * factor), int(green * factor), int(blue * factor)
    rest = factor - 1.0
    return int(red + (255 - red) * rest), int(green + (255 - green) * rest), int(blue + (255 - blue) * rest)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Go ``share`` of the way from the first colour to the second."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Perceived brightness, 0 to 255 (ITU-R BT.601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def varied(colour: Colour, rng: Generator) -> Colour:
    """Give a colour the small differences that two birds of one kind have."""
    light = 1.0 + 0.07 * (2.0 * rng.random() - 1.0)
    red, green, blue = (
        int(min(255.0, max(0.0, value * light + 6.0 * shift)))
        for value, shift in zip(colour, (2.0 * rng.random(3) - 1.0).tolist(), strict=True)
    )
    return red, green, blue

"""Smooth outlines, and a brush that knows where the bird stands in the frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import ImageDraw

    from stackgan_cli.drawn_birds.palette import Colour

    Points = NDArray[np.float64]

_STEPS = np.linspace(0.0, 1.0, 6, endpoint=False)[:, None]
# Uniform Catmull-Rom basis: the curve passes through every control point.
_BASIS = 0.5 * np.hstack(
    [
        -_STEPS + 2 * _STEPS**2 - _STEPS**3,
        2 - 5 * _STEPS**2 + 3 * _STEPS**3,
        _STEPS + 4 * _STEPS**2 - 3 * _STEPS**3,
        -(_STEPS**2) + _STEPS**3,
    ]
)
_CIRCLE = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 28, endpoint=False)), np.sin(np.linspace(0, 2 * np.pi, 28, endpoint=False))], 1
)


def closed_curve(control: Sequence[tuple[float, float]] | Points) -> Points:
    """Return (6 n, 2) points of the smooth closed curve through ``n`` control points."""
    points = np.asarray(control, dtype=np.float64)
    neighbours = np.stack([np.roll(points, 1, 0), points, np.roll(points, -1, 0), np.roll(points, -2, 0)])
    curve: Points = np.einsum("sk,knd->nsd", _BASIS, neighbours).reshape(-1, 2)
    return curve


def circle(center: Points | tuple[float, float], radius_x: float, radius_y: float | None = None) -> Points:
    """Return (28, 2) points of a circle or an upright ellipse."""
    radii = np.array((radius_x, radius_x if radius_y is None else radius_y))
    outline: Points = _CIRCLE * radii + np.asarray(center)
    return outline


def moved(points: Points, x: float, y: float) -> Points:
    """Shift one point (2,) or many (n, 2)."""
    shifted: Points = points + np.array((x, y))
    return shifted


def grown(outline: Points, by: float) -> Points:
    """Move a closed outline (n, 2) outwards by ``by`` units."""
    following, preceding = np.roll(outline, -1, 0), np.roll(outline, 1, 0)
    along = following - preceding
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    area = float((outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]).sum())
    outward = np.stack([along[:, 1], -along[:, 0]], 1) * (np.copysign(by, area) / length)[:, None]
    larger: Points = outline + outward
    return larger


def rotated(points: Points, angle: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Turn points (n, 2) by ``angle`` radians, clockwise on a screen whose y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: Points = (points - about) @ np.array([[cosine, sine], [-sine, cosine]]) + about
    return turned


class Brush:
    """Draws in units of the bird onto a canvas in pixels.

    Args:
        draw: the canvas.
        scale: pixels per unit.
        offset: pixel at which the origin lies.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, scale: float, offset: tuple[float, float]) -> None:
        self.draw = draw
        self.scale = scale
        self.offset = offset

    def pixels(self, points: Points) -> list[float]:
        """Flatten (n, 2) points in units to x, y, x, y, ... in pixels."""
        flat: list[float] = (points * self.scale + self.offset).ravel().tolist()
        return flat

    def fill(self, points: Points, colour: Colour | int) -> None:
        """Fill a closed outline."""
        self.draw.polygon(self.pixels(points), fill=colour)

    def stroke(self, points: Points, colour: Colour | int, width: float) -> None:
        """Draw along points with a line ``width`` units wide, at least one pixel."""
        self.draw.line(self.pixels(points), fill=colour, width=max(1, round(width * self.scale)))

    def strokes(self, starts: Points, ends: Points, colours: Sequence[Colour], width: float) -> None:
        """Draw many straight strokes, each in one of ``colours`` in turn."""
        thickness = max(1, round(width * self.scale))
        lines = (np.concatenate([starts, ends], 1) * self.scale + (*self.offset, *self.offset)).tolist()
        for position, line in enumerate(lines):
            self.draw.line(line, fill=colours[position % len(colours)], width=thickness)

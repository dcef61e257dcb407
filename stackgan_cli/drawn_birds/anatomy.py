"""The outlines of a bird that looks left, in units of half its body's length; y points down.

Every bird gets its own proportions and its own tilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stackgan_cli.drawn_birds.geometry import circle, closed_curve, moved, rotated

if TYPE_CHECKING:
    from numpy.random import Generator

    from stackgan_cli.drawn_birds.attributes import BirdAttributes
    from stackgan_cli.drawn_birds.geometry import Points

_BODY = np.array(
    [
        (-1.06, -0.42),
        (-1.08, 0.0),
        (-0.84, 0.44),
        (-0.25, 0.68),
        (0.42, 0.53),
        (0.95, 0.2),
        (1.2, 0.02),
        (0.9, -0.2),
        (0.3, -0.46),
        (-0.3, -0.68),
        (-0.72, -0.84),
    ]
)


@dataclass(frozen=True, slots=True)
class Wing:
    """A wing as a ribbon: an axis from shoulder to tip, and a half-width along it."""

    axis: Points
    """(3, 2) control points of a quadratic Bezier curve."""
    width: float
    raised: bool

    def at(self, along: Points, across: Points) -> Points:
        """Return points (n, 2) for positions along the wing, 0 to 1, and across it, -1 (leading edge) to 1."""
        start, bend, tip = self.axis
        u = along[:, None]
        center = (1 - u) ** 2 * start + 2 * u * (1 - u) * bend + u**2 * tip
        slope = 2 * (1 - u) * (bend - start) + 2 * u * (tip - bend)
        normal = np.stack([-slope[:, 1], slope[:, 0]], 1) / np.maximum(np.hypot(*slope.T), 1e-9)[:, None]
        points: Points = center + normal * (self._half_width(along) * across)[:, None]
        return points

    def outline(self) -> Points:
        """Return the closed outline; the trailing edge of a raised wing is notched between the feathers."""
        u = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 32))
        notches = 0.16 * np.abs(np.sin(np.pi * 5.5 * u)) if self.raised else 0.05 * np.abs(np.sin(np.pi * 4 * u))
        trailing = 1.0 + notches * (u > 0.25)
        return np.concatenate([self.at(u, -np.ones_like(u)), self.at(u, trailing)[::-1]])

    def _half_width(self, along: Points) -> Points:
        if self.raised:
            profile = np.sqrt(np.clip(1.0 - along, 0.0, 1.0)) * (0.85 + 0.45 * np.sin(np.pi * along))
            profile = profile * np.sqrt(np.clip(along / 0.16, 0.0, 1.0))
        else:
            profile = 1.5 * np.sqrt(np.clip(along, 0.0, 1.0)) * np.clip(1.0 - along, 0.0, 1.0) ** 0.7 * 1.05
        half: Points = self.width * profile
        return half


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Outlines of all parts, (n, 2) each, and the points that details hang on."""

    tilt: float
    body: Points
    belly: Points
    head: Points
    head_center: Points
    head_radius: float
    tail: Points
    tail_root: Points
    tail_tips: Points
    upper_beak: Points
    lower_beak: Points
    wing: Wing
    far_wing: Wing | None
    hips: Points
    feet: Points

    @property
    def width(self) -> float:
        """Units from the face to the tip of the tail, the beak left out."""
        return float(max(part[:, 0].max() for part in self._solid) - min(part[:, 0].min() for part in self._solid))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of everything but the legs."""
        points = np.concatenate([*self._solid, self.upper_beak])
        left, top = points.min(0)
        right, bottom = points.max(0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def _solid(self) -> list[Points]:
        wings = [self.wing.outline()] + ([self.far_wing.outline()] if self.far_wing else [])
        return [self.body, self.head, self.tail, *wings]

    def from_body(self, points: Points) -> Points:
        """Turn points of the untilted body as the body is turned."""
        return rotated(points, self.tilt)


def anatomy(attributes: BirdAttributes, rng: Generator) -> Anatomy:
    """Build a bird of this pose and beak with proportions of its own."""
    flying = attributes.pose == "flying"
    plump = rng.uniform(0.92, 1.1)
    tilt = rng.uniform(0.0, 0.26) if flying else rng.uniform(0.3, 0.68)
    body = closed_curve(_BODY * (1.0, plump))
    neck = rotated(np.array([[-1.12, -0.5] if flying else [-0.98, -0.74]]), tilt)[0] + rng.uniform(-0.05, 0.05, 2)
    radius = rng.uniform(0.48, 0.56)
    tail, root, tips = _tail(rng)
    upper, lower = _beak(attributes.beak, neck, radius, rng)
    wing, far_wing = _wings(flying, rng)
    hips = rotated(np.array([[-0.08, 0.55 * plump], [0.26, 0.5 * plump]]), tilt)
    drop = rng.uniform(0.62, 0.76) if attributes.pose == "standing" else rng.uniform(0.38, 0.46)
    level = float(rotated(body, tilt)[:, 1].max()) + drop - 0.24
    feet = np.stack([hips[:, 0] + (-0.1, 0.02), np.full(2, level)], 1)
    return Anatomy(
        tilt=tilt,
        body=rotated(body, tilt),
        belly=rotated(_belly(body, plump), tilt),
        head=circle(neck, radius, radius * 0.95),
        head_center=neck,
        head_radius=radius,
        tail=rotated(tail, tilt),
        tail_root=rotated(root, tilt),
        tail_tips=rotated(tips, tilt),
        upper_beak=upper,
        lower_beak=lower,
        wing=Wing(rotated(wing.axis, tilt), wing.width, wing.raised),
        far_wing=None if far_wing is None else Wing(rotated(far_wing.axis, tilt), far_wing.width, True),
        hips=hips,
        feet=feet,
    )


def belly_edge(x: Points) -> Points:
    """Give the height of the upper edge of an untilted belly, neither plump nor lean, at places along the body."""
    edge: Points = np.interp(x, [-1.1, -0.75, 0.2, 1.0], [-0.12, 0.1, 0.3, 0.16])
    return edge


def _belly(body: Points, plump: float) -> Points:
    """Cut the lower part of the body off along a line that rises towards the breast."""
    edge = plump * belly_edge(body[:, 0])
    below = body[:, 1] > edge
    start = int(np.argmax(below & ~np.roll(below, 1)))
    lower = np.roll(body, -start, 0)[: int(below.sum())]
    x = np.linspace(lower[-1, 0], lower[0, 0], 34)
    y = plump * belly_edge(x)
    ragged = y + 0.035 * np.where(np.arange(34) % 2 == 0, 1.0, -1.0)
    return np.concatenate([lower, np.stack([x, ragged], 1)])


def _tail(rng: Generator) -> tuple[Points, Points, Points]:
    length, spread = rng.uniform(0.85, 1.15), rng.uniform(0.24, 0.34)
    droop = rng.uniform(-0.06, 0.14)
    fork = rng.uniform(-0.12, 0.1)
    across = np.linspace(-1.0, 1.0, 5)
    tips = np.stack([1.0 + length + fork * (1 - np.abs(across)), droop + spread * across], 1)
    rounded = np.repeat(tips, 2, 0) + np.tile([(0.0, -0.05), (0.0, 0.05)], (5, 1))
    root = np.array([(0.72, -0.2), (0.72, 0.24)])
    outline = np.concatenate([root[:1], rounded, root[1:]])
    return outline, root, tips


def _beak(kind: str, head: Points, radius: float, rng: Generator) -> tuple[Points, Points]:
    length = rng.uniform(0.84, 1.0) if kind == "long" else rng.uniform(0.27, 0.34)
    depth = 0.13 if kind == "long" else 0.17
    dip = rng.uniform(0.0, 0.16) * length
    root = moved(head, -radius * 0.93, 0.02)
    tip = moved(root, -length, 0.06 + dip)
    middle = moved(root, -length * 0.5, 0.02)
    gape = moved(root, 0.12, 0.03)
    upper = np.array([moved(root, 0.12, -depth), moved(middle, 0, -depth * 0.62), tip, moved(middle, 0, 0.03), gape])
    lower = np.array([gape, moved(middle, 0, 0.03), moved(tip, length * 0.1, -0.01), moved(root, 0.12, depth)])
    return upper, lower


def _wings(flying: bool, rng: Generator) -> tuple[Wing, Wing | None]:
    if not flying:
        tip = np.array([rng.uniform(1.18, 1.36), rng.uniform(0.02, 0.14)])
        axis = np.array([(-0.52, -0.06), (0.2, -0.26), tip])
        return Wing(axis, rng.uniform(0.36, 0.4), False), None
    lean, reach = rng.uniform(-0.16, 0.3), rng.uniform(1.65, 1.95)
    tip = np.array([0.15 + reach * math.sin(0.5 + lean), -0.1 - reach * math.cos(0.5 + lean)])
    axis = np.array([(0.02, -0.12), (-0.1, -0.95), tip])
    near = Wing(axis, rng.uniform(0.4, 0.46), True)
    far_axis = moved(rotated(axis * (1.0, 0.94), -rng.uniform(0.36, 0.55), (0.0, -0.2)), -0.28, -0.12)
    return near, Wing(far_axis, near.width * 0.9, True)

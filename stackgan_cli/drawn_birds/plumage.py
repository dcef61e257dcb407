"""Paints a bird: parts from back to front, each with feathers of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stackgan_cli.drawn_birds.anatomy import belly_edge
from stackgan_cli.drawn_birds.geometry import circle, grown, moved
from stackgan_cli.drawn_birds.palette import PLUMAGE, luminance, mix, shade, varied

if TYPE_CHECKING:
    from numpy.random import Generator

    from stackgan_cli.drawn_birds.anatomy import Anatomy, Wing
    from stackgan_cli.drawn_birds.attributes import BirdAttributes
    from stackgan_cli.drawn_birds.geometry import Brush, Points
    from stackgan_cli.drawn_birds.palette import Colour

_OUTLINE = 0.036


class BirdPainter:
    """Paints one bird with one brush.

    Args:
        attributes: what the bird looks like.
        bird: its outlines.
        brush: where it stands.
        rng: the bird's own chance; colours differ a little from bird to bird.
    """

    def __init__(self, attributes: BirdAttributes, bird: Anatomy, brush: Brush, rng: Generator) -> None:
        self.attributes = attributes
        self.bird = bird
        self.brush = brush
        self.rng = rng
        self.colours = {name: varied(colour, rng) for name, colour in PLUMAGE.items()}

    def paint(self) -> None:
        """Paint everything, from the far wing to the eye."""
        colours = self.colours
        wing = colours[self.attributes.wing_colour]
        if self.attributes.wing_colour == self.attributes.body_colour:
            wing = shade(wing, 0.93)
        if self.bird.far_wing is not None:
            self._wing(self.bird.far_wing, shade(wing, 0.78))
        self._legs()
        self._tail(colours[self.attributes.tail_colour])
        # The head's rim lies under the body, so that no line parts the two.
        self._rim(self.bird.head, colours[self.attributes.head_colour])
        self._body(colours[self.attributes.body_colour], colours[self.attributes.belly_colour])
        self._beak()
        self._head(colours[self.attributes.head_colour])
        self._wing(self.bird.wing, wing)
        self._eye(colours[self.attributes.head_colour])

    def _outlined(self, points: Points, colour: Colour) -> None:
        self._rim(points, colour)
        self.brush.fill(points, colour)

    def _rim(self, points: Points, colour: Colour) -> None:
        self.brush.fill(grown(points, _OUTLINE), outline_of(colour))

    def _tail(self, colour: Colour) -> None:
        self._outlined(self.bird.tail, colour)
        root = self.bird.tail_root
        tips = self.bird.tail_tips
        gaps = (tips[1:] + tips[:-1]) / 2
        starts = root[0] + (root[1] - root[0]) * np.linspace(0.2, 0.8, 4)[:, None]
        self.brush.strokes(starts, gaps, [shade(colour, 0.66)], 0.03)
        shafts = root[0] + (root[1] - root[0]) * np.linspace(0.08, 0.92, 5)[:, None]
        self.brush.strokes(shafts, shafts + 0.95 * (tips - shafts), [shade(colour, 1.2)], 0.015)

    def _body(self, colour: Colour, belly: Colour) -> None:
        bird, brush, rng = self.bird, self.brush, self.rng
        self._outlined(bird.body, colour)
        if self.attributes.belly_colour != self.attributes.body_colour:
            brush.fill(bird.belly, belly)
        angle, radius = rng.uniform(0, 2 * np.pi, 110), np.sqrt(rng.uniform(0, 1, 110))
        starts = np.stack([-0.1 + 0.84 * radius * np.cos(angle), -0.05 + 0.5 * radius * np.sin(angle)], 1)
        under = starts[:, 1] > belly_edge(starts[:, 0])
        ends = starts + np.stack([rng.uniform(0.08, 0.15, 110), 0.05 + 0.06 * starts[:, 1]], 1)
        for chosen, base in ((~under, colour), (under, belly)):
            tones = [shade(base, 0.84), shade(base, 1.16), shade(base, 0.76), shade(base, 0.9)]
            brush.strokes(bird.from_body(starts[chosen]), bird.from_body(ends[chosen]), tones, 0.025)

    def _head(self, colour: Colour) -> None:
        bird, brush = self.bird, self.brush
        same = self.attributes.head_colour == self.attributes.body_colour
        brush.fill(bird.head, colour)
        angles = np.linspace(0.35, 2.25, 22)
        outward = np.stack([np.cos(angles), np.sin(angles)], 1)
        reach = 1.0 + (0.0 if same else 0.16) * np.sin(np.linspace(0.25, 2.9, 22))[:, None]
        starts = bird.head_center + outward * bird.head_radius * 0.8
        ends = bird.head_center + outward * bird.head_radius * reach
        brush.strokes(starts, ends, [colour, shade(colour, 0.92)] if not same else [colour], 0.07)
        count = 34
        angle, radius = self.rng.uniform(0, 2 * np.pi, count), 0.8 * np.sqrt(self.rng.uniform(0, 1, count))
        spots = bird.head_center + bird.head_radius * np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        brush.strokes(spots, moved(spots, 0.085, 0.035), [shade(colour, 0.85), shade(colour, 1.15)], 0.022)

    def _wing(self, wing: Wing, colour: Colour) -> None:
        outline = wing.outline()
        self._outlined(outline, colour)
        self._long_feathers(wing, colour)
        if self.attributes.pattern == "striped":
            self._bars(wing, accent_of(colour))
        elif self.attributes.pattern == "spotted":
            self._spots(wing, accent_of(colour))
        else:
            self._coverts(wing, colour)

    def _long_feathers(self, wing: Wing, colour: Colour) -> None:
        """Draw the gaps between flight feathers, from the middle of the wing to its trailing edge and tip."""
        dark, light = shade(colour, 0.64), shade(colour, 1.22)
        for position, across in enumerate(np.linspace(-0.55, 0.85, 6).tolist()):
            along = np.linspace(0.34, 0.97 - 0.09 * position, 7)
            bend = np.linspace(across * 0.6, across + 0.12, 7)
            self.brush.stroke(wing.at(along, bend), dark, 0.032)
            self.brush.stroke(wing.at(along, bend - 0.1), light, 0.015)

    def _coverts(self, wing: Wing, colour: Colour) -> None:
        """Draw three rows of small rounded feathers at the shoulder."""
        tones = (shade(colour, 0.7), shade(colour, 1.14))
        arc = np.linspace(-1.0, 1.0, 7)
        for row, along in enumerate((0.14, 0.25, 0.37)):
            for across in np.linspace(-0.62, 0.62, 4).tolist():
                v = across + 0.2 * arc + (0.1 if row % 2 else 0.0)
                u = along + 0.055 * (1.0 - arc**2)
                self.brush.stroke(wing.at(u, v), tones[0], 0.028)
                self.brush.stroke(wing.at(u - 0.025, v), tones[1], 0.016)

    def _bars(self, wing: Wing, accent: Colour) -> None:
        across = np.linspace(-0.92, 0.92, 7)
        for along in (0.2, 0.42, 0.64):
            bow = along + 0.05 * (1.0 - across**2)
            points = np.concatenate([wing.at(bow, across), wing.at(bow + 0.085, across)[::-1]])
            self.brush.fill(points, accent)

    def _spots(self, wing: Wing, accent: Colour) -> None:
        places = ((0.14, 0.0), (0.28, -0.5), (0.3, 0.42), (0.44, -0.05), (0.55, 0.55), (0.56, -0.5), (0.7, 0.05))
        shift = self.rng.uniform(-0.02, 0.02, 2)
        centers = wing.at(np.array([u for u, _ in places]) + shift[0], np.array([v for _, v in places]) + shift[1])
        for center in centers:
            self.brush.fill(circle(center, 0.088), accent)

    def _beak(self) -> None:
        head = PLUMAGE[self.attributes.head_colour]
        horn: Colour = (240, 168, 48) if self.rng.random() < 0.6 else (88, 82, 84)
        if self.attributes.head_colour in {"yellow", "orange", "brown"}:
            horn = (70, 64, 66)
        elif luminance(head) < 110:
            horn = (240, 168, 48)
        self._outlined(self.bird.lower_beak, shade(horn, 0.8))
        self._outlined(self.bird.upper_beak, horn)
        ridge = self.bird.upper_beak[[0, 1, 2]] + (0.02, 0.04)
        self.brush.stroke(ridge[:2], shade(horn, 1.4), 0.025)

    def _eye(self, head: Colour) -> None:
        center = moved(self.bird.head_center, -0.36 * self.bird.head_radius, -0.16 * self.bird.head_radius)
        ring = shade(head, 1.5) if luminance(head) < 150 else shade(head, 0.7)
        self.brush.fill(circle(center, 0.135), ring)
        self.brush.fill(circle(center, 0.1), (22, 18, 20))
        self.brush.fill(circle(moved(center, -0.035, -0.04), 0.035), (255, 255, 255))

    def _legs(self) -> None:
        bird, brush = self.bird, self.brush
        colour: Colour = (120, 84, 58) if self.rng.random() < 0.5 else (214, 138, 70)
        if self.attributes.pose == "flying":
            start = bird.from_body(np.array([[0.35, 0.5], [0.5, 0.44]]))
            end = bird.from_body(np.array([[0.72, 0.56], [0.85, 0.5]]))
            brush.strokes(start, end, [shade(colour, 0.8)], 0.06)
            return
        for depth, (hip, foot) in enumerate(zip(bird.hips, bird.feet, strict=True)):
            tone = shade(colour, 0.72 + 0.24 * (1 - depth))
            knee = moved((hip + foot) / 2, 0.06, 0.0)
            brush.stroke(np.stack([hip, knee, foot]), tone, 0.075)
            if self.attributes.background == "water" and self.attributes.pose == "standing":
                continue
            for angle in (math.pi * 0.92, math.pi * 0.7, math.pi * 0.1):
                toe = moved(foot, 0.2 * math.cos(angle), 0.09 * math.sin(angle))
                brush.stroke(np.stack([foot, toe]), tone, 0.055)
                brush.stroke(np.stack([toe, moved(toe, 0.05 * math.cos(angle), 0.06)]), shade(tone, 0.5), 0.03)


def outline_of(colour: Colour) -> Colour:
    """Return the dark rim of a part."""
    return shade(colour, 0.36) if luminance(colour) < 200 else mix(shade(colour, 0.45), (96, 92, 110), 0.5)


def accent_of(colour: Colour) -> Colour:
    """Return the colour of bars and spots: pale on dark feathers, dark on pale ones."""
    return mix(colour, (252, 248, 236), 0.82) if luminance(colour) < 135 else mix(colour, (44, 34, 36), 0.76)

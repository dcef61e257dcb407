"""Paints what is behind, under and in front of a bird."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stackgan_cli.drawn_birds.geometry import moved
from stackgan_cli.drawn_birds.palette import mix, shade

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from PIL import ImageDraw

    from stackgan_cli.drawn_birds.geometry import Points
    from stackgan_cli.drawn_birds.palette import Colour

    Field = NDArray[np.float64]

_GRID = 40
_Y, _X = np.mgrid[0:_GRID, 0:_GRID] / (_GRID - 1.0)

# Far above, far at the horizon, near at the horizon, near at the lower edge.
_LIGHT = {
    "sky": ((98, 164, 226), (206, 232, 248), (206, 232, 248), (226, 240, 248)),
    "leaves": ((176, 206, 140), (138, 180, 104), (138, 180, 104), (104, 150, 84)),
    "water": ((160, 208, 236), (226, 238, 240), (96, 172, 194), (44, 118, 160)),
    "grass": ((196, 222, 240), (224, 236, 214), (150, 198, 100), (92, 156, 64)),
    "snow": ((164, 188, 222), (206, 219, 237), (238, 243, 250), (206, 219, 238)),
    "sand": ((178, 214, 236), (222, 234, 236), (238, 216, 168), (218, 186, 132)),
}


class Scenery:
    """The surroundings of one bird.

    Args:
        background: what they are.
        rng: their own chance.
        ground: height of the feet, 0 (upper edge) to 1, or None for a bird that flies.
        perch: whether the feet hold a branch.
    """

    def __init__(self, background: str, rng: Generator, ground: float | None, perch: bool) -> None:
        self.background = background
        self.rng = rng
        self.perch = perch
        self.ground = ground
        if ground is None:
            self.horizon = float(rng.uniform(0.72, 0.84))
        elif perch:
            self.horizon = float(rng.uniform(0.34, 0.52))
        else:
            self.horizon = min(0.72, max(0.4, ground - float(rng.uniform(0.12, 0.24))))

    def backdrop(self, size: int, bird: Colour) -> Image.Image:
        """Paint the soft light behind everything, moved away from the colour of the bird that stands before it."""
        field = self._field()
        here = field[10:30, 10:30].mean((0, 1))
        distance = float(np.abs(here - bird).sum())
        if distance < 170.0:
            lighter = here.mean() >= np.mean(bird)
            target, share = ((255, 255, 255), 0.42) if lighter else ((70, 100, 150), 0.24)
            if self.background == "snow":
                # Snow that is darkened much is no longer snow; the bird's rim sets it off there.
                share *= 0.4
            field += (np.array(target) - field) * share * (1.0 - distance / 250.0)
        pixels = np.clip(field, 0, 255).astype(np.uint8)
        return Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)

    def _field(self) -> Field:
        above, far, near, below = (np.array(each, dtype=np.float64) for each in _LIGHT[self.background])
        light = 1.0 + self.rng.uniform(-0.07, 0.06)
        down = (_Y / self.horizon).clip(0, 1)[..., None]
        up = ((_Y - self.horizon) / (1 - self.horizon)).clip(0, 1)[..., None]
        hill = 0.012 * np.sin(_X * self.rng.uniform(3, 7) + self.rng.uniform(0, 6))
        edge = (1 / (1 + np.exp(-(_Y - self.horizon - hill) * 90)))[..., None]
        field = (above + (far - above) * down) * (1 - edge) + (near + (below - near) * up) * edge
        if self.background == "leaves":
            field = self._dapple(field)
        elif self.background == "grass":
            field = self._bushes(field)
        lit: Field = field * light
        return lit

    def _dapple(self, field: Field) -> Field:
        for _ in range(9):
            x, y, radius = self.rng.uniform((0, 0, 0.07), (1, 1, 0.16)).tolist()
            blob = _blob(x, y, radius, 1.0)[..., None]
            tone = np.array([(214, 232, 160), (96, 146, 84), (186, 214, 132)][int(self.rng.integers(3))], dtype=float)
            field = field + (tone - field) * blob * 0.65
        return field

    def _bushes(self, field: Field) -> Field:
        for _ in range(5):
            blob = _blob(self.rng.uniform(0, 1), self.horizon, self.rng.uniform(0.06, 0.13), 0.8)
            field = field + (np.array((132, 178, 112)) - field) * (blob * (self.horizon + 0.02 > _Y) * 0.7)[..., None]
        return field

    def behind(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        """Paint what lies behind the bird, and the branch under its feet."""
        details = {
            "sky": self._clouds,
            "leaves": self._leaves,
            "water": self._ripples,
            "grass": self._grass,
            "snow": self._drifts,
            "sand": self._sand,
        }
        details[self.background](draw, size)
        if self.perch and self.ground is not None:
            self._branch(draw, size, self.ground)

    def before(self, draw: ImageDraw.ImageDraw, size: int, feet: Points) -> None:
        """Paint what stands before the bird's feet, (2, 2) in pixels, and what falls from the sky."""
        if self.background == "snow":
            self._flakes(draw, size)
        if self.ground is None or self.perch:
            return
        if self.background == "grass":
            left, right = float(feet[:, 0].min()), float(feet[:, 0].max())
            xs = self.rng.uniform(left - 0.07 * size, right + 0.07 * size, 12)
            self._blades(draw, xs, np.full(12, float(feet[0, 1]) + 0.03 * size), size * 0.05)
        elif self.background == "water":
            for x, y in feet.tolist():
                for grown in (0.018, 0.034):
                    box = (x - grown * size, y - grown * 0.3 * size, x + grown * size, y + grown * 0.4 * size)
                    draw.arc(box, 20, 320, fill=(176, 220, 230), width=max(1, size // 240))

    def _clouds(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        for _ in range(int(self.rng.integers(2, 4))):
            x, y, width = self.rng.uniform(0, 1), self.rng.uniform(0.06, 0.9), self.rng.uniform(0.13, 0.24)
            puffs = np.linspace(-1.0, 1.0, 6)
            radii = width * (0.16 + 0.22 * (1 - puffs**2)) * self.rng.uniform(0.8, 1.15, 6)
            for drop, tone in ((0.018, (214, 229, 242)), (0.0, (247, 251, 254))):
                for place, radius in zip(puffs.tolist(), radii.tolist(), strict=True):
                    cx, low = x + place * width * 0.8, y + drop
                    box = (cx - radius * 1.3, low - radius * 1.5, cx + radius * 1.3, low + radius * 0.42)
                    draw.ellipse([value * size for value in box], fill=tone)

    def _leaves(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        count = 22
        angles = self.rng.uniform(0, 2 * np.pi, count)
        ring = self.rng.uniform(0.36, 0.62, count)
        centers = np.stack([0.5 + ring * np.cos(angles), 0.5 + ring * np.sin(angles)], 1)
        for center, angle, length in zip(
            centers, self.rng.uniform(0, 2 * np.pi, count), self.rng.uniform(0.06, 0.12, count), strict=True
        ):
            tone = _GREENS[int(self.rng.integers(len(_GREENS)))]
            leaf(draw, center * size, float(angle), float(length * size), tone)

    def _ripples(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        depth = self.rng.uniform(0.02, 1, 34) ** 1.4
        xs = self.rng.uniform(-0.05, 1.0, 34)
        for place, (x, far) in enumerate(zip(xs.tolist(), depth.tolist(), strict=True)):
            y = self.horizon + (1 - self.horizon) * far
            half = (0.02 + 0.07 * far) * (0.6 + 0.4 * ((place * 7) % 5) / 4)
            tone: Colour = ((214, 238, 242), (28, 96, 138), (150, 206, 218))[place % 3]
            lift = 0.006 + 0.008 * far
            points = [(x - half, y), (x - half / 2, y - lift), (x, y), (x + half / 2, y + lift / 2), (x + half, y)]
            line = [value * size for point in points for value in point]
            draw.line(line, fill=tone, width=max(1, round(size * (0.002 + 0.004 * far))))

    def _grass(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        count = 70
        depth = np.sort(self.rng.uniform(0.0, 1.0, count))
        ys = (self.horizon + (1.04 - self.horizon) * depth) * size
        self._blades(draw, self.rng.uniform(0, size, count), ys, size * 0.055)
        for x, y in (self.rng.uniform(0, 1, (4, 2)) * (1, 0.8 * (1 - self.horizon))).tolist():
            place = np.array((x, 0.97 - y)) * size
            flower(draw, place, size * 0.011, _PETALS[int(self.rng.integers(len(_PETALS)))])

    def _blades(self, draw: ImageDraw.ImageDraw, xs: Field, ys: Field, height: float) -> None:
        leans = self.rng.uniform(-0.5, 0.5, len(xs))
        heights = height * self.rng.uniform(0.6, 1.25, len(xs))
        lines = np.stack([xs - 0.09 * height, ys, xs + leans * heights, ys - heights, xs + 0.09 * height, ys], 1)
        for place, line in enumerate(lines.tolist()):
            draw.polygon(line, fill=_BLADES[place % len(_BLADES)])

    def _drifts(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        for y, x in self.rng.uniform(0, 1, (7, 2)).tolist():
            top = self.horizon + 0.05 + (0.95 - self.horizon) * y
            half = 0.08 + 0.14 * y
            bow = [(x - half, top + 0.012), (x - half / 3, top), (x + half / 3, top - 0.002), (x + half, top + 0.014)]
            line = [value * size for point in bow for value in point]
            draw.line(line, fill=((178, 198, 226), (252, 253, 255))[y > 0.5], width=max(1, round(size * 0.006)))
        for x in self.rng.uniform(0, 1, 3).tolist():
            self._fir(draw, size, x, self.rng.uniform(0.1, 0.18))

    def _fir(self, draw: ImageDraw.ImageDraw, size: int, x: float, height: float) -> None:
        for step in range(3):
            top = self.horizon + 0.012 - height + step * height * 0.26
            half, low = height * (0.16 + 0.09 * step), top + height * 0.44
            corners = (x, top, x - half, low, x + half, low)
            draw.polygon([value * size for value in corners], fill=(118, 146, 158))
            cap = (x, top, x - half * 0.45, top + height * 0.2, x + half * 0.3, top + height * 0.17)
            draw.polygon([value * size for value in cap], fill=(226, 236, 246))

    def _flakes(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        for x, y, grown in (self.rng.uniform(0, 1, (38, 3)) * (size, size, 1)).tolist():
            radius = size * (0.0035 + 0.005 * grown**2)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255))

    def _sand(self, draw: ImageDraw.ImageDraw, size: int) -> None:
        for place, (x, far) in enumerate(self.rng.uniform(0, 1, (16, 2)).tolist()):
            y = self.horizon + 0.03 + (0.97 - self.horizon) * far
            half = 0.05 + 0.1 * far
            points = [
                (x - half, y + 0.008),
                (x - half / 2, y),
                (x, y + 0.004),
                (x + half / 2, y - 0.004),
                (x + half, y),
            ]
            line = [value * size for point in points for value in point]
            draw.line(line, fill=((194, 158, 106), (250, 234, 196))[place % 2], width=max(1, round(size * 0.005)))
        for x, far, grown in self.rng.uniform(0, 1, (12, 3)).tolist():
            radius = size * (0.004 + 0.008 * grown)
            cx, cy = x * size, (self.horizon + 0.05 + (0.95 - self.horizon) * far) * size
            tone = ((176, 150, 120), (232, 220, 206), (150, 128, 106))[int(grown * 2.99)]
            draw.ellipse((cx - radius, cy - radius * 0.6, cx + radius, cy + radius * 0.6), fill=tone)

    def _branch(self, draw: ImageDraw.ImageDraw, size: int, ground: float) -> None:
        rng = self.rng
        thick = 0.034
        slope = rng.uniform(-0.03, 0.03)
        xs = np.linspace(-0.05, 1.05, 12)
        wave = 0.01 * np.sin(xs * rng.uniform(4, 8) + rng.uniform(0, 6))
        wave -= np.interp(0.5, xs, wave)
        middle = ground + thick * 0.7 + slope * (xs - 0.5) + wave
        half = thick * np.linspace(rng.uniform(1.0, 1.25), rng.uniform(0.6, 0.9), 12)
        bark: Colour = (124, 88, 60) if rng.random() < 0.6 else (104, 86, 76)
        self._twigs(draw, size, np.stack([xs, middle], 1), bark)
        outline = np.concatenate([np.stack([xs, middle - half], 1), np.stack([xs, middle + half], 1)[::-1]]) * size
        draw.polygon(outline.ravel().tolist(), fill=bark)
        lower = np.concatenate([np.stack([xs, middle + half * 0.25], 1), np.stack([xs, middle + half], 1)[::-1]]) * size
        draw.polygon(lower.ravel().tolist(), fill=shade(bark, 0.72))
        for place, (x, across, length) in enumerate(rng.uniform(0, 1, (46, 3)).tolist()):
            y = np.interp(x, xs, middle) + np.interp(x, xs, half) * (2 * across - 1) * 0.85
            tone = shade(bark, (0.6, 1.3, 0.8)[place % 3])
            ends = (x * size, y * size, (x + 0.02 + 0.05 * length) * size, (y + 0.003 * (place % 3 - 1)) * size)
            draw.line(ends, fill=tone, width=max(1, size // 260))
        if self.background == "snow":
            cap = half * (0.9 + 0.25 * np.sin(xs * 17 + 2))
            top = np.concatenate(
                [np.stack([xs, middle - cap - 0.006], 1), np.stack([xs, middle - half * 0.45], 1)[::-1]]
            )
            draw.polygon((top * size).ravel().tolist(), fill=(244, 248, 253))

    def _twigs(self, draw: ImageDraw.ImageDraw, size: int, spine: Points, bark: Colour) -> None:
        for x, side in ((self.rng.uniform(0.03, 0.2), -1.0), (self.rng.uniform(0.8, 0.97), 1.0)):
            start = np.array((x, np.interp(x, spine[:, 0], spine[:, 1])))
            end = moved(start, 0.09 * side, -self.rng.uniform(0.1, 0.2))
            draw.line(
                [*(start * size).tolist(), *(end * size).tolist()], fill=shade(bark, 0.9), width=round(size * 0.015)
            )
            if self.background == "snow":
                continue
            for share, turn in ((0.55, 0.9), (0.8, -0.7), (1.0, 0.1)):
                place = (start + (end - start) * share) * size
                tone = _GREENS[int(self.rng.integers(len(_GREENS)))]
                leaf(draw, place, float(np.arctan2(*(end - start)[::-1]) + turn), size * 0.062, tone, stem=True)


_GREENS: tuple[Colour, ...] = ((86, 142, 62), (112, 164, 74), (66, 122, 66), (146, 188, 86), (98, 152, 58))
_BLADES: tuple[Colour, ...] = ((72, 134, 50), (128, 186, 78), (96, 160, 60), (60, 118, 52), (156, 204, 98))
_PETALS: tuple[Colour, ...] = ((255, 255, 250), (252, 226, 110), (214, 190, 240))


def _blob(x: float, y: float, radius: float, flat: float) -> Field:
    bump: Field = np.exp(-(((_X - x) / radius) ** 2 + ((_Y - y) / (radius * flat)) ** 2))
    return bump


def leaf(
    draw: ImageDraw.ImageDraw, place: Points, angle: float, length: float, tone: Colour, *, stem: bool = False
) -> None:
    """Paint a leaf with veins; ``place`` is its middle, or its root where it hangs on a stem."""
    along = np.array((np.cos(angle), np.sin(angle)))
    across = np.array((-along[1], along[0])) * length * 0.5
    root = place if stem else place - along * length
    forward = along * 2 * length
    share = np.array([0.0, 0.15, 0.35, 0.6, 0.85, 1.0])
    belly = np.array([0.0, 0.62, 0.95, 0.82, 0.35, 0.0])
    spine = root + share[:, None] * forward
    upper, lower = spine + belly[:, None] * across, spine - belly[:, None] * across
    draw.polygon(np.concatenate([upper, lower[::-1]]).ravel().tolist(), fill=tone)
    draw.polygon(np.concatenate([spine, lower[::-1]]).ravel().tolist(), fill=shade(tone, 0.86))
    vein = mix(tone, (226, 240, 190), 0.5)
    width = max(1, round(length * 0.05))
    draw.line(np.concatenate([spine[0], spine[-1]]).tolist(), fill=vein, width=width)
    for joint in (1, 2, 3):
        for rim in (upper, lower):
            end = spine[joint] + (rim[joint] - spine[joint]) * 0.8 + forward * 0.1
            draw.line([*spine[joint].tolist(), *end.tolist()], fill=vein, width=max(1, width // 2))


def flower(draw: ImageDraw.ImageDraw, place: Points, radius: float, petal: Colour) -> None:
    """Paint a small flower of five petals."""
    for angle in np.linspace(0, 2 * np.pi, 5, endpoint=False).tolist():
        x, y = (place + radius * np.array((np.cos(angle), np.sin(angle)))).tolist()
        draw.ellipse((x - radius * 0.7, y - radius * 0.7, x + radius * 0.7, y + radius * 0.7), fill=petal)
    x, y = place.tolist()
    draw.ellipse((x - radius * 0.6, y - radius * 0.6, x + radius * 0.6, y + radius * 0.6), fill=(236, 168, 48))

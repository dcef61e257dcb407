"""Paints a bird from what is said to be true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stackgan_cli.drawn_birds.anatomy import anatomy
from stackgan_cli.drawn_birds.geometry import Brush
from stackgan_cli.drawn_birds.palette import PLUMAGE
from stackgan_cli.drawn_birds.plumage import BirdPainter
from stackgan_cli.drawn_birds.scenery import Scenery

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from stackgan_cli.drawn_birds.anatomy import Anatomy
    from stackgan_cli.drawn_birds.attributes import BirdAttributes

DEFAULT_SIZE = 304
WIDTHS = {"small": 0.40, "medium": 0.58, "large": 0.76}
"""Share of the picture's width that a bird of each size takes from face to tail."""

_OVERSAMPLING = 2
# Shading is soft, so a quarter of the canvas' resolution is enough for it.
_RELIEF_REDUCTION = 4


@dataclass(frozen=True, slots=True)
class _Placement:
    scale: float
    x: float
    y: float


def paint(attributes: BirdAttributes, seed: int, size: int = DEFAULT_SIZE) -> Image.Image:
    """Paint a bird; the same arguments give the same picture on every run.

    The same seed with other colours gives the same bird in other colours.

    Args:
        attributes: what the picture shows.
        seed: of pose, proportions, light, surroundings and the direction that the bird looks in; any integer.
        size: side of the picture in pixels, 16 to 1024.

    Returns:
        RGB, ``size`` x ``size``.

    Raises:
        ValueError: the size is out of range.
    """
    if not 16 <= size <= 1024:
        raise ValueError(f"A bird is painted 16 to 1024 pixels wide, not {size}.")
    rng, plumage, surroundings = (np.random.default_rng([seed % 2**64, purpose]) for purpose in range(3))
    looks_right = rng.random() < 0.5
    bird = anatomy(attributes, rng)
    place = _placement(attributes, bird, rng)
    canvas = size * max(_OVERSAMPLING, -(-256 // size))
    ground = None if attributes.pose == "flying" else float(bird.feet[0, 1] * place.scale + place.y)
    scenery = Scenery(attributes.background, surroundings, ground, attributes.pose == "perched")
    picture = scenery.backdrop(canvas, PLUMAGE[attributes.body_colour])
    draw = ImageDraw.Draw(picture)
    scenery.behind(draw, canvas)
    brush = Brush(draw, place.scale * canvas, (place.x * canvas, place.y * canvas))
    BirdPainter(attributes, bird, brush, plumage).paint()
    scenery.before(draw, canvas, bird.feet * brush.scale + brush.offset)
    picture = picture.reduce(canvas // size)
    picture = _lit(picture, _relief(bird, place, canvas // _RELIEF_REDUCTION, ground, attributes.pose))
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if looks_right else picture


def _placement(attributes: BirdAttributes, bird: Anatomy, rng: Generator) -> _Placement:
    """Scale the bird to its size and keep all of it, legs too, within the frame."""
    left, top, right, bottom = bird.box
    if attributes.pose != "flying":
        bottom = max(bottom, float(bird.feet[:, 1].max()) + 0.3)
    scale = WIDTHS[attributes.size] * rng.uniform(0.96, 1.04) / bird.width
    scale = min(scale, 0.94 / (right - left), 0.92 / (bottom - top))
    free_x, free_y = 1.0 - scale * (right - left), 1.0 - scale * (bottom - top)
    shift_x, shift_y = (0.5 + 0.24 * (2.0 * rng.random(2) - 1.0)).tolist()
    if attributes.pose == "flying" and attributes.background in {"water", "grass", "snow", "sand"}:
        shift_y -= 0.22
    return _Placement(scale, free_x * shift_x - scale * left, free_y * shift_y - scale * top)


def _relief(
    bird: Anatomy, place: _Placement, size: int, ground: float | None, pose: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light of every pixel as a factor, and light to be added, both (size, size), as if the bird were cushions."""
    solid, wing = Image.new("L", (size, size)), Image.new("L", (size, size))
    offset = (place.x * size, place.y * size)
    shape = Brush(ImageDraw.Draw(solid), place.scale * size, offset)
    for part in (bird.tail, bird.body, bird.head):
        shape.fill(part, 255)
    Brush(ImageDraw.Draw(wing), place.scale * size, offset).fill(bird.wing.outline(), 255)
    unit = place.scale * size
    whole = np.asarray(Image.composite(Image.new("L", solid.size, 255), solid, wing), dtype=np.float32) / 255
    high = np.asarray(solid.filter(ImageFilter.GaussianBlur(unit * 0.26)), dtype=np.float32) / 255
    top = np.asarray(wing.filter(ImageFilter.GaussianBlur(unit * 0.11)), dtype=np.float32) / 255
    slope = np.zeros_like(high)
    slope[1:-1] = (high[2:] - high[:-2]) * unit * 0.34 + (top[2:] - top[:-2]) * unit * 0.2
    slope[:, 1:-1] += (high[:, 2:] - high[:, :-2]) * unit * 0.12
    slope = np.clip(slope, -1.0, 1.0) * whole
    factor = 1.0 + np.where(slope < 0, 0.36, 0.22) * slope - 0.2 * (1 - whole) * high
    if pose == "standing" and ground is not None:
        factor *= _shadow(bird, place, size, ground)
    return factor.astype(np.float32), (np.maximum(slope, 0) * 44).astype(np.float32)


def _shadow(bird: Anatomy, place: _Placement, size: int, ground: float) -> NDArray[np.float32]:
    """Darken the ground under a standing bird."""
    center = float(bird.feet[:, 0].mean()) * place.scale + place.x
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    far = ((x - center) / (0.8 * place.scale)) ** 2 + ((y - ground - 0.01) / (0.17 * place.scale)) ** 2
    darker: NDArray[np.float32] = (1.0 - 0.3 * np.exp(-far) * (y > ground - 0.15 * place.scale)).astype(np.float32)
    return darker


def _lit(picture: Image.Image, relief: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Image.Image:
    factor, glow = (
        np.asarray(Image.fromarray(each).resize(picture.size, Image.Resampling.BILINEAR)) for each in relief
    )
    pixels = np.asarray(picture, dtype=np.float32) * factor[..., None] + glow[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

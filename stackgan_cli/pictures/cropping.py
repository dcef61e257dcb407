"""Pictures cropped by a rule and resized to the squares that the networks see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from PIL import Image

from stackgan_cli.errors import DataError
from stackgan_cli.pictures.decoding import WHITE, UnreadablePicture, load_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stackgan_cli.pictures.decoding import PictureSource

CropRule = Literal["bbox", "center", "squash", "pad"]
Box = tuple[float, float, float, float]


def crop_and_resize(
    picture: Image.Image, rule: CropRule, box: Box | None, sizes: Sequence[int], background: str = WHITE
) -> list[NDArray[np.uint8]]:
    """Crop a picture by a rule and resize the crop to squares by antialiased bicubic resampling.

    A square is made from the next larger one where that has at least twice its side, as the published 76 pixels are
    made from the 304 (StackGAN misc/preprocess_birds.py), else from the crop itself.

    Args:
        picture: an RGB picture.
        rule: ``bbox``: the published crop for birds, around the bounding box, then squashed to a square; ``center``:
            the largest centred square; ``squash``: the whole picture, its aspect ratio lost; ``pad``: the whole
            picture centred on a square of the background.
        box: bounding box in pixels of ``picture``: left, top, width, height; used by ``bbox`` alone.
        sizes: sides of the squares in pixels.
        background: colour that ``pad`` fills with.

    Returns:
        One array (size, size, 3), RGB, for each of ``sizes``.

    Raises:
        DataError: there is no such rule, or ``bbox`` without a box.
        UnreadablePicture: the box lies outside the picture.
    """
    if rule not in get_args(CropRule):
        raise DataError(f"There is no crop rule {rule}.", f"Choose one of {', '.join(get_args(CropRule))}.")
    if rule == "pad":
        return _each_size(sizes, lambda size: _padded(picture, size, background))
    if rule == "bbox":
        area = _around_box(picture, box)
    elif rule == "center":
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        area = (left, top, left + side, top + side)
    else:
        area = (0, 0, picture.width, picture.height)
    return _each_size(sizes, lambda size: _resized(picture, (size, size), area))


def _each_size(sizes: Sequence[int], make: Callable[[int], Image.Image]) -> list[NDArray[np.uint8]]:
    """Make the largest square, and each smaller one from the next larger one that has at least twice its side."""
    made: dict[int, Image.Image] = {}
    for size in sorted(set(sizes), reverse=True):
        larger = min((other for other in made if other >= 2 * size), default=None)
        made[size] = make(size) if larger is None else _resized(made[larger], (size, size), (0, 0, larger, larger))
    return [np.array(made[size]) for size in sizes]


def _around_box(picture: Image.Image, box: Box | None) -> tuple[int, int, int, int]:
    """Half as much again as the box's longer side, cut at the picture's edges: StackGAN's preprocessing of birds."""
    if box is None:
        raise DataError("The crop rule bbox needs a bounding box, and there is none.", "Choose the crop rule center.")
    if not all(math.isfinite(value) for value in box):
        raise UnreadablePicture("its bounding box is not made of numbers")
    left, top, width, height = (int(value) for value in box)
    radius = int(max(width, height) * 0.75)
    center_x, center_y = int((2 * left + width) / 2), int((2 * top + height) / 2)
    area = (
        max(0, center_x - radius),
        max(0, center_y - radius),
        min(picture.width, center_x + radius),
        min(picture.height, center_y + radius),
    )
    if area[0] >= area[2] or area[1] >= area[3]:
        raise UnreadablePicture("its bounding box lies outside the picture")
    return area


def _padded(picture: Image.Image, size: int, background: str) -> Image.Image:
    scale = size / max(picture.size)
    width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    square = Image.new("RGB", (size, size), background)
    whole = (0, 0, picture.width, picture.height)
    square.paste(_resized(picture, (width, height), whole), ((size - width) // 2, (size - height) // 2))
    return square


def _resized(picture: Image.Image, size: tuple[int, int], area: tuple[int, int, int, int]) -> Image.Image:
    return picture.resize(size, Image.Resampling.BICUBIC, box=area, reducing_gap=3.0)


def load_for(image: PictureSource, rule: CropRule, sizes: Sequence[int], background: str) -> Image.Image:
    """Load a picture only as finely as a crop rule and the largest of ``sizes`` need; see `load_picture`."""
    return load_picture(image, at_least=None if rule == "bbox" else max(sizes), background=background)

"""One example to its stored pictures; imports nothing heavy, for every worker process imports it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.pictures.cropping import crop_and_resize, load_for
from stackgan_cli.pictures.decoding import WHITE, encode_picture, fetch

if TYPE_CHECKING:
    from PIL import Image

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.dataset.manifest import Form
    from stackgan_cli.pictures.cropping import CropRule

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """A picture as it will be stored."""

    pictures: list[bytes]
    """The picture at each size, raw or encoded."""
    size: tuple[int, int]
    """Width and height in pixels of the upright original."""
    digest: bytes
    """Hash of the original's bytes; empty for a picture that is drawn."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How pictures are cropped, resized and stored."""

    crop: CropRule
    sides: tuple[int, ...]
    forms: tuple[Form, ...]
    """``raw`` or ``jpeg`` for each of ``sides``."""
    background: str = WHITE

    def __call__(self, example: Example) -> RenderedPicture:
        """Render an example.

        Raises:
            UnreadablePicture: its picture cannot be had.
        """
        rule: CropRule = "center" if self.crop == "bbox" and example.box is None else self.crop
        image = fetch(example.image) if callable(example.image) else example.image
        picture = load_for(image, rule, self.sides, self.background)
        arrays = crop_and_resize(picture, rule, example.box, self.sides, self.background)
        stored = [
            array.tobytes() if form == "raw" else encode_picture(array)
            for array, form in zip(arrays, self.forms, strict=True)
        ]
        return RenderedPicture(stored, picture.info["original_size"], digest_of(image))


def digest_of(image: Path | bytes | Image.Image) -> bytes:
    """Hash a picture's bytes; empty where there are none, or the file cannot be read.

    A file is read in pieces, so that one of any size takes no memory.
    """
    if isinstance(image, bytes):
        return hashlib.sha256(image).digest()[:DIGEST_BYTES]
    if isinstance(image, Path) and image.is_file():
        with suppress(OSError), image.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()[:DIGEST_BYTES]
    return b""

"""A look at prepared data: some of its pictures with their captions on one sheet."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from PIL import Image

from stackgan_cli.files import atomic_file
from stackgan_cli.pictures.sheets import sheet

if TYPE_CHECKING:
    from pathlib import Path

PREVIEW = "preview.png"
_SHOWN = 24
_ACROSS = 6
_SIDE = 160


def write_preview(folder: Path, seed: int) -> None:
    """Write ``preview.png`` into a folder of prepared data: training pictures at random under the seed.

    Each is shown as training at the largest resolution sees its middle, with its first caption.
    """
    from stackgan_cli.dataset.prepared import PreparedData

    data = PreparedData(folder)
    count = len(data.train)
    shown = sorted(random.Random(seed).sample(range(count), min(_SHOWN, count)))
    resolution = max(data.manifest.resolutions)
    pictures = data.train.pictures(shown, resolution).permute(0, 2, 3, 1).numpy()
    rows = [
        (data.train.captions[index][0], [Image.fromarray(picture)])
        for index, picture in zip(shown, pictures, strict=True)
    ]
    with atomic_file(folder / PREVIEW) as temporary:
        sheet(rows, side=_SIDE, across=min(_ACROSS, len(rows))).save(temporary, "PNG")

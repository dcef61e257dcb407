"""Rendering and writing photos for training on all cores, beside one thread of plain Pillow doing the same resizes.

The thread of Pillow writes nothing. The other way is what ``prepare`` does: hashes, JPEG where raw pixels would take
more than a gigabyte, Arrow files that have reached the disk; starting its processes counts too.

python -m tests.benchmarks.prepare --pictures 400
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from stackgan_cli.components.protocols import Example
from stackgan_cli.data.chunks import ChunkWriter, chunks_of, write_chunks
from stackgan_cli.data.preparing import columns, forms_for, rows_for
from stackgan_cli.data.rendering import Rendering
from tests.benchmarks.alternating import quickest, show

RESOLUTIONS, SIDES = (64, 256), (76, 304)


def photos(folder: Path, count: int) -> list[Example]:
    """JPEG files of 500 x 375 pixels with smooth random content, which compresses as photos do."""
    random = np.random.default_rng(0)
    examples = []
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        path = folder / f"{index}.jpg"
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        examples.append(Example(path.name, path, ("a picture",)))
    return examples


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        examples = photos(Path(folder), options.pictures)

        def pillow() -> None:
            for example in examples:
                with Image.open(example.image) as picture:
                    large = picture.convert("RGB").resize((SIDES[1], SIDES[1]), Image.Resampling.BICUBIC)
                    large.tobytes()
                    large.resize((SIDES[0], SIDES[0]), Image.Resampling.BICUBIC).tobytes()

        def ours() -> None:
            rendering = Rendering("squash", SIDES, forms_for(len(examples), RESOLUTIONS))
            with tempfile.TemporaryDirectory() as target:
                Path(target, "train").mkdir()
                writer = ChunkWriter(Path(target), rendering, RESOLUTIONS, {}, columns(RESOLUTIONS).arrow_schema)
                rows = [replace(example, split="train") for example in examples]
                for _ in write_chunks(chunks_of(rows, rows_for(len(rows))), writer, parallel=True):
                    pass

        seconds = quickest({"one thread of Pillow": pillow, "prepare": ours}, options.rounds)
    show(
        f"{options.pictures} photos of 500 x 375 to {SIDES[0]} and {SIDES[1]} px",
        seconds,
        options.pictures,
        "pictures/s",
    )


if __name__ == "__main__":
    main()

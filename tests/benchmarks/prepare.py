"""Rendering and writing photos for training on all cores, beside one thread of plain Pillow doing the same resizes.

The first thread of Pillow writes nothing; the second encodes what ``prepare`` would store as JPEG (what raw would take
more than a gigabyte) and writes all into one file. The third way is what ``prepare`` does: hashes too, and Arrow files
that have reached the disk; starting its processes counts.

python -m tests.benchmarks.prepare --pictures 400
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from stackgan_cli.components.protocols import Example
from stackgan_cli.dataset.tables import split_columns
from stackgan_cli.preparing.chunks import ChunkWriter, chunks_of, cores, write_chunks
from stackgan_cli.preparing.rendering import Rendering
from stackgan_cli.preparing.writing import forms_for, rows_for
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

        forms = forms_for(len(examples), RESOLUTIONS)

        def pillow(store: Callable[[Image.Image, str], object]) -> None:
            for example in examples:
                with Image.open(example.image) as picture:
                    large = picture.convert("RGB").resize((SIDES[1], SIDES[1]), Image.Resampling.BICUBIC)
                store(large, forms[1])
                store(large.resize((SIDES[0], SIDES[0]), Image.Resampling.BICUBIC), forms[0])

        def pillow_stored() -> None:
            with tempfile.TemporaryFile() as file:

                def store(picture: Image.Image, form: str) -> None:
                    if form == "raw":
                        file.write(picture.tobytes())
                    else:
                        picture.save(file, "JPEG", quality=95, subsampling=0)

                pillow(store)

        def ours() -> None:
            rendering = Rendering("squash", SIDES, forms)
            with tempfile.TemporaryDirectory() as target:
                Path(target, "train").mkdir()
                writer = ChunkWriter(Path(target), rendering, RESOLUTIONS, {}, split_columns(RESOLUTIONS))
                rows = [replace(example, split="train") for example in examples]
                for _ in write_chunks(chunks_of(rows, rows_for(len(rows))), writer, parallel=True):
                    pass

        ways = {
            "one thread of Pillow": lambda: pillow(lambda picture, _: picture.tobytes()),
            "the same, stored": pillow_stored,
            f"prepare on {cores()} cores": ours,
        }
        seconds = quickest(ways, options.rounds)
    show(
        f"{options.pictures} photos of 500 x 375 to {SIDES[0]} and {SIDES[1]} px",
        seconds,
        options.pictures,
        "pictures/s",
    )


if __name__ == "__main__":
    main()

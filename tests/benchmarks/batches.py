"""Batches alone, from prepared data of random pictures: from memory, from the file, and from the file ahead of use.

python -m tests.benchmarks.batches --resolution 64 --batch 64
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import torch

from stackgan_cli.dataset.batches import Batches
from stackgan_cli.dataset.caption_features import CaptionFeatures
from stackgan_cli.dataset.manifest import stored_side
from stackgan_cli.dataset.picture_store import PictureStore
from stackgan_cli.dataset.prefetching import batches_ahead
from stackgan_cli.machine import choose_machine
from tests.benchmarks.alternating import quickest, show
from tests.benchmarks.training_step import wait

CAPTIONS, WIDTH, STEPS = 10, 1024, 30


def batches(column: pa.ChunkedArray, features: dict[str, torch.Tensor], options: argparse.Namespace) -> Batches:
    """Batches as the ``paper`` recipe makes them."""
    count = len(column)
    return Batches(
        PictureStore(column, stored_side(options.resolution), "raw"),
        CaptionFeatures(features, [CAPTIONS] * count),
        [index // 60 for index in range(count)],
        resolution=options.resolution,
        batch_size=options.batch,
        captions_averaged=4,
        flip=True,
        seed=0,
        device=choose_machine(options.device, "float32").device,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    side = stored_side(options.resolution)
    rows = [random.integers(0, 256, side * side * 3, np.uint8).tobytes() for _ in range(options.pictures)]
    column = pa.chunked_array([pa.array(rows, pa.binary())])
    features = {"sentence": torch.randn(options.pictures * CAPTIONS, WIDTH)}
    held, read = batches(column, features, options), batches(column, features, options)
    held.hold(float("inf"))
    device = choose_machine(options.device, "float32").device

    def making(source: Batches) -> Callable[[], None]:
        def make() -> None:
            for _ in batches_ahead(source, 0, STEPS):
                pass
            wait(device)

        return make

    seconds = quickest({"read by a thread": making(read), "held in memory": making(held)}, options.rounds)
    show(
        f"Batches of {options.batch} at {options.resolution} px on {device}, {torch.get_num_threads()} threads",
        seconds,
        options.batch * STEPS,
        "pictures/s",
    )


if __name__ == "__main__":
    main()

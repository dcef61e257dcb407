"""How much memory a streamed epoch takes, for few pictures and for many: ``python -m tests.benchmarks.stream_memory``.

Each epoch is read by a process of its own, from shards of random pictures. The peak counts every page of the process,
those of mapped files and of the libraries too; anonymous memory is what the process holds for itself when the epoch
ends. The fewest pictures fill neither the buffer nor the ten files that are read at a time, so what shows that memory
is flat is the step between the larger counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.dataset.manifest import stored_side
from stackgan_cli.dataset.shards import INDEX, SHARDS_SCHEMA, ShardFeature, ShardsIndex, shard_columns
from stackgan_cli.dataset.streaming import StreamedBatches
from stackgan_cli.manifests import write_json
from stackgan_cli.preparing.shard_writing import write_shard_files

CAPTIONS, WIDTH, RESOLUTION = 4, 256, 64
FINGERPRINT, ENCODER = "random", ComponentEntry(name="stackgan-cli:random", version="1")
COUNTS = (1_000, 50_000, 100_000)
MEBIBYTE = 1 << 20


def write(folder: Path, count: int) -> int:
    """Write shards of random pictures with random features; returns their bytes."""
    folder.mkdir()
    rows = (
        {
            "row": index,
            "class": index % 200,
            "captions": CAPTIONS,
            f"picture_{RESOLUTION}": os.urandom(3 * stored_side(RESOLUTION) ** 2),
            "sentence": os.urandom(4 * CAPTIONS * WIDTH),
        }
        for index in range(count)
    )
    features = {"sentence": ShardFeature(dtype="float32", shape=(WIDTH,))}
    index = ShardsIndex(
        schema=SHARDS_SCHEMA,
        fingerprint=FINGERPRINT,
        encoder=ENCODER,
        rows=count,
        captions=CAPTIONS,
        classes=200,
        pictures={str(RESOLUTION): "raw"},
        features=features,
        files=write_shard_files(folder, rows, shard_columns([RESOLUTION], features), 4096),
    )
    write_json(folder / INDEX, index.as_json())
    return sum(file.stat().st_size for file in folder.iterdir())


def read(folder: str, batch_size: int, buffer: int) -> dict[str, float]:
    """Read one whole epoch; returns memory in MiB and pictures per second."""
    batches = StreamedBatches(
        location=folder,
        data_fingerprint=FINGERPRINT,
        encoder_entry=ENCODER,
        resolution=RESOLUTION,
        batch_size=batch_size,
        captions_averaged=CAPTIONS,
        flip=True,
        seed=0,
        device=torch.device("cpu"),
        buffer=buffer,
    )
    start = time.perf_counter()
    for step in range(batches.steps_per_epoch):
        batches.at(step)
    rate = batches.steps_per_epoch * batch_size / (time.perf_counter() - start)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak": peak, "anonymous": int(status["RssAnon"].split()[0]) / 1024, "rate": rate}


def measured(count: int, batch_size: int, buffer: int) -> dict[str, float]:
    """Write shards, read them in another process, and delete them."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shards"
        size = write(folder, count)
        command = [sys.executable, "-m", "tests.benchmarks.stream_memory", "--read", str(folder)]
        options = ["--batch-size", str(batch_size), "--buffer", str(buffer)]
        done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    say(
        f"{count:>9,} pictures, {size / MEBIBYTE:>7,.0f} MiB of shards: peak {found['peak']:,.0f} MiB, "
        f"anonymous at the end {found['anonymous']:,.0f} MiB, {found['rate']:,.0f} pictures/s"
    )
    return found


def say(words: str) -> None:
    """Write a line of results."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=int, nargs="*", default=COUNTS, help="pictures of each epoch, the fewest first")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--buffer", type=int, default=2048, help="rows that are shuffled among")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        say(json.dumps(read(given.read, given.batch_size, given.buffer)))
        return
    found = {count: measured(count, given.batch_size, given.buffer) for count in given.counts}
    for (few, less), (many, more) in itertools.combinations(found.items(), 2):
        peak, anonymous = (more[name] - less[name] for name in ("peak", "anonymous"))
        say(f"from {few:,} to {many:,} pictures: peak {peak:+,.0f} MiB, anonymous {anonymous:+,.0f} MiB")


if __name__ == "__main__":
    main()

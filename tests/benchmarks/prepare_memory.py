"""How much memory ``prepare`` takes, for few pictures and for many: ``python -m tests.benchmarks.prepare_memory``.

Each count is prepared by a process of its own from small photos with a text file each. What is watched is the process
and its workers together, ten times a second: all their pages, counted once where they are shared (PSS, mapped files and
libraries among them), and their anonymous memory alone, which is what they hold for themselves.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = (1_000, 50_000)
MEBIBYTE = 1 << 10  # in KiB
WORDS = [
    "a",
    "small",
    "red",
    "bird",
    "with",
    "dark",
    "wings",
    "and",
    "one",
    "bright",
    "eye",
    "sits",
    "on",
    "the",
    "green",
    "branch",
    "of",
    "some",
    "tree",
]


def pictures(folder: Path, count: int) -> None:
    """Write pictures with two captions each, in sub-folders of a thousand."""
    random = np.random.default_rng(0)
    for index in range(count):
        place = folder / f"part-{index // 1000:04d}"
        if index % 1000 == 0:
            place.mkdir(parents=True)
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize((128, 96), Image.Resampling.BICUBIC).save(place / f"{index:06d}.jpg", quality=85)
        captions = (" ".join(random.choice(WORDS, 12)) for _ in range(2))
        (place / f"{index:06d}.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")


def family(process: int) -> list[int]:
    """A process and all that it started."""
    found = [process]
    for number in found:
        try:
            tasks = Path(f"/proc/{number}/task").iterdir()
            found += [int(each) for task in tasks for each in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def memory(process: int) -> tuple[int, int]:
    """KiB of all pages, and of anonymous ones, of a process and all that it started."""
    pages = anonymous = 0
    for number in family(process):
        try:
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
        pages += sizes["Pss"]
        anonymous += sizes["Anonymous"]
    return pages, anonymous


def measured(count: int, options: list[str]) -> tuple[int, int]:
    """Prepare so many pictures; returns the peaks of both, in KiB."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        pictures(source, count)
        command = [sys.executable, "-m", "stackgan_cli", "prepare", "--data", "many", "--source", str(source), *options]
        environment = {**os.environ, "STACKGAN_HOME": temporary}
        started = time.monotonic()
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks = (0, 0)
        while running.poll() is None:
            now = memory(running.pid)
            peaks = (max(peaks[0], now[0]), max(peaks[1], now[1]))
            time.sleep(0.1)
        seconds = time.monotonic() - started
    if running.returncode:
        sys.exit(f"prepare ended with {running.returncode}")
    print(
        f"{count:>9,} pictures: peak {peaks[0] / MEBIBYTE:,.0f} MiB, anonymous {peaks[1] / MEBIBYTE:,.0f} MiB, "
        f"{count / seconds:,.0f} pictures/s in all",
        flush=True,
    )
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=int, nargs="*", default=COUNTS, help="the fewest first")
    parser.add_argument("--encoder", default="hashed-words", help="text encoder to cache")
    given = parser.parse_args()
    options = ["--encoder", given.encoder, "--resolution", "64"]
    found = {count: measured(count, options) for count in given.counts}
    for (few, less), (many, more) in itertools.combinations(found.items(), 2):
        pages, anonymous = ((b - a) / MEBIBYTE for a, b in zip(less, more, strict=True))
        print(f"from {few:,} to {many:,} pictures: peak {pages:+,.0f} MiB, anonymous {anonymous:+,.0f} MiB")


if __name__ == "__main__":
    main()

"""Parts of a split, each rendered and written to an Arrow file by one worker process.

A worker writes its file itself, so that no pixel passes from process to process, and a file that is there is a part
that is done. Workers import neither torch nor ``datasets``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.dataset.prefetching import made_ahead
from stackgan_cli.dataset.tables import write_rows
from stackgan_cli.errors import StackganError
from stackgan_cli.files import atomic_file, reach_disk
from stackgan_cli.pictures.decoding import UnreadablePicture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.dataset.manifest import Spread, Summary
    from stackgan_cli.preparing.rendering import RenderedPicture, Rendering

_INLINE_BYTES = 16 << 20
"""Pictures whose bytes the reader holds close a part early, so that few of them wait in memory."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Examples that go into one file."""

    split: str
    number: int
    examples: tuple[Example, ...]

    @property
    def file(self) -> str:
        """Name of the file, relative to the prepared data."""
        return f"{self.split}/data-{self.number:05d}.arrow"


@dataclass(slots=True)
class Facts:
    """What pictures look like in numbers; the counts of two parts add up to those of the whole."""

    counters: dict[str, Counter[int]] = field(default_factory=dict)
    """How often each number was met, by the names that the manifest's summary has for them."""

    def add(self, example: Example, size: tuple[int, int]) -> None:
        """Count a picture with its captions, whose original has this width and height in pixels."""
        self._count("captions_per_picture", [len(example.captions)])
        known = list(filter(None, example.captions))
        self._count("caption_words", (len(caption.split()) for caption in known))
        self._count("caption_characters", map(len, known))
        self._count("short_side", [min(size)])
        self._count("long_side", [max(size)])

    def merge(self, other: Facts) -> None:
        """Add the counts of another part."""
        for name, counter in other.counters.items():
            self._count(name, counter)

    def summary(self) -> Summary:
        """Give the smallest, the median and the largest of each."""
        from stackgan_cli.dataset.manifest import Summary

        return Summary(**{name: _spread(counter) for name, counter in self.counters.items()})

    def _count(self, name: str, values: Iterable[int]) -> None:
        self.counters.setdefault(name, Counter()).update(values)


def _spread(counter: Counter[int]) -> Spread:
    """Give the smallest, the median (the lower of two) and the largest value."""
    values = sorted(counter)
    before, half = 0, (counter.total() + 1) // 2
    for value in values:
        before += counter[value]
        if before >= half:
            return values[0], value, values[-1]
    return ()


@dataclass(slots=True)
class ChunkResult:
    """What became of a chunk."""

    rows: int = 0
    captions: int = 0
    bytes: int = 0
    """Length of the file; 0 where no picture could be had, and no file was written."""
    skipped: list[Skipped] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class ChunkWriter:
    """Writes chunks into a folder; sent to the worker processes."""

    folder: Path
    rendering: Rendering
    resolutions: tuple[int, ...]
    classes: Mapping[str, int]
    """Number of each class; empty where the data has none."""
    columns: pa.Schema
    """Of the rows (see :func:`stackgan_cli.dataset.tables.split_columns`)."""

    def __call__(self, chunk: Chunk) -> ChunkResult:
        """Render a chunk and write its file, whole or not at all.

        Raises:
            StackganError: the file cannot be written.
        """
        result = ChunkResult()
        path = self.folder / chunk.file
        with atomic_file(path) as temporary:
            rows = (self._row(example, result) for example in chunk.examples)
            result.rows = write_rows(temporary, (row for row in rows if row), self.columns)
            result.bytes = temporary.stat().st_size
            reach_disk(temporary)
        if not result.rows:
            path.unlink()
            result.bytes = 0
        return result

    def _row(self, example: Example, result: ChunkResult) -> dict[str, Any] | None:
        try:
            rendered = self.rendering(example)
        except UnreadablePicture as error:
            result.skipped.append(Skipped(example.name, error.reason))
            return None
        result.captions += len(example.captions)
        result.facts.add(example, rendered.size)
        return self._columns(example, rendered)

    def _columns(self, example: Example, rendered: RenderedPicture) -> dict[str, Any]:
        stored = zip(self.resolutions, rendered.pictures, strict=True)
        return {
            "name": example.name,
            "captions": list(example.captions),
            "class": self.classes.get(example.class_name or "", -1),
            "attributes": json.dumps(dict(example.attributes or {})),
            "stated": [list(names) for names in example.stated or ()],
            "digest": rendered.digest,
            **{f"picture_{resolution}": data for resolution, data in stored},
        }


def chunks_of(items: Iterable[Example | Skipped], rows: int) -> Iterator[Chunk | Skipped]:
    """Gather examples, each of which has a split, into chunks of ``rows``, in their order; pass on all else."""
    waiting: dict[str, list[Example]] = {"train": [], "test": []}
    inline = dict.fromkeys(waiting, 0)
    numbers = dict.fromkeys(waiting, 0)

    def closed(split: str) -> Chunk:
        chunk = Chunk(split, numbers[split], tuple(waiting[split]))
        waiting[split], inline[split] = [], 0
        numbers[split] += 1
        return chunk

    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        split = item.split or "train"
        waiting[split].append(item)
        inline[split] += len(item.image) if isinstance(item.image, bytes) else 0
        if len(waiting[split]) == rows or inline[split] >= _INLINE_BYTES:
            yield closed(split)
    yield from (closed(split) for split in waiting if waiting[split])


def write_chunks(
    chunks: Iterable[Chunk], writer: ChunkWriter, *, parallel: bool
) -> Iterator[tuple[Chunk, ChunkResult]]:
    """Write chunks, on all cores where that is worth it; only a few are in flight at once.

    Raises:
        StackganError: a file cannot be written, or a worker process died.
    """
    workers = cores()
    if not parallel or workers == 1:
        for chunk in chunks:
            yield chunk, writer(chunk)
        return
    # Spawned, not forked: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
            yield from made_ahead(pool, writer, chunks, most=workers + 2)
    except BrokenProcessPool as error:
        raise StackganError(
            "A process that reads pictures ended, perhaps for want of memory.",
            hint="Run the same command again: what is done is kept. Close other programs if it happens twice.",
        ) from error


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """Leave Ctrl-C to the main process, and end when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)

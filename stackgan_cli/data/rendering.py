"""Examples to stored pictures, on all cores; imports nothing heavy, for every worker process imports it."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.data.pictures import UnreadablePicture, encode_picture, read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.data.pictures import CropRule

_EXAMPLES_AT_ONCE = 16
_WORTH_A_POOL = 64


@dataclass(frozen=True, slots=True)
class Rendering:
    """How pictures are cropped, resized and stored."""

    crop: CropRule
    sides: tuple[int, ...]
    forms: tuple[str, ...]
    """``raw`` or ``jpeg`` for each of ``sides``."""

    def __call__(self, examples: Sequence[Example]) -> list[list[bytes] | str]:
        """Render examples: the bytes of each size, or a few words on why there are none."""
        return [self._render(example) for example in examples]

    def _render(self, example: Example) -> list[bytes] | str:
        rule: CropRule = "center" if self.crop == "bbox" and example.box is None else self.crop
        try:
            arrays = read_picture(example.image, rule, example.box, self.sides)
        except UnreadablePicture as error:
            return error.reason
        return [
            array.tobytes() if form == "raw" else encode_picture(array)
            for array, form in zip(arrays, self.forms, strict=True)
        ]


def render_all(examples: Sequence[Example], rendering: Rendering) -> Iterator[tuple[Example, list[bytes] | str]]:
    """Render examples in their order, on all cores where there are enough of them; only a few are in flight at once."""
    groups = [examples[at : at + _EXAMPLES_AT_ONCE] for at in range(0, len(examples), _EXAMPLES_AT_ONCE)]
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(examples) < _WORTH_A_POOL or workers == 1:
        for group in groups:
            yield from zip(group, rendering(group), strict=True)
        return
    # Spawned, not forked: a fork of a process with threads may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from _in_order(pool, groups, rendering, ahead=4 * workers)


def _in_order(
    pool: ProcessPoolExecutor, groups: Iterable[Sequence[Example]], rendering: Rendering, ahead: int
) -> Iterator[tuple[Example, list[bytes] | str]]:
    waiting: deque[tuple[Sequence[Example], Future[list[list[bytes] | str]]]] = deque()
    try:
        for group in groups:
            waiting.append((group, pool.submit(rendering, group)))
            if len(waiting) >= ahead:
                first, result = waiting.popleft()
                yield from zip(first, result.result(), strict=True)
        for first, result in waiting:
            yield from zip(first, result.result(), strict=True)
    finally:
        for _, result in waiting:
            result.cancel()

"""Batches made ahead by a thread, where making one reads files or decodes pictures."""

from __future__ import annotations

import threading
from queue import Full, Queue
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.dataset.batches import Batch

_AHEAD = 3


class BatchSource(Protocol):
    """All batches of a run, by step."""

    steps_per_epoch: int

    @property
    def resident(self) -> bool:
        """Whether batches are made from memory alone, so that nothing is gained by making them ahead."""
        ...

    def at(self, step: int) -> Batch:
        """Make the batch of one step."""
        ...


def batches_ahead(source: BatchSource, start: int, stop: int) -> Iterator[Batch]:
    """Yield the batches of steps ``start`` to ``stop`` (exclusive), made by a thread where that takes long.

    The thread ends when the iterator is closed; an error that it meets is raised here.
    """
    if source.resident:
        yield from map(source.at, range(start, stop))
        return
    maker = _Maker(source, range(start, stop))
    maker.start()
    try:
        for _ in range(start, stop):
            yield maker.next()
    finally:
        maker.close()


class _Maker(threading.Thread):
    """Makes batches until it is closed, a few ahead."""

    def __init__(self, source: BatchSource, steps: range) -> None:
        super().__init__(name="batches", daemon=True)
        self._source, self._steps = source, steps
        self._ready: Queue[Batch | BaseException] = Queue(_AHEAD)
        self._closed = threading.Event()

    def run(self) -> None:
        try:
            for step in self._steps:
                if self._closed.is_set():
                    return
                self._hand_over(self._source.at(step))
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the batch
            self._hand_over(error)

    def next(self) -> Batch:
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        self._closed.set()
        self.join()

    def _hand_over(self, item: Batch | BaseException) -> None:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=0.2)
            except Full:
                continue
            return

"""Things made ahead by other threads or processes, batches above all, where making one takes long."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    from stackgan_cli.dataset.batches import Batch
    from stackgan_cli.dataset.epochs import Epochs

_AHEAD = 4
Item = TypeVar("Item")
Made = TypeVar("Made")


class BatchSource(Protocol):
    """All batches of a run, by step."""

    epochs: Epochs

    @property
    def steps_per_epoch(self) -> int:
        """Steps that an epoch has with batches of this size."""
        ...

    @property
    def pictures(self) -> int:
        """How many pictures an epoch passes over."""
        ...

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
    with ThreadPoolExecutor(1, "batches") as maker:
        for _, batch in made_ahead(maker, source.at, range(start, stop), _AHEAD):
            yield batch


def made_ahead(
    pool: Executor, make: Callable[[Item], Made], items: Iterable[Item], most: int
) -> Iterator[tuple[Item, Made]]:
    """Yield each item with what a pool makes of it, in their order; at most so many are in the making at once."""
    waiting: deque[tuple[Item, Future[Made]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(make, item)))
            if len(waiting) >= most:
                first, made = waiting.popleft()
                yield first, made.result()
        while waiting:
            first, made = waiting.popleft()
            yield first, made.result()
    finally:
        for _, made in waiting:
            made.cancel()

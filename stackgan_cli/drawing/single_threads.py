"""Work on the processor that comes to the same bits however many threads there are: each piece of it on one thread.

Where a library divides one piece of arithmetic among threads, its rounding depends on their number. Pieces beside each
other, each undivided, keep all cores busy, too, and wait for nothing but themselves.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Result = TypeVar("Result")

_MOST_THREADS = 16
"""Pieces that are worked on at once, because each has its own memory."""


def in_order(pieces: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """Do pieces of work with torch, as many at once as torch would use threads, and give their results in their order.

    There may be any number of pieces: no more of them are begun than can be worked on, and one more. What a piece
    raises is raised in its place. Whoever stops asking waits for those that have begun.
    """
    import torch

    threads = torch.get_num_threads()
    workers = min(threads, _MOST_THREADS)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(piece))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            # Threads that begin later go by the number that was set last, by whichever thread.
            torch.set_num_threads(threads)

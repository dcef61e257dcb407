"""The one thread that draws: what it is asked for waits in a queue of bounded length, and is done in its order."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stackgan_cli.serving.refusals import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_LONGEST_WAIT = 600
"""Seconds; nobody is told to come back later than that."""


class Job(Generic[Result]):
    """One thing to do, and what comes of it.

    Args:
        work: to do; it calls what it is given now and then, which raises where nobody waits for it any more.
    """

    def __init__(self, work: Callable[[Callable[[], None]], Result]) -> None:
        self.future: Future[Result] = Future()
        self._work = work
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """Say that nobody waits for it: it ends as soon as it looks."""
        self._abandoned.set()
        self.future.cancel()

    def refuse(self, error: RefusalError) -> None:
        """Answer whoever waits for it without it, unless it is done."""
        self._abandoned.set()
        with suppress(InvalidStateError):
            self.future.set_exception(error)

    @property
    def answered(self) -> bool:
        """Whether somebody has what came of it."""
        return self.future.done() and not self.future.cancelled() and self.future.exception() is None

    def run(self) -> None:
        """Do it, whatever comes of it."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work(self._refuse_abandoned)
        except BaseException as error:
            with suppress(InvalidStateError):
                self.future.set_exception(error)
        else:
            with suppress(InvalidStateError):
                self.future.set_result(result)

    def _refuse_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise CancelledError


class Worker:
    """Does one job at a time.

    Args:
        most_waiting: jobs that may wait while one is done.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most = most_waiting
        self._waiting: deque[Job[Any]] = deque()
        self._running: Job[Any] | None = None
        self._changed = threading.Condition()
        self.stopping = False
        """Whether it was told to stop."""
        self._seconds = 1.0
        self.done = 0
        """Jobs that were done, and whose result somebody has."""
        self._thread = threading.Thread(target=self._work, name="drawing", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Jobs that wait, and the one that is being done."""
        return len(self._waiting) + (self._running is not None)

    def submit(self, work: Callable[[Callable[[], None]], Result]) -> Job[Result]:
        """Put work into the queue.

        Raises:
            RefusalError: the queue is full (429, with the seconds after which to try again), or the server stops (503).
        """
        with self._changed:
            if self.stopping:
                raise stopping()
            if self.pending > self._most:
                seconds = min(_LONGEST_WAIT, max(1, math.ceil(self._seconds * self.pending)))
                raise RefusalError(
                    429,
                    f"{self.pending} requests are before this one, and no more may wait.",
                    f"Try again in {seconds} s.",
                    {"Retry-After": str(seconds)},
                )
            job = Job(work)
            self._waiting.append(job)
            self._changed.notify()
        return job

    def abandon(self, job: Job[Any]) -> None:
        """Take a job back that nobody waits for any more; one that is done already stays so."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
        job.abandon()

    def stop(self) -> None:
        """Finish what is being done; whatever waits is refused, and whatever comes."""
        with self._changed:
            self.stopping = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        for job in waiting:
            job.refuse(stopping())

    def give_up(self) -> None:
        """Finish nothing any more, after a stop: what is being done is refused, too."""
        if (job := self._running) is not None:
            job.refuse(stopping())

    def join(self) -> None:
        """Wait for the end of what is being done, after a stop."""
        self._thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            began = time.monotonic()
            job.run()
            with self._changed:
                self._running = None
                self.done += job.answered
                self._seconds += 0.3 * (time.monotonic() - began - self._seconds)

    def _next(self) -> Job[Any] | None:
        """Wait for a job; None where there will be none any more."""
        with self._changed:
            while not self._waiting:
                if self.stopping:
                    return None
                self._changed.wait()
            self._running = self._waiting.popleft()
            return self._running


def stopping() -> RefusalError:
    """What is told once the server stops."""
    return RefusalError(503, "The server is stopping.", "Try again when it has been started anew.")

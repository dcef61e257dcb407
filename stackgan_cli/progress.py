"""How long work tells what it is doing, whoever listens: a person at a terminal, a program, or nobody."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType


class Report(Protocol):
    """Told how far a phase is."""

    def __call__(self, done: int, total: int | None = None, words: str = "") -> None:
        """Take note.

        Args:
            done: units done so far.
            total: units in all, where that is known by now.
            words: a few words beside the numbers, such as the losses.
        """
        ...


class Progress(Protocol):
    """Listens to long work. What it is told is for people: sentences, and titles of a few words."""

    def say(self, message: str) -> None:
        """Take note of a sentence."""
        ...

    def warn(self, message: str) -> None:
        """Take note of a sentence that the person may not expect."""
        ...

    def phase(
        self, title: str, total: int | None = None, unit: str = "", start: int = 0
    ) -> AbstractContextManager[Report]:
        """Begin a phase, which ends with the context.

        Args:
            title: of the phase.
            total: units of work in all, where that is known.
            unit: the plural of what is counted, such as ``steps``.
            start: units that an earlier run has done.

        Returns:
            What is told how far the phase is, as often as convenient.
        """
        ...


class _Silence:
    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Report]:  # noqa: ARG002
        yield IGNORED


def _ignored(done: int, total: int | None = None, words: str = "") -> None: ...


IGNORED: Report = _ignored
"""A report that nobody listens to."""
SILENT: Progress = _Silence()
"""Nobody listens."""


class ProgressCallback:
    """Calls plain functions as long work goes on, for programs, bars and notebooks of one's own.

    Args:
        advanced: called with the title of the phase, the units done, the units in all where that is known, and a few
            words such as the losses; as often as the work tells, also at every step of a training.
        said: called with every sentence that a person would be told; by default nobody hears them.

    Example:
        >>> heard = []
        >>> progress = ProgressCallback(lambda title, done, total, words: heard.append((title, done, total)))
        >>> with progress.phase("Pictures", 10) as report:
        ...     report(5)
        >>> heard
        [('Pictures', 5, 10)]
    """

    def __init__(
        self,
        advanced: Callable[[str, int, int | None, str], object],
        said: Callable[[str], object] | None = None,
    ) -> None:
        self._advanced, self._said = advanced, said

    def say(self, message: str) -> None:
        """Pass a sentence on."""
        if self._said is not None:
            self._said(message)

    def warn(self, message: str) -> None:
        """Pass a sentence on."""
        self.say(message)

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Report]:  # noqa: ARG002
        """Pass on how far a phase is."""
        expected = total

        def report(done: int, total: int | None = None, words: str = "") -> None:
            self._advanced(title, done, expected if total is None else total, words)

        yield report


class Phases:
    """Turns reports that name their phase into one phase after the other; a context manager."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._title: str | None = None
        self._report = IGNORED
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def report(self, title: str, done: int, total: int | None = None, words: str = "") -> None:
        """Say how far the phase called ``title`` is; another title ends the phase before."""
        if title != self._title:
            self._stack.close()
            self._title = title
            self._report = self._stack.enter_context(self._progress.phase(title, total))
        self._report(done, total, words)

"""What long work tells of itself while it goes: words, and how far it is; the work does not know who listens."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Advance(Protocol):
    """Says how far a phase of the work is."""

    def __call__(self, done: int, total: int | None = None, words: str = "") -> None:
        """Say it.

        Args:
            done: units done so far, those of earlier runs of the same work included.
            total: units in all, where that became known later.
            words: a few words beside the bar, such as the losses.
        """
        ...


class Progress(Protocol):
    """Whoever wants to know: the command line shows it, a program may do what it likes."""

    def say(self, message: str) -> None:
        """Take a sentence that a person should read."""
        ...

    def warn(self, message: str) -> None:
        """Take a sentence about something that a person may not expect."""
        ...

    def phase(
        self, title: str, total: int | None = None, *, unit: str = "", start: int = 0
    ) -> AbstractContextManager[Advance]:
        """Begin a phase of the work.

        Args:
            title: what is done.
            total: units in all, where it is known.
            unit: what is counted, such as ``steps``.
            start: units that were done before.
        """
        ...


class _Silent:
    def say(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass

    def phase(
        self,
        title: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
        *,
        unit: str = "",  # noqa: ARG002
        start: int = 0,  # noqa: ARG002
    ) -> AbstractContextManager[Advance]:
        return nullcontext(_nothing)


def _nothing(done: int, total: int | None = None, words: str = "") -> None:
    pass


SILENT: Progress = _Silent()
"""Listens to nothing."""

"""Ctrl-C and SIGTERM: whatever they hit ends with one sentence that says what is kept and which command goes on."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Takes both signals while the command line runs: each raises KeyboardInterrupt, so that everything is tidied up.

    A command says beforehand what is to be told if it is interrupted. A context manager.
    """

    def __init__(self) -> None:
        self.received = False
        """Whether there was one; a library may have made another error of it, or passed over it."""
        self._words: Callable[[], str] = _nothing_known
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.received, self._words, self._before = False, _nothing_known, {}
        # Only the main thread may take signals, and what the process was told to ignore stays ignored.
        if threading.current_thread() is threading.main_thread():
            before = {int(number): signal.getsignal(number) for number in SIGNALS}
            self._before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self.take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:  # noqa: ARG002
        """Take note of a signal, and raise what it raises.

        Raises:
            KeyboardInterrupt: always.
        """
        self.received = True
        raise KeyboardInterrupt

    def promise(self, words: Callable[[], str]) -> None:
        """Say what is told if the running command is interrupted from now on."""
        self._words = words

    def told(self) -> str:
        """The sentence to end with; whoever grows impatient meanwhile changes nothing any more."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        # What is asked for may be what cannot be found.
        with suppress(Exception):
            return self._words()
        return _nothing_known()


def this_command(without: Collection[str] = (), more: Sequence[str] = ()) -> str:
    """The command that is running, as a person would type it, but for some of its options, and with more of them."""
    count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    program = ["stackgan"]
    if os.environ.get("WORLD_SIZE", "1") != "1":
        program = ["torchrun", "--nproc-per-node", str(count), "-m", "stackgan_cli"]
    # More options come before prompts, because behind two dashes there are none.
    return shlex.join([*program, *sys.argv[1:2], *more, *(word for word in sys.argv[2:] if word not in without)])


def _nothing_known() -> str:
    return f"Interrupted. This begins again: {this_command()}"


INTERRUPTS = Interrupts()
"""Of this process."""

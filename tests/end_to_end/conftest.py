"""``stackgan serve`` as a process, for the tests that call it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Server:
    """A server that runs, and what it told."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.printed = process.first_line()
        if not self.printed:
            pytest.fail(process.ended().err)
        self.address, _, self.token = self.printed.partition("/#token=")

    def stop(self, *numbers: int) -> tuple[int, str]:
        """Send it signals, SIGTERM if none is named; its exit code, and what it said."""
        for number in numbers or (signal.SIGTERM,):
            self.process.send(number)
            if len(numbers) > 1:
                time.sleep(0.3)
        ended = self.process.ended()
        assert ended.out.splitlines() == [self.printed]
        return ended.code, ended.err


@pytest.fixture(scope="module")
def start_server(made_once: Path, fork: Callable[..., Any]) -> Iterator[Callable[..., Server]]:
    """``start_server(*options)`` starts a server at a port that is free; all end with the tests of a file."""
    processes: list[Any] = []

    def begin(*options: object) -> Server:
        unset = dict.fromkeys(("STACKGAN_TOKEN", "STACKGAN_DEBUG", "STACKGAN_MODEL"))
        process = fork("serve", "--port", 0, *options, variables={"STACKGAN_HOME": str(made_once), **unset})
        processes.append(process)
        return Server(process)

    yield begin
    for process in processes:
        if process.code() is None:
            process.send(signal.SIGKILL)
            process.ended()

"""``stackgan serve`` as a process, for the tests that call it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Server:
    """A server that runs, and what it told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate(timeout=60)[1])
        self.printed = line.strip()
        self.address, _, self.token = self.printed.partition("/#token=")

    def stop(self, *numbers: int) -> tuple[int, str]:
        """Send it signals, SIGTERM if none is named; its exit code, and what it said."""
        for number in numbers or (signal.SIGTERM,):
            self.process.send_signal(number)
            if len(numbers) > 1:
                time.sleep(0.3)
        out, err = self.process.communicate(timeout=120)
        assert out == ""
        return self.process.returncode, err


@pytest.fixture(scope="module")
def start_server(made_once: Path) -> Iterator[Callable[..., Server]]:
    """``start_server(*options)`` starts a server at a port that is free; all end with the tests of a file."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*options: object) -> Server:
        command = [sys.executable, "-m", "stackgan_cli", "serve", "--port", 0, *options]
        environment = {**os.environ, "STACKGAN_HOME": str(made_once), "OMP_NUM_THREADS": "1"}
        for name in ("STACKGAN_TOKEN", "STACKGAN_DEBUG", "STACKGAN_MODEL"):
            environment.pop(name, None)
        process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        processes.append(process)
        return Server(process)

    yield begin
    for process in processes:
        process.kill()
        process.communicate()

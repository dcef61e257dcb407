"""A server in this process, over the tiny model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from stackgan_cli.machine import choose_machine
from stackgan_cli.models.finding import find_model
from stackgan_cli.serving.application import application
from stackgan_cli.serving.guard import Admission
from stackgan_cli.serving.shelf import ModelShelf
from stackgan_cli.serving.worker import Worker

HERE = "http://127.0.0.1:8000"


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Draws, and lets two wait."""
    worker = Worker(2)
    yield worker
    worker.stop()
    worker.join()


@pytest.fixture
def let_go(worker: Worker) -> Iterator[threading.Event]:
    """Keeps the worker busy until it is set."""
    event, busy = threading.Event(), threading.Event()

    def work(_: Callable[[], None]) -> None:
        busy.set()
        event.wait()

    worker.submit(work)
    assert busy.wait(30)
    yield event
    event.set()


@pytest.fixture
def served(model: Path, worker: Worker, on_one_thread: None) -> Iterator[Callable[..., TestClient]]:
    """``served(token)``: someone who calls a server of the model ``birds``."""
    shelf = ModelShelf(find_model("birds"), choose_machine("cpu", "float32"))
    clients: list[TestClient] = []

    def call(token: str | None = None) -> TestClient:
        client = TestClient(application(shelf, worker, Admission(token, "127.0.0.1")), base_url=HERE)
        clients.append(client.__enter__())
        return client

    yield call
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(served: Callable[..., TestClient]) -> TestClient:
    """Someone who calls a server that needs no token."""
    return served()

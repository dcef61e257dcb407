"""``stackgan serve`` as a process: under load, in other people's hands, and when it is told to stop."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

ODD = "a \x1b]0;red\x07 bird"


def test_two_hundred_at_once_are_drawn_or_told_when_to_come_again(start_server: Callable[..., Any]) -> None:
    server = start_server("--model", "birds", "--max-queue", 8)

    async def ask_all() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=server.address, limits=limits, timeout=120) as client:
            asked = [{"prompt": f"a bird, {number}", "count": 4, "seed": number} for number in range(200)]
            return await asyncio.gather(*(client.post("/api/generate", json=each) for each in asked))

    answers = asyncio.run(ask_all())
    counted = Counter(each.status_code for each in answers)
    assert set(counted) <= {200, 429}
    assert counted[200] >= 9
    for number, answer in enumerate(answers):
        if answer.status_code == 200:
            pictures = answer.json()["pictures"]
            assert [each["seed"] for each in pictures] == [*range(number, number + 4)]
            assert pictures[0]["prompt"] == f"a bird, {number}"
        else:
            assert int(answer.headers["retry-after"]) >= 1
    assert httpx2.get(f"{server.address}/health").json()["waiting"] == 0
    code, err = server.stop(signal.SIGINT)
    assert code == 130
    assert f"{counted[200]} requests were drawn, and nobody waits" in err


def test_a_thousand_who_call_and_say_nothing_keep_nobody_from_drawing(start_server: Callable[..., Any]) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(2000, limits[1])), limits[1]))
    server = start_server("--model", "birds")
    host, port = "127.0.0.1", int(server.address.rpartition(":")[2])
    with ExitStack() as lines:
        silent = [lines.enter_context(socket.create_connection((host, port), timeout=30)) for _ in range(1000)]
        drawn = httpx2.post(f"{server.address}/api/generate", json={"prompt": "a bird"}, timeout=60)
        assert drawn.status_code == 200
        assert silent[0].recv(1000).startswith(b"HTTP/1.1 503")
    code, err = server.stop()
    assert code == 130
    assert "1 request was drawn" in err


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), pytest.param((signal.SIGINT, signal.SIGINT), marks=pytest.mark.slow)], ids=len
)
def test_a_stop_leaves_nobody_without_an_answer(start_server: Callable[..., Any], signals: tuple[int, ...]) -> None:
    server = start_server("--model", "bundled")
    answers: list[httpx2.Response] = []

    def ask() -> None:
        asked = {"prompt": "a small red bird", "count": 16}
        answers.append(httpx2.post(f"{server.address}/api/generate", json=asked, timeout=120))

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for each in asking:
        each.start()
    while httpx2.get(f"{server.address}/health").json()["waiting"] < 6 and not answers:
        time.sleep(0.01)
    code, err = server.stop(*signals)
    for each in asking:
        each.join(120)
    assert code == 130
    drawn = [each.json() for each in answers if each.status_code == 200]
    refused = [each.json() for each in answers if each.status_code == 503]
    assert len(drawn) + len(refused) == 6
    assert refused
    assert drawn or len(signals) > 1
    assert all(len(each["pictures"]) == 16 for each in drawn)
    assert {each["message"] for each in refused} == {"The server is stopping."}
    last = err.strip().splitlines()[-1]
    assert last.startswith("Interrupted; ")
    program, *arguments = shlex.split(last.partition(": ")[2])
    assert (program, arguments) == ("stackgan", ["serve", "--port", "0", "--model", "bundled"])
    assert "Traceback" not in err


def test_what_others_can_reach_takes_a_token(start_server: Callable[..., Any]) -> None:
    server = start_server("--model", "birds", "--host", "0.0.0.0")
    assert len(server.token) >= 32
    port = server.address.rpartition(":")[2]
    asked = {"prompt": "a bird"}
    address = f"http://127.0.0.1:{port}/api/generate"
    assert httpx2.post(address, json=asked).status_code == 401
    drawn = httpx2.post(address, json=asked, headers={"Authorization": f"Bearer {server.token}"}, timeout=60)
    assert drawn.status_code == 200
    code, err = server.stop()
    assert code == 130
    assert server.token not in err


def test_nothing_that_is_sent_commands_the_terminal(start_server: Callable[..., Any]) -> None:
    server = start_server("--model", "birds")
    host, port = "127.0.0.1", int(server.address.rpartition(":")[2])
    for sent in (b"\x1b[2J\x1b]0;odd\x07 / HTTP/1.1\r\n\r\n", b"GET /\x1b[2J HTTP/1.1\r\n\r\n", b"\x00" * 100_000):
        with socket.create_connection((host, port), timeout=30) as line:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            line.recv(1000)
    for body in (json.dumps({"prompt": ODD}), json.dumps({"prompt": "x" * 1_000_000})):
        answer = httpx2.post(
            f"{server.address}/api/generate", content=body, headers={"Content-Type": "application/json"}, timeout=60
        )
        assert answer.status_code in (413, 422)
    assert httpx2.get(f"{server.address}/health").status_code == 200
    code, err = server.stop()
    assert code == 130
    assert not [each for each in err if ord(each) < 32 and each != "\n"]
    assert len(err.splitlines()) < 6


def test_a_port_that_is_taken_is_one_sentence(stackgan: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = stackgan("serve", "--port", port)
    assert done.code == 2
    assert done.says(f"The port {port} of 127.0.0.1 is taken by another program.", "--port 0")
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("host", ["192.0.2.1", "nonesuch.invalid", "", "a host", "x" * 300])
def test_a_host_that_is_elsewhere_is_one_sentence(stackgan: Callable[..., Any], host: str) -> None:
    done = stackgan("serve", "--host", host, "--port", 0)
    assert done.code == 2
    assert done.says("is no address of this machine")


@pytest.mark.parametrize(
    "token", ["short", "with a space in it", "t\u00f6ken-t\u00f6ken", "x" * 300, "new\nline-token"]
)
def test_a_token_that_cannot_be_sent_is_refused(stackgan: Callable[..., Any], token: str) -> None:
    done = stackgan("serve", "--token", token, "--port", 0)
    assert done.code == 2
    assert done.says("A token is 8 to 200")


def test_without_the_extra_it_says_what_to_install(
    stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = stackgan("serve")
    assert done.code == 3
    assert done.says("Serving needs a package that is not here: uvicorn.", 'pip install "stackgan-cli[serve]"')


def test_a_model_that_is_not_there_is_told_before_anything_is_served(stackgan: Callable[..., Any]) -> None:
    done = stackgan("serve", "--model", "nonesuch", "--port", 0)
    assert done.code == 5
    assert done.says("There is no model called 'nonesuch'")

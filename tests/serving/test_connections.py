"""Whoever opens connections and does not say what he wants keeps nobody else from being answered."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import pytest
import uvicorn

from stackgan_cli.serving import connections
from stackgan_cli.serving.connections import Connection, Connections

ASKED = b"GET /some/where HTTP/1.1\r\nHost: here\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place:
    """A server that lets so many connections be open, and answers once it may."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.may_answer = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Place]:
        make = partial(Connection, Connections(self._most))
        config = uvicorn.Config(self._answer, http=cast("Any", make), interface="asgi3", ws="none", log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: make(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        yield self
        self._server.close()

    async def _answer(self, _scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def call(self, said: bytes = b"") -> Line:
        """Open a connection, and say something."""
        line = await asyncio.open_connection(*self._server.sockets[0].getsockname())
        line[1].write(said)
        # Until the server has taken it.
        await asyncio.sleep(0.02)
        return line

    async def trickle(self) -> bytes:
        """Say a byte now and then, for four seconds; what is answered meanwhile."""
        with socket.create_connection(self._server.sockets[0].getsockname()) as line:
            line.setblocking(False)
            for _ in range(200):
                await asyncio.sleep(0.02)
                with suppress(BlockingIOError):
                    return line.recv(10_000)
                line.send(b"x")
        return b""


async def heard(line: Line) -> bytes:
    """All that a connection says until its end."""
    return await asyncio.wait_for(line[0].read(), 10)


def test_who_has_been_silent_longest_makes_room_and_who_waits_for_an_answer_stays() -> None:
    async def scenario() -> None:
        async with Place(3).open() as place:
            waiting = await place.call(ASKED)
            sending = await place.call(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{")
            silent = await place.call()
            first = await place.call(ASKED)
            head, _, body = (await heard(sending)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nretry-after: 1" in head
            assert json.loads(body) == {"message": "Too many connections are open.", "hint": "Try again in 1 s."}
            second = await place.call(ASKED)
            assert (await heard(silent)).startswith(b"HTTP/1.1 503")
            # Nobody is silent any more but whoever comes.
            assert (await heard(await place.call())).startswith(b"HTTP/1.1 503")
            place.may_answer.set()
            for line in (waiting, first, second):
                assert (await asyncio.wait_for(line[0].readuntil(b"ok"), 10)).startswith(b"HTTP/1.1 200")
            # Those that have been answered are silent, too, and make room in their order.
            others = [await place.call(ASKED) for _ in range(2)]
            assert (await heard(first)).startswith(b"HTTP/1.1 503")
            for line in (second, *others):
                line[1].close()

    asyncio.run(scenario())


def test_who_does_not_come_to_the_end_of_a_request_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.3)

    async def scenario() -> None:
        async with Place(9).open() as place:
            silent, waiting = await place.call(), await place.call(ASKED)
            head, _, body = (await place.trickle()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            assert json.loads(body)["message"] == "The request did not come to its end."
            assert await heard(silent) == b""
            place.may_answer.set()
            answered = await asyncio.wait_for(waiting[0].readuntil(b"ok"), 10)
            assert answered.startswith(b"HTTP/1.1 200")
            assert await heard(waiting) == b""

    asyncio.run(scenario())

"""Connections of a server: each soon says what it wants, and whoever is silent makes room for others.

uvicorn's own limits begin with a request that has come to the end of its headers: ``limit_concurrency`` refuses it, and
``timeout_keep_alive`` counts from its answer. A connection that never says that much is open as long as it likes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from stackgan_cli.serving.refusals import RefusalError, fault

if TYPE_CHECKING:
    import asyncio

_HEAD_SECONDS = 10.0
"""That a request may take to the end of its headers; :mod:`stackgan_cli.serving.guard` waits for what follows them."""


class Connections:
    """Those that are open, of which there are never more than so many.

    Args:
        most: at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._silent: dict[Connection, None] = {}
        """Those that have not said yet what they want, whoever has been silent longest first."""

    def add(self, connection: Connection) -> None:
        """Take one that is new; where there is no room for it, the one that has been silent longest goes."""
        self._open.add(connection)
        self.wait_for(connection)
        if len(self._open) > self._most:
            longest = next(iter(self._silent))
            self.remove(longest)
            longest.refuse(
                RefusalError(503, "Too many connections are open.", "Try again in 1 s.", {"Retry-After": "1"})
            )

    def wait_for(self, connection: Connection) -> None:
        """Count one as silent from now on."""
        if connection in self._open:
            self._silent[connection] = None

    def hear(self, connection: Connection) -> None:
        """Count one as silent no longer: it has said what it wants, and waits for an answer."""
        self._silent.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Count one no longer, if it was counted."""
        self._open.discard(connection)
        self._silent.pop(connection, None)


class Connection(H11Protocol):
    """One of them.

    Args:
        connections: all of them.
        given: what uvicorn makes a connection with.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._connections = connections
        self._begun = False
        """Whether anything of the request that is waited for has come."""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._await_request()
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._forget_deadline()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hear something."""
        self._begun = True
        super().data_received(data)

    def handle_events(self) -> None:
        """Understand what was heard."""
        super().handle_events()
        if self._requested:
            self._forget_deadline()
            if not self.cycle.more_body:
                self._connections.hear(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already."""
        super().on_response_complete()
        if not self._requested:
            self._connections.wait_for(self)
            if not self.transport.is_closing():
                self._await_request()

    def refuse(self, refusal: RefusalError) -> None:
        """Answer before a request is there as a whole, and end."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            # It does not listen to what it has been told already.
            self.transport.abort()
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = fault(refusal)
            headers = [*answer.raw_headers, (b"connection", b"close")]
            for part in (
                h11.Response(status_code=answer.status_code, headers=headers, reason=HTTPStatus(refusal.status).phrase),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    @property
    def _requested(self) -> bool:
        """Whether a request has come to the end of its headers that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _await_request(self) -> None:
        self._begun = False
        self._forget_deadline()
        self._deadline = self.loop.call_later(_HEAD_SECONDS, self._end_waiting)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_waiting(self) -> None:
        if self._begun:
            self.refuse(RefusalError(408, "The request did not come to its end.", f"{_HEAD_SECONDS:g} s are enough."))
        else:
            self.transport.close()

"""The server: an address of this machine, and an end that leaves nobody without an answer."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from stackgan_cli.errors import UsageError
from stackgan_cli.serving.connections import Connection, Connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from starlette.types import ASGIApp

    from stackgan_cli.serving.worker import Worker

_MOST_FILES = 4096
"""That the process has open, connections among them, where the system lets it."""
_MOST_CONNECTIONS = 800
"""At once."""
_LAST_CALL = 0.5
"""Seconds that the server still takes requests after it was told to stop."""
_LONGEST_END = 60
"""Seconds that what is being drawn may take after the server was told to stop."""
_LONGEST_ANSWER = 10
"""Seconds more that somebody may take to hear an answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is: a socket that has its address, and keeps it from other programs."""

    socket: socket.socket
    local: bool
    """Whether only this machine can reach it."""

    @property
    def address(self) -> str:
        """That a browser takes."""
        host, port = self.socket.getsockname()[:2]
        if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
            host = socket.gethostname()
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def take_place(host: str, port: int) -> Place:
    """Take an address.

    Args:
        host: name or number of this machine.
        port: 0 for any that is free.

    Raises:
        UsageError: it is taken, forbidden, or not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise _not_here(host) from None
    try:
        if os.name == "posix":
            # Elsewhere it would take an address that somebody else has.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        # Two may be bound to one address, but only one of them listens.
        taken.listen(1)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"The port {port} of {host} is taken by another program.",
                hint="--port 0 for any that is free",
            ) from None
        if error.errno == errno.EACCES:
            raise UsageError(f"The port {port} is not for everybody.", hint="--port 8000") from None
        raise _not_here(host) from None
    return Place(taken, ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback)


def _not_here(host: str) -> UsageError:
    return UsageError(f"{host!r} is no address of this machine.", hint="--host 127.0.0.1, or --host 0.0.0.0 for all")


def _allowed_files() -> int:
    """Files that this process may have open; as many as are of use, if it may allow itself more of them."""
    try:
        import resource
    except ImportError:
        return _MOST_FILES
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed, most = (_MOST_FILES if each == resource.RLIM_INFINITY else min(each, _MOST_FILES) for each in limits)
    if allowed < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
    return most


class _Server(uvicorn.Server):
    """Tells when it takes requests, and refuses what waits when it stops."""

    def __init__(self, config: uvicorn.Config, worker: Worker, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._worker, self._announce = worker, announce
        self._signals = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first ends the server, the second what is being drawn, too, the third everything."""
        self._signals += 1
        if self._signals == 2:
            self._worker.give_up()
        else:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: what is being drawn is finished and answered."""
        self._worker.stop()
        # Whoever has called already is heard, and told that the server stops.
        await asyncio.sleep(_LAST_CALL)
        asyncio.get_running_loop().call_later(_LONGEST_END, self._worker.give_up)
        await super().shutdown(sockets)


def serve(app: ASGIApp, place: Place, worker: Worker, announce: Callable[[], None]) -> None:
    """Answer requests until a signal says to stop.

    Args:
        app: that answers.
        place: where.
        worker: that draws; it has come to its end when this returns or raises.
        announce: called once requests are taken.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM came, and everybody has been answered.
    """
    debugging = os.environ.get("STACKGAN_DEBUG") == "1"
    for name in ("uvicorn.error", "asyncio"):
        # What they tell is for programmers, and may quote what was sent.
        logging.getLogger(name).disabled = not debugging
    files = _allowed_files()
    connections = Connections(min(_MOST_CONNECTIONS, files // 2))
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(Connection, connections)),
        loop="asyncio",
        log_config=None,
        access_log=False,
        ws="none",
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        # Also how many are taken at one go, before those that are too many are closed.
        backlog=files // 16,
        timeout_graceful_shutdown=_LONGEST_END + _LONGEST_ANSWER,
    )
    try:
        _Server(config, worker, announce).run([place.socket])
    finally:
        worker.stop()
        worker.join()

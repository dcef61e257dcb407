"""What every request passes before the application sees it: whence it comes, who asks, and how much it sends."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from stackgan_cli.serving.refusals import RefusalError, fault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1 << 16
"""Of a request; eight sentences of the greatest length fit in whatever way they are written."""
_MOST_PASSED_OVER = 1 << 24
"""Bytes of a request too large that are read all the same: who is still sending hears no answer."""
_BODY_SECONDS = 20.0
OPEN_PATHS = ("/", "/health", "/openapi.json")
"""What is answered without a token: the page, which asks for one, whether the server is up, and what it takes."""
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Admission:
    """Who is let in.

    With a token, whoever has it, from anywhere. Without one, whoever calls the server by a name of this machine: a page
    of another site that had its name led here (DNS rebinding) calls it by that one.
    """

    token: str | None
    host: str

    def refuse(self, path: str, headers: Headers) -> None:
        """Refuse a request that is not let in.

        Raises:
            RefusalError: it is not.
        """
        if self.token is None:
            self._refuse_elsewhere(headers)
        elif path not in OPEN_PATHS and not self._knows_token(headers.get("authorization", "")):
            raise RefusalError(
                401,
                "The token is missing or wrong.",
                "The header 'Authorization: Bearer TOKEN', with the token that the server was started with.",
                {"WWW-Authenticate": "Bearer"},
            )

    def _knows_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        assert self.token is not None
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self.token.encode())
        return same and scheme.lower() == "bearer"

    def _refuse_elsewhere(self, headers: Headers) -> None:
        called = headers.get("host", "")
        if _name(called) not in {*_LOCAL_NAMES, self.host.lower()}:
            raise RefusalError(421, "The server is not called that.", "http://127.0.0.1, and the port.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != called.lower():
            raise RefusalError(403, "Pages of other sites may not ask for pictures.")


class Guard:
    """Lets requests through whose sender, form and size are right, and says to browsers how answers may be used.

    Args:
        app: what is guarded.
        admission: who is let in.
        policy: content security policy of every answer.
    """

    def __init__(self, app: ASGIApp, admission: Admission, policy: str) -> None:
        self._app, self._admission, self._policy = app, admission, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers())
            await send(message)

        headers = Headers(scope=scope)
        try:
            body = await _body(headers, receive)
            self._admission.refuse(scope["path"], headers)
            if scope["method"] == "POST":
                _refuse_other_types(headers)
        except RefusalError as refusal:
            await fault(refusal)(scope, receive, send_with_headers)
            return
        await self._app(scope, _again(body, receive), send_with_headers)

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Security-Policy": self._policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }


def _name(called: str) -> str:
    """The name in a Host header, without its port."""
    if called.startswith("["):
        return called[1:].partition("]")[0].lower()
    return called.partition(":")[0].lower()


def _refuse_other_types(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(415, "The request is not declared as JSON.", "The header 'Content-Type: application/json'.")


async def _body(headers: Headers, receive: Receive) -> bytes:
    """Read a request's body.

    Raises:
        RefusalError: it is too large, or does not come.
    """
    body, count = bytearray(), 0
    declared = headers.get("content-length", "0")
    too_large = len(declared) > 12 or int(declared if declared.isascii() and declared.isdigit() else 0) > MOST_BYTES
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            more = True
            while more and count <= _MOST_PASSED_OVER:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                part: bytes = message.get("body", b"")
                count += len(part)
                too_large = too_large or count > MOST_BYTES
                if not too_large:
                    body += part
                more = message.get("more_body", False)
    except TimeoutError:
        raise RefusalError(408, "The request did not come to its end.", headers={"Connection": "close"}) from None
    if too_large:
        raise RefusalError(
            413, f"A request may have {MOST_BYTES >> 10} KiB, and this one has more.", headers={"Connection": "close"}
        )
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read as if it came now, and then whatever comes."""
    given: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return given.pop() if given else await receive()

    return next_message

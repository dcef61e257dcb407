"""What a request is told that is not answered with pictures: a status, a sentence, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from stackgan_cli.console import harmless
from stackgan_cli.errors import StackganError
from stackgan_cli.serving.schema import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping


class RefusalError(StackganError):
    """A request that is not done.

    Args:
        status: of the answer, as HTTP numbers them.
        message: what happened; whole sentences.
        hint: one thing to do about it.
        headers: of the answer.
    """

    def __init__(
        self, status: int, message: str, hint: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.headers = dict(headers or {})


def fault(refusal: RefusalError) -> JSONResponse:
    """The answer to a request that is not done."""
    # A message may quote what no encoding of text takes.
    told = Fault(message=harmless(refusal.message), hint=None if refusal.hint is None else harmless(refusal.hint))
    return JSONResponse(told.model_dump(), refusal.status, refusal.headers)

"""The application: what is answered at which address, and how whatever goes wrong is told."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from stackgan_cli.console import warn
from stackgan_cli.errors import DataError, SettingsError, StackganError, UsageError
from stackgan_cli.serving.drawing import generate, interpolate
from stackgan_cli.serving.guard import Guard
from stackgan_cli.serving.page import page, policy
from stackgan_cli.serving.refusals import RefusalError, fault
from stackgan_cli.serving.schema import (
    Fault,
    GenerateAnswer,
    GenerateRequest,
    Health,
    InterpolateAnswer,
    InterpolateRequest,
    Limits,
    Models,
    OfferedModel,
)
from stackgan_cli.serving.worker import stopping

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.responses import JSONResponse

    from stackgan_cli.serving.guard import Admission
    from stackgan_cli.serving.shelf import ModelShelf
    from stackgan_cli.serving.worker import Worker

Answer = TypeVar("Answer")

_DESCRIPTION = """Sentences in, pictures out. A picture depends on its sentence, its seed and the model alone, and its
PNG says how it was drawn. One request is drawn at a time; others wait, and when too many do, they are told to come
again (429, with `Retry-After`). Whatever is not done is answered with a message and a hint."""
_FAULTS = {
    400: "The request is no JSON.",
    401: "The token is missing or wrong.",
    403: "A page of another site asks.",
    404: "There is no such model.",
    408: "The request did not come to its end.",
    413: "The request is too large.",
    415: "The request is not declared as JSON.",
    421: "The server, which takes no token, is called by another name than those of this machine.",
    422: "Something in the request cannot be meant.",
    429: "Too many requests wait; `Retry-After` says after how many seconds to try again.",
    500: "The model cannot draw.",
    503: "The server is stopping, or too many connections are open.",
}


def application(shelf: ModelShelf, worker: Worker, admission: Admission) -> FastAPI:
    """Put the application together.

    Args:
        shelf: of the models.
        worker: that draws.
        admission: who is let in.
    """
    app = FastAPI(
        title="stackgan",
        version=version("stackgan-cli"),
        description=_DESCRIPTION,
        # Their pages fetch what shows them from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(_api(shelf, worker, secured=admission.token is not None))
    app.include_router(_open_to_all(worker))
    app.add_exception_handler(StackganError, _tell_fault)
    app.add_exception_handler(RequestValidationError, _tell_what_is_wrong)
    app.add_exception_handler(HTTPException, _tell_status)
    app.add_middleware(Guard, admission=admission, policy=policy())
    return app


def _api(shelf: ModelShelf, worker: Worker, *, secured: bool) -> APIRouter:
    """What programs call."""
    faults: dict[int | str, dict[str, Any]] = {
        status: {"model": Fault, "description": words} for status, words in _FAULTS.items()
    }
    api = APIRouter(prefix="/api", dependencies=[Depends(HTTPBearer(auto_error=False))] if secured else [])

    @api.get("/models", summary="What can be drawn with", responses={401: faults[401]})
    def models() -> Models:
        offered = [
            OfferedModel(
                name=name,
                stages=folder.stages,
                sides=[folder.stage_record(stage).resolution for stage in folder.stages],
            )
            for name, folder in shelf.folders().items()
        ]
        return Models(models=offered, limits=Limits())

    @api.post("/generate", summary="Draw pictures of a sentence", responses=faults)
    async def draw(asked: GenerateRequest, request: Request) -> GenerateAnswer:
        return await _done(worker, request, lambda go_on: generate(shelf, asked, go_on))

    @api.post("/interpolate", summary="Draw the way from one sentence to another", responses=faults)
    async def draw_way(asked: InterpolateRequest, request: Request) -> InterpolateAnswer:
        return await _done(worker, request, lambda go_on: interpolate(shelf, asked, go_on))

    return api


def _open_to_all(worker: Worker) -> APIRouter:
    """What is answered without a token."""
    open_to_all = APIRouter()

    @open_to_all.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page())

    @open_to_all.get("/health", summary="Whether the server is up", responses={503: {"model": Fault}})
    async def health() -> Health:
        if worker.stopping:
            raise stopping()
        return Health(status="ok", version=version("stackgan-cli"), waiting=worker.pending)

    return open_to_all


async def _done(worker: Worker, request: Request, work: Callable[[Callable[[], None]], Answer]) -> Answer:
    """Have something drawn, as long as whoever asked for it is there.

    Raises:
        RefusalError: too many wait, the server stops, or the drawing fails in a way that nobody foresaw.
        StackganError: it fails in another way.
    """
    job = worker.submit(work)
    drawn = asyncio.wrap_future(job.future)
    gone = asyncio.ensure_future(_gone(request))
    try:
        either: set[asyncio.Future[Any]] = {drawn, gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not drawn.done():
            raise RefusalError(408, "Nobody waits for the answer.")
        return drawn.result()
    except StackganError:
        raise
    except Exception as error:
        warn(f"A request failed: {type(error).__name__}: {error}")
        raise RefusalError(
            500, "Something unexpected happened.", "The terminal of stackgan serve says more."
        ) from error
    finally:
        gone.cancel()
        worker.abandon(job)


async def _gone(request: Request) -> None:
    """Wait until whoever asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _tell_fault(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RefusalError):
        return fault(error)
    assert isinstance(error, StackganError)
    asked_wrongly = isinstance(error, UsageError | DataError | SettingsError)
    if not asked_wrongly:
        warn(error.message)
    return fault(RefusalError(422 if asked_wrongly else 500, error.message, error.hint))


def _tell_what_is_wrong(_: Request, error: Exception) -> JSONResponse:
    """Name the first thing that cannot be meant, and give nothing back of what was sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return fault(RefusalError(400, "The request is no JSON."))
    where = ".".join(str(part)[:40] for part in first["loc"][1:]) or "The request"
    return fault(RefusalError(422, f"{where}: {first['msg'].removeprefix('Value error, ')}.", "GET /openapi.json"))


def _tell_status(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    known = {
        400: "The request is no JSON, or nested too deeply.",
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
    }
    words = known.get(error.status_code, "The request cannot be done.")
    return fault(RefusalError(error.status_code, words, "GET /openapi.json", error.headers))

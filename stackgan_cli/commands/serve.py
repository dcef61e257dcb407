"""``stackgan serve``: a page to play with, and an API for other programs."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from stackgan_cli.commands.options import Device, Json, Model, Precision
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.interrupts import INTERRUPTS, this_command

EPILOG = """Examples:

stackgan serve

stackgan serve --model birds --port 9000

STACKGAN_TOKEN=a-long-secret stackgan serve --host 0.0.0.0"""

_TOKEN = re.compile(r"[!-~]{8,200}")

Host = Annotated[
    str, typer.Option(help="Address to listen at; any that other machines can reach takes a token.", show_default=True)
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")]
Token = Annotated[
    str | None,
    typer.Option(
        help="What whoever calls must know; better in the variable, for other users of the machine see options.",
        envvar="STACKGAN_TOKEN",
        show_default="made by lot where one is needed",
    ),
]
MaxQueue = Annotated[
    int, typer.Option(min=1, max=500, help="Requests that may wait while one is drawn; others are told to come again.")
]


def serve(
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    max_queue: MaxQueue = 16,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Draw in a browser, and for other programs over a JSON API; Ctrl-C ends it (with the extra serve).

    Prints the address. What is asked for is drawn one after another.
    """
    _refuse_missing()
    from stackgan_cli.console import ConsoleProgress, out, patience, print_json, say, warn
    from stackgan_cli.models.finding import find_model
    from stackgan_cli.serving.server import serve as serving
    from stackgan_cli.serving.server import take_place

    if token is not None and not _TOKEN.fullmatch(token):
        raise UsageError("A token is 8 to 200 letters, digits and signs.", hint="none, and one is made by lot")
    given = token
    INTERRUPTS.promise(lambda: _what_was_done(0, given))
    folder, place = find_model(model, ConsoleProgress()), take_place(host, port)
    if token is None and not place.local:
        import secrets

        token = secrets.token_urlsafe(24)
    say(f"Serving the model {folder.name} ({folder.folder}).")
    with patience("Loading it, which takes longest the first time ..."):
        from stackgan_cli.machine import choose_machine
        from stackgan_cli.serving.application import application
        from stackgan_cli.serving.guard import Admission
        from stackgan_cli.serving.shelf import ModelShelf
        from stackgan_cli.serving.worker import Worker

        shelf = ModelShelf(folder, choose_machine(device, precision))
        notes = shelf.pipeline(None).notes
    for note in notes:
        warn(note)
    worker = Worker(max_queue)
    INTERRUPTS.promise(lambda: _what_was_done(worker.done, given))

    def announce() -> None:
        if json:
            print_json({"address": place.address, "token": token, "model": folder.name})
            return
        out.out(place.address if given == token else f"{place.address}/#token={token}", highlight=False)
        say("Ctrl-C ends it.")

    serving(application(shelf, worker, Admission(token, host)), place, worker, announce)


def _what_was_done(count: int, token: str | None) -> str:
    done = f"{count:,} request{' was' if count == 1 else 's were'} drawn, and nobody waits"
    # A token has no place on a screen.
    secret = set() if token is None else {"--token", token, f"--token={token}"}
    return f"Interrupted; {done}. This serves again: {this_command(secret)}"


def _refuse_missing() -> None:
    try:
        import fastapi
        import uvicorn
    except ImportError as error:
        raise SettingsError(
            f"Serving needs a package that is not here: {error.name}.", hint='pip install "stackgan-cli[serve]"'
        ) from error
    del fastapi, uvicorn

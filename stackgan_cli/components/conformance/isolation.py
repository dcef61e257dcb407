"""What a component must not do: reach for the network, unpickle, or work while it is imported."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from stackgan_cli.components.conformance.subject import UnmetError, require

IMPORT_SECONDS = 10.0
"""Longest time that importing a component's module may take, torch's own import aside."""

_NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
_UNPICKLING = "pickle.find_class"


class NetworkForbiddenError(OSError):
    """A component under check tried to reach the network."""


class _Watch:
    """Listens to the interpreter's audit events while it is told to.

    An audit hook sees what patched functions would miss: names imported before, and C code that opens sockets.
    It cannot be removed, so there is one for the process.
    """

    def __init__(self) -> None:
        self.listening = False
        self.installed = False
        self.network: list[str] = []
        self.unpickled: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.listening:
            return
        if event in _NETWORK_EVENTS and not _is_local(event, arguments):
            self.network.append(f"{event} {arguments[1:] if event == 'socket.connect' else arguments[:1]}")
            raise NetworkForbiddenError("the network is closed while a component is checked")
        if event == _UNPICKLING:
            self.unpickled.append(".".join(str(each) for each in arguments))


def _is_local(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a socket event concerns a socket file of this machine, as processes use among themselves."""
    return event in ("socket.connect", "socket.sendto") and isinstance(arguments[-1], str | bytes)


_WATCH = _Watch()


@contextlib.contextmanager
def isolated() -> Iterator[_Watch]:
    """Close the network and watch for unpickling; what was tried is in the lists of the watch."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    _WATCH.network, _WATCH.unpickled = [], []
    _WATCH.listening = True
    try:
        yield _WATCH
    finally:
        _WATCH.listening = False


_PROBE = """
import contextlib, importlib, io, json, os, sys, time
import torch
touched = []
def watch(event, arguments):
    if event in %(events)r and not isinstance(arguments[-1], (str, bytes)):
        touched.append(event)
        raise OSError("the network is closed while a component is imported")
sys.addaudithook(watch)
state = torch.random.get_rng_state()
printed = io.StringIO()
start = time.perf_counter()
error = missing = None
try:
    with contextlib.redirect_stdout(printed):
        importlib.import_module(%(module)r)
except BaseException as raised:
    error = type(raised).__name__ + ": " + str(raised)
    missing = getattr(raised, "name", None)
print(json.dumps({
    "error": error, "missing": missing, "seconds": time.perf_counter() - start, "network": touched,
    "files": os.listdir(), "printed": printed.getvalue()[:80],
    "random": not torch.equal(state, torch.random.get_rng_state()),
}))
"""


@functools.cache
def import_quietly(module: str) -> str:
    """Import a module in a fresh interpreter and see that nothing else happens.

    Returns:
        A remark with the seconds that it took.

    Raises:
        UnmetError: the import fails, is slow, prints, opens a socket, writes files or draws random numbers.
        ModuleNotFoundError: a fresh interpreter does not find the module by that name at all.
    """
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    code = _PROBE % {"module": module, "events": tuple(_NETWORK_EVENTS)}
    with tempfile.TemporaryDirectory() as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-c", code],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnmetError("importing the module takes more than two minutes") from None
    last = ended.stderr.strip().splitlines()[-1:] or ["and said nothing"]
    require(
        ended.returncode == 0 and bool(ended.stdout),
        f"importing the module ended Python with code {ended.returncode}: {last[0]}",
    )
    seen = json.loads(ended.stdout.splitlines()[-1])
    if seen["missing"] and (module == seen["missing"] or module.startswith(f"{seen['missing']}.")):
        raise ModuleNotFoundError(module)
    require(not seen["network"], f"importing the module reaches for the network ({', '.join(seen['network'][:2])})")
    require(seen["error"] is None, f"the module cannot be imported on its own: {seen['error']}")
    require(not seen["files"], f"importing the module writes files: {', '.join(seen['files'][:3])}")
    require(not seen["printed"], f"importing the module prints {seen['printed']!r}; stdout belongs to results")
    require(not seen["random"], "importing the module draws from torch's random numbers")
    require(seen["seconds"] < IMPORT_SECONDS, f"importing the module takes {seen['seconds']:.0f} s")
    return f"{seen['seconds']:.2f} s beside torch"

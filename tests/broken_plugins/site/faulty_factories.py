"""Factories that go wrong in different ways."""

from __future__ import annotations

import sys
from typing import Any

from stackgan_cli.errors import SettingsError

NOT_CALLABLE = 3
no_signature = type("Opaque", (), {"__call__": None, "__signature__": "none"})()


class RaisesOnBuild:
    def __init__(self, *, width: int = 8) -> None:
        raise ZeroDivisionError(f"{width} by zero")


def exits_on_build() -> Any:
    raise SystemExit(3)


def explains(*, width: int = 8) -> Any:
    raise SettingsError(f"A width of {width} is odd.", "width=2")


def noisy() -> Any:
    sys.stdout.write("I am built\n")
    return object()

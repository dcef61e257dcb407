"""Protocols by name: what they set, and what is missing before a number may be set beside the published ones."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stackgan_cli.errors import StackganError, UsageError
from stackgan_cli.manifests import Manifest, checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CaptionChoice = Literal[
    "one at random for each picture of the split, in turn",
    "at random among all of the split, none of them twice",
]
Reference = Literal["a real picture for each drawing", "every real picture of the split"]
IN_TURN: CaptionChoice = "one at random for each picture of the split, in turn"
FOR_EACH: Reference = "a real picture for each drawing"
EVERY: Reference = "every real picture of the split"


class Protocol(Manifest):
    """A way to measure that published numbers followed."""

    summary: str
    published: Annotated[list[str], Field(min_length=1)]
    """Numbers, and where they stand."""
    metric: str
    """That is compared; others are measured beside it."""
    extractor: str | None = None
    """That it is measured by, where it can be had."""
    generated: Annotated[int, Field(ge=1)]
    captions: CaptionChoice
    compared_with: Reference
    precision: Literal["float32", "bfloat16"]
    """That is drawn in, unless another one is asked for."""
    condition: Literal["sample", "mean"] | None = None
    """What is drawn with, a draw from the conditioning distribution or its mean; None where there was no such
    distribution, so that each model draws as it was made to."""
    requires: dict[str, Any]
    """Everything else that the number depended on, as it stands in the protocol of results."""

    def missing(self, facts: Mapping[str, Any], measured: Iterable[str]) -> list[str]:
        """Say what keeps a number from being set beside the published ones, a sentence each; nothing where it may be.

        Args:
            facts: the protocol of the results.
            measured: names of the metrics that were measured.
        """
        wanted = {
            "generated": self.generated,
            "captions": self.captions,
            "compared_with": self.compared_with,
            "precision": self.precision,
            **({} if self.condition is None else {"condition": self.condition}),
            **self.requires,
        }
        missing = list(_differences(wanted, facts))
        if self.metric not in measured:
            missing.append(f"The metric {self.metric!r} was not measured.")
        return missing


def protocol_names() -> list[str]:
    """Names of all protocols."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def find_protocol(name: str) -> Protocol:
    """Read a protocol.

    Raises:
        UsageError: there is none of this name.
    """
    known = protocol_names()
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, n=1)
        raise UsageError(
            f"There is no protocol {name!r}.",
            hint=f"Did you mean {close[0]}?" if close else f"one of {', '.join(known)}",
        )
    path = Path(__file__).parent / f"{name}.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return checked(Protocol, values, what=str(path), error=StackganError, hint="Install this program again.")


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for key, value in wanted.items():
        name = f"{within}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            inner = found.get(key)
            yield from _differences(value, inner if isinstance(inner, dict) else {}, f"{name}: ")
        elif key not in found:
            yield f"{name}: the published number had {_said(value)}, and of this one it is not known."
        elif found[key] != value:
            yield f"{name}: the published number had {_said(value)}, and this one has {_said(found[key])}."


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"

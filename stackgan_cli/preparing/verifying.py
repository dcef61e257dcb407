"""Whether the pictures of a source still hold the very bytes that were prepared."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.pictures.decoding import UnreadablePicture, fetch
from stackgan_cli.preparing.chunks import cores
from stackgan_cli.preparing.rendering import digest_of

if TYPE_CHECKING:
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.preparing.planning import Plan
    from stackgan_cli.progress import Report

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing a source with what was prepared came to."""

    compared: int
    changed: tuple[str, ...]
    """Names of the pictures whose bytes are others now."""
    gone: tuple[str, ...]
    """Names of the pictures that were prepared and that the source does not have any more."""


def compare(plan: Plan, data: PreparedData, report: Report) -> Comparison:
    """Hash the pictures of a source again and compare them with the hashes that were stored.

    Args:
        plan: how the data was prepared.
        data: what was prepared then.
        report: told how many pictures were compared.

    Raises:
        DataError: the source cannot be read.
    """
    known = {name: digest for name, digest in chain(data.train.digests(), data.test.digests()) if digest}
    wanted = (item for item in plan.reader.examples(plan.source) if isinstance(item, Example) and item.name in known)
    changed: list[str] = []
    compared = 0
    # Hashing and reading let other threads work meanwhile.
    with ThreadPoolExecutor(cores()) as pool:
        while batch := list(islice(wanted, _AT_ONCE)):
            for example, digest in zip(batch, pool.map(_digest, batch), strict=True):
                if digest != known.pop(example.name, digest):
                    changed.append(example.name)
            compared += len(batch)
            report(compared)
    return Comparison(compared, tuple(changed), tuple(known))


def _digest(example: Example) -> bytes:
    try:
        return digest_of(fetch(example.image) if callable(example.image) else example.image)
    except UnreadablePicture:
        return b""

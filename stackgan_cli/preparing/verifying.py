"""Whether the pictures of a source still hold the very bytes that were prepared."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.pictures.decoding import UnreadablePicture, fetch
from stackgan_cli.preparing.chunks import cores
from stackgan_cli.preparing.rendering import digest_of

if TYPE_CHECKING:
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.preparing.planning import Plan
    from stackgan_cli.progress import Progress

_AT_ONCE = 256
_NAMES_SHOWN = 5


def verify(plan: Plan, data: PreparedData, progress: Progress) -> None:
    """Tell whether the source's pictures are the ones that were prepared, byte by byte; drawn ones have no bytes.

    Raises:
        DataError: some are not, or the source cannot be read.
    """
    known = {name: digest for name, digest in chain(data.train.digests(), data.test.digests()) if digest}
    if not known:
        progress.say("These pictures are drawn, not read, so there are no bytes to compare.")
        return
    wanted = (item for item in plan.examples() if isinstance(item, Example) and item.name in known)
    changed: list[str] = []
    compared = 0
    # Hashing and reading let other threads work meanwhile.
    with progress.phase("Comparing contents") as report, ThreadPoolExecutor(cores()) as pool:
        while batch := list(islice(wanted, _AT_ONCE)):
            for example, digest in zip(batch, pool.map(_digest, batch), strict=True):
                if digest != known.pop(example.name, digest):
                    changed.append(example.name)
            compared += len(batch)
            report(compared)
    lists = ((changed, "hold other bytes than then"), (list(known), "are not in the source any more"))
    problems = [
        f"{len(names):,} {what} ({', '.join(names[:_NAMES_SHOWN])}{', ...' if len(names) > _NAMES_SHOWN else ''})"
        for names, what in lists
        if names
    ]
    if problems:
        raise DataError(
            f"Of {compared + len(known):,} pictures that were prepared, {' and '.join(problems)}.",
            hint=f"stackgan prepare --data {data.shell_name} --force, to prepare them again",
        )
    progress.say(f"The contents of {compared:,} pictures are what was prepared.")


def _digest(example: Example) -> bytes:
    try:
        return digest_of(fetch(example.image) if callable(example.image) else example.image)
    except UnreadablePicture:
        return b""

"""A published data set to a folder: its files downloaded and unpacked, and what has to be fetched by hand named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.downloads.downloading import download
from stackgan_cli.downloads.unpacking import is_unpacked, unpack
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgan_cli.downloads.addresses import PublishedData

DOWNLOADS = "downloads"
"""Folder of the archives while they come, inside the folder of the data set."""


def fetch(published: PublishedData, folder: Path, report: Callable[[str, int, int | None], None]) -> None:
    """Bring a published data set into a folder; what is there already is not fetched again.

    Args:
        published: its files.
        folder: gains the data set in the layout that its reader reads.
        report: told the name of the file, and how many of its bytes of how many have come.

    Raises:
        DataError: a file cannot be had, or some part has no public address and is not there yet.
        StackganError: something cannot be written.
    """
    for file in published.files:

        def tell(done: int, total: int | None, name: str = file.name) -> None:
            report(name, done, total)

        if file.inside is None:
            download(file, folder, report=tell)
        elif file.checksum is None or not is_unpacked(folder / file.inside, file.checksum, file.inside):
            archive = download(file, folder / DOWNLOADS, report=tell)
            unpack(archive, folder / file.inside, report=tell, inside=file.inside, checksum=file.checksum)
            archive.unlink()
    for part in published.by_hand:
        if not (folder / part.place).is_dir():
            raise DataError(f"{part.what[0].upper()}{part.what[1:]} are still missing in {folder}.", hint=part.steps)

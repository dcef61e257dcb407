"""A published data set to a folder: its files downloaded and unpacked, and what has to be fetched by hand named."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from stackgan_cli.downloads.downloading import download
from stackgan_cli.downloads.unpacking import is_unpacked, unpack
from stackgan_cli.errors import DataError
from stackgan_cli.files import remedy
from stackgan_cli.locks import only_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgan_cli.downloads.addresses import PublishedData, RemoteFile


def fetch(published: PublishedData, folder: Path, report: Callable[[str, int, int], None]) -> None:
    """Bring a published data set into a folder; what is there already is not fetched again.

    Args:
        published: its files.
        folder: gains the data set in the layout that its reader reads.
        report: told the name of the file, and how many of its bytes of how many have come.

    Raises:
        DataError: a file cannot be had, or some part has no public address and is not there yet.
        StackganError: something cannot be written, or another process is doing the same.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder, "downloading into"):
            for file in published.files:
                _bring(file, published.page, folder, partial(report, file.name))
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} could not be written: {error.strerror or error}.",
            f"{remedy(error)} What has come is kept.",
        ) from error
    for part in published.by_hand:
        if not (folder / part.place).is_dir():
            raise DataError(f"{part.what[0].upper()}{part.what[1:]} are still missing in {folder}.", hint=part.steps)


def _bring(file: RemoteFile, page: str, folder: Path, report: Callable[[int, int], None]) -> None:
    if file.inside is None:
        download(file, folder, page, report)
        return
    place = folder / file.inside
    if is_unpacked(place, file.checksum):
        return
    if os.path.lexists(place):
        raise DataError(
            f"{place} exists already, and is not what {file.name} unpacks to.", "Move it away, and run it again."
        )
    archive = download(file, folder, page, report)
    unpack(archive, place, file.checksum, report)
    archive.unlink()

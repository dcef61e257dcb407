"""Fetching one file over http or https: whole and right, or not at all, and no byte twice where the server allows.

What has come so far lies in ``NAME.part``; ``NAME.part.version`` beside it says which version of the server's file it
is the beginning of. Ranges and validators follow RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from itertools import chain
from typing import TYPE_CHECKING

import httpx2

from stackgan_cli.errors import DataError
from stackgan_cli.files import reach_disk, write_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgan_cli.downloads.addresses import RemoteFile

_ATTEMPTS = 6
"""Connections in a row that may break without bringing this many bytes:"""
_WORTHWHILE = 1 << 20
_LONGEST_PAUSE = 30.0
_WEB_PAGE = re.compile(rb"\s*<(!--|!doctype\s+html|html|head)\b", re.IGNORECASE)


def download(
    file: RemoteFile,
    folder: Path,
    page: str,
    report: Callable[[int, int], None],
    *,
    timeout: float = 60.0,
    pause: float = 1.0,
) -> Path:
    """Fetch a file, going on where an earlier run or a broken connection stopped.

    Proxies are those of the environment (``https_proxy`` and so on). Ctrl-C keeps what has come.

    Args:
        file: what to fetch, and what it should be.
        folder: where to put it; nobody else writes there.
        page: where a person finds the file with a browser.
        report: called with the bytes that are there and the bytes in all.
        timeout: seconds without a byte after which a connection counts as broken.
        pause: seconds before the second attempt; doubled before each further one, up to half a minute.

    Returns:
        The file. One that lies there already, whole and right, is not fetched again.

    Raises:
        DataError: it cannot be fetched, or is not the published file.
        OSError: it cannot be written.
    """
    target = folder / file.name
    if not target.exists():
        _Transfer(file, target, page, report).run(timeout, pause)
    elif fault := _fault(file, target):
        raise DataError(
            f"{target} is there, but it is not the published file, for {fault}.",
            f"Remove it to have it fetched again, or save {file.name} from {page} in its place.",
        )
    report(file.size, file.size)
    return target


def _fault(file: RemoteFile, path: Path) -> str | None:
    """Say in a clause how a file differs from the published one, or return None."""
    kind, _, wanted = file.checksum.partition(":")
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    return None if found == wanted.lower() else f"its {kind} sum is {found} and not {wanted}"


def _version(response: httpx2.Response) -> str:
    """Return what tells one version of a file from another byte by byte: a strong ETag, or else the time."""
    tag: str = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified", "") if tag.startswith("W/") else tag


def _may_pass(error: httpx2.HTTPError) -> bool:
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code in (408, 425, 429)
    return isinstance(error, httpx2.TransportError)


class _Transfer:
    """One file on its way."""

    def __init__(self, file: RemoteFile, target: Path, page: str, report: Callable[[int, int], None]) -> None:
        self._file, self._target, self._page, self._report = file, target, page, report
        self._part = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.version")

    def run(self, timeout: float, pause: float) -> None:
        """Fetch the rest, and give the file its own name if it is the published one."""
        self._check_room()
        hooks = {"request": [self._check_scheme]}
        with httpx2.Client(timeout=timeout, follow_redirects=True, event_hooks=hooks) as client:
            self._receive_all(client, pause)
        fault = _fault(self._file, self._part)
        self._note.unlink(missing_ok=True)
        if fault:
            self._part.unlink()
            raise self._failure(f"what came is not the published file, for {fault}; it was removed")
        reach_disk(self._part)
        self._part.replace(self._target)

    def _failure(self, what: str) -> DataError:
        return DataError(
            f"{self._file.address} could not be downloaded: {what}.",
            f"Run the same command again, which goes on where this one stopped; or open {self._page} in a browser and "
            f"save {self._file.name} in the folder {self._target.parent}.",
        )

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _check_room(self) -> None:
        free, missing = shutil.disk_usage(self._target.parent).free, self._file.size - self._size()
        if free < missing:
            raise DataError(
                f"The disk of {self._target.parent} has too little room for {self._file.name}: {missing:,} bytes are "
                f"to come, and {free:,} are free.",
                "Make room, or choose a folder on another disk.",
            )

    def _check_scheme(self, request: httpx2.Request) -> None:
        """Refuse to be led anywhere but to http and https, and from https to http."""
        allowed = ("https",) if self._file.address.startswith("https:") else ("http", "https")
        if request.url.scheme not in allowed:
            raise self._failure(f"it leads to {request.url}, which is not as safe")

    def _receive_all(self, client: httpx2.Client, pause: float) -> None:
        failures, furthest = 0, self._size()
        while self._size() != self._file.size:
            try:
                self._receive(client)
            except httpx2.HTTPError as error:
                if self._size() >= furthest + _WORTHWHILE:
                    failures, furthest = 0, self._size()
                failures += 1
                # A server that was not reached even once is unknown, not trusted, or not there.
                unreached = failures == 1 and isinstance(error, httpx2.ConnectError)
                if failures == _ATTEMPTS or unreached or not _may_pass(error):
                    words = str(error).partition("\n")[0] or type(error).__name__
                    kept = f"{self._size():,} of {self._file.size:,} bytes are kept"
                    raise self._failure(f"{words} (attempts in a row: {failures}; {kept})") from error
                time.sleep(min(pause * 2 ** (failures - 1), _LONGEST_PAUSE))

    def _receive(self, client: httpx2.Client) -> None:
        """Take what a server sends, as the whole file or as the rest of it."""
        size = self._file.size
        start = self._size() if self._size() < size else 0
        known = self._note.read_text(encoding="ascii", errors="ignore") if self._note.exists() else ""
        headers = {"User-Agent": "stackgan", "Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-"} | ({"If-Range": known} if known else {})
        with client.stream("GET", self._file.address, headers=headers) as response:
            response.raise_for_status()
            pieces = response.iter_raw()
            beginning = next(pieces, b"")
            rest = response.status_code == httpx2.codes.PARTIAL_CONTENT
            if not rest:
                self._check_whole(response, beginning)
            elif response.headers.get("Content-Range") != f"bytes {start}-{size - 1}/{size}" or (
                _version(response) not in ("", known)
            ):
                self._part.unlink(missing_ok=True)
                raise httpx2.RemoteProtocolError("the server sent another part than the one that was asked for")
            with self._part.open("ab" if rest else "wb") as part:
                if not rest:
                    write_text(self._note, _version(response))
                for piece in chain([beginning], pieces):
                    part.write(piece[: size - part.tell()])
                    self._report(part.tell(), size)
                    if part.tell() == size:
                        return
        raise httpx2.RemoteProtocolError("the connection ended early")

    def _check_whole(self, response: httpx2.Response, beginning: bytes) -> None:
        if response.headers.get("Content-Type", "").startswith("text/html") or _WEB_PAGE.match(beginning):
            raise self._failure("the server sent a web page in place of the file")
        stated = int(response.headers.get("Content-Length", self._file.size))
        if stated != self._file.size:
            raise self._failure(f"the server's file has {stated:,} bytes, and the published one {self._file.size:,}")

"""Fetching one file over http or https: whole and right, or not at all, and no byte twice where the server allows.

What has come so far lies in ``NAME.part``; ``NAME.part.json`` beside it says which file of the server it is the
beginning of. Ranges and validators follow RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackgan_cli.downloads.partial_file import PIECE, Origin, PartialFile, difference, on_disk
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgan_cli.downloads.addresses import RemoteFile

_LONGEST_PAUSE = 30.0
_MAY_PASS = frozenset((408, 425, 429))
_WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!--|!doctype\s+html\b|html\b|head\b)", re.IGNORECASE)


class _BrokenOffError(Exception):
    """A transfer ended early in a way that may pass; the message is a clause."""


class _RefusedRedirectError(Exception):
    """A server leads on to a place that is not gone to; the message is that address."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to fetch, and how."""

    file: RemoteFile
    target: Path
    report: Callable[[int, int | None], None]
    timeout: float

    def failure(self, what: str) -> DataError:
        return DataError(
            f"{self.file.address} could not be downloaded: {what}.",
            f"Run the same command again, which goes on where this one stopped; or open {self.file.page} in a browser "
            f"and save {self.file.name} in the folder {self.target.parent}.",
        )


def download(
    file: RemoteFile,
    folder: Path,
    *,
    report: Callable[[int, int | None], None],
    timeout: float = 60.0,
    attempts: int = 6,
    pause: float = 1.0,
) -> Path:
    """Fetch a file, going on where an earlier run or a broken connection stopped.

    Proxies are those of the environment (``https_proxy`` and so on). Ctrl-C keeps what has come.

    Args:
        file: what to fetch, and what it should be.
        folder: where to put it; made if missing.
        report: called with the bytes that are there and the bytes in all, None where the server does not say.
        timeout: seconds without a byte after which a connection counts as broken.
        attempts: connections in a row that may break without bringing anything new.
        pause: seconds before the second attempt; doubled before each further one, up to half a minute.

    Returns:
        The file, which has the published size and checksum where these are known. One that lies there already, whole
        and right, is not fetched again.

    Raises:
        DataError: it cannot be fetched, is not the published file, or cannot be written.
    """
    if Path(file.name).name != file.name or file.name in ("", ".", "..") or "\\" in file.name:
        raise DataError(f"{file.name!r} is no name for a file.", "Report this to whoever wrote the reader.")
    job = _Job(file, folder / file.name, report, timeout)
    if _is_there(job):
        return job.target
    with on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with PartialFile(file, job.target) as part:
        fault = _fetch_and_check(job, part, attempts, pause)
        if fault and part.joined:
            # The pieces may come from two versions of the file.
            part.start_over()
            fault = _fetch_and_check(job, part, attempts, pause)
        if fault:
            part.discard()
            raise job.failure(f"what came is not the published file, for {fault}; it was removed")
        part.publish()
    return job.target


def _is_there(job: _Job) -> bool:
    if not job.target.exists():
        return False
    if not job.target.is_file():
        raise DataError(f"{job.target} is in the way: it is not a file.", "Move it away.")
    fault = difference(job.file, job.target)
    if fault:
        raise DataError(
            f"{job.target} is there, but it is not the published file, for {fault}.",
            f"Remove it to have it fetched again, or save {job.file.name} from {job.file.page} in its place.",
        )
    size = job.target.stat().st_size
    job.report(size, size)
    return True


def _fetch_and_check(job: _Job, part: PartialFile, attempts: int, pause: float) -> str | None:
    """Return what is wrong with the file that came, or None."""
    _fetch(job, part, attempts, pause)
    return difference(job.file, part.path, part.flushed_digest())


def _fetch(job: _Job, part: PartialFile, attempts: int, pause: float) -> None:
    failures, furthest = 0, part.size
    while not part.whole:
        try:
            _attempt(job, part)
        except _BrokenOffError as broken:
            if part.size >= furthest + PIECE:
                failures, furthest = 0, part.size
            failures += 1
            if failures >= attempts:
                kept = f"; {part.size:,} bytes of it are kept" if part.size else ""
                raise job.failure(f"{broken}, {failures} times in a row{kept}") from broken
            time.sleep(min(pause * 2 ** (failures - 1), _LONGEST_PAUSE))


def _attempt(job: _Job, part: PartialFile) -> None:
    try:
        with _opener().open(_request(job, part), timeout=job.timeout) as response:
            _receive(job, part, response)
    except urllib.error.HTTPError as error:
        with error:
            _answer_to_refusal(job, part, error)
    except _RefusedRedirectError as refused:
        raise job.failure(f"it leads on to {refused}, which is not as safe") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _trouble(job, part, error) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise _RefusedRedirectError(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects)


def _request(job: _Job, part: PartialFile) -> urllib.request.Request:
    if urlsplit(job.file.address).scheme.lower() not in ("http", "https"):
        raise job.failure("only http and https addresses are fetched")
    headers = {"User-Agent": "stackgan", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.origin and part.origin.validator:
            headers["If-Range"] = part.origin.validator
    return urllib.request.Request(job.file.address, headers=headers)


def _receive(job: _Job, part: PartialFile, response: http.client.HTTPResponse) -> None:
    """Take what a server sends, as the whole file or as the rest of it."""
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise job.failure("the server sent a web page in place of the file")
    total = _stated_total(job, part, response)
    if job.file.size is not None and total is not None and total != job.file.size:
        raise job.failure(f"the server's file has {total:,} bytes, and the published one {job.file.size:,}")
    total = job.file.size if total is None else total
    first = response.read1(PIECE)
    if response.status == http.HTTPStatus.OK:
        if _WEB_PAGE.match(first[:2048]):
            raise job.failure("the server sent a web page in place of the file")
        part.begin(Origin(job.file.address, total, _validator(response)))
    else:
        part.go_on(total)
    _check_space(job, part, total)
    _copy(job, part, response, first, total)


def _stated_total(job: _Job, part: PartialFile, response: http.client.HTTPResponse) -> int | None:
    """Return the size of the whole file, as far as the answer states it."""
    if response.status == http.HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        chunked = response.headers.get("Transfer-Encoding") is not None
        return int(length) if length.isdecimal() and not chunked else None
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        raise job.failure(f"the server answered {response.status} {response.reason}")
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    known = part.origin.size if part.origin else None
    total = None if stated is None or stated[2] == "*" else int(stated[2])
    changed = known is not None and total is not None and known != total
    if part.origin and part.origin.validator and _validator(response):
        changed = changed or part.origin.validator != _validator(response)
    if stated is None or int(stated[1]) != part.size or changed:
        part.start_over()
        raise _BrokenOffError("the server sent another part than the one that was asked for")
    return known if total is None else total


def _validator(response: http.client.HTTPResponse) -> str | None:
    """Return what tells one version of a file from another byte by byte: a strong ETag, or else the time."""
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _copy(job: _Job, part: PartialFile, response: http.client.HTTPResponse, piece: bytes, total: int | None) -> None:
    reported = part.size
    job.report(part.size, total)
    while piece:
        part.write(piece if total is None else piece[: total - part.size])
        if part.size >= reported + PIECE:
            reported = part.size
            job.report(part.size, total)
        # Not `read`, which waits until all of a piece is there and so takes a trickle for a stall.
        piece = b"" if part.size == total else response.read1(PIECE)
    job.report(part.size, total)
    if total is not None and part.size < total:
        raise _BrokenOffError(f"the connection broke off after {part.size:,} of {total:,} bytes")
    part.complete()


def _answer_to_refusal(job: _Job, part: PartialFile, error: urllib.error.HTTPError) -> None:
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
        stated = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", "").strip())
        if part.size == (int(stated[1]) if stated else job.file.size):
            part.complete()
            return
        part.start_over()
        raise _BrokenOffError("the server has no such part of the file")
    answer = f"the server answered {error.code} {error.reason}"
    if error.code in _MAY_PASS or error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _BrokenOffError(answer)
    raise job.failure(answer)


def _trouble(job: _Job, part: PartialFile, error: Exception) -> Exception:
    """Tell a trouble of the network that may pass from one that stays."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return job.failure(f"the certificate of the server is not valid ({reason.verify_message})")
    if isinstance(reason, socket.gaierror) and not part.received:
        return job.failure("the name of the server is not known here; this machine may be offline")
    if isinstance(error, ValueError | http.client.InvalidURL) and not isinstance(error, OSError):
        return job.failure(f"the address or the answer is not valid ({error})")
    if isinstance(reason, TimeoutError):
        return _BrokenOffError(f"nothing came for {job.timeout:g} seconds")
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return _BrokenOffError(f"the connection failed ({words})")


def _check_space(job: _Job, part: PartialFile, total: int | None) -> None:
    with on_disk(job.target.parent):
        free = shutil.disk_usage(job.target.parent).free
    if total is not None and total - part.size > free:
        raise DataError(
            f"The disk of {job.target.parent} has too little room for {job.file.name}: "
            f"{total - part.size:,} bytes are to come, and {free:,} are free.",
            "Make room, or choose a folder on another disk.",
        )

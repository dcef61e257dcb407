"""Downloads from a server that does all that servers do: break off, stall, lie, change their mind, lead astray."""

from __future__ import annotations

import hashlib
import http.server
import os
import random
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.downloads.addresses import COCO, CUB, FLOWERS, RemoteFile
from stackgan_cli.downloads.downloading import download
from stackgan_cli.errors import DataError

CONTENT, OTHER = (random.Random(seed).randbytes(3 << 20) for seed in (0, 1))
SIZE, HALF = len(CONTENT), len(CONTENT) // 2
PAGE = "https://example.org/a-page-for-people"
WEB_PAGE = b"\n<!DOCTYPE html><html><body>Please log in.</body></html>"
TIME = "Mon, 01 Jan 2024 00:00:00 GMT"


class Site(http.server.ThreadingHTTPServer):
    """What the server holds, and how it answers: one of ``plan`` for each request in turn, then as it should."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.address = f"{'https' if context else 'http'}://127.0.0.1:{self.server_port}/data.tgz"
        self.content, self.plan, self.ranges, self.cut, self.location = CONTENT, [""][:0], True, HALF, ""
        self.versions: dict[str, str] = {"ETag": '"one"'}
        self.asked: list[tuple[str | None, str | None]] = []
        self.sent = 0
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, code: int, body: bytes | memoryview, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        site = self.server
        site.asked.append((self.headers["Range"], self.headers["If-Range"]))
        action = site.plan.pop(0) if site.plan else "serve"
        if action == "redirect":
            self.answer(302, b"", Location=site.location)
        elif action.isdecimal() or action.endswith("page"):
            disguised = action == "disguised page"
            kind, body = ("application/gzip", WEB_PAGE) if disguised else ("text/html; charset=utf-8", b"Log in.")
            self.answer(int(action) if action.isdecimal() else 200, body, Content_Type=kind)
        else:
            self.serve(action)

    def serve(self, action: str) -> None:
        site, start = self.server, 0
        same = self.headers["If-Range"] in (None, *site.versions.values()) or action == "deaf"
        if self.headers["Range"] and site.ranges and same:
            start = int(self.headers["Range"][6:-1])
        whole, headers = len(site.content), dict(site.versions)
        if action != "endless":
            headers["Content_Length"] = str(whole - start)
        if start:
            headers["Content_Range"] = f"bytes {start}-{whole - 1}/{whole}"
        end = start + site.cut if action in ("break", "stall") else whole
        body = memoryview(site.content)[start:end]
        site.sent += len(body)
        self.answer(206 if start else 200, body, **headers)
        self.wfile.flush()
        if action == "stall":
            site.over.wait(5)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made
        made.over.set()
        made.shutdown()


def fetch(site: Site, folder: Path, data: bytes = CONTENT, *, kind: str = "sha256", **options: Any) -> Path:
    """Download what should be ``data``."""
    file = RemoteFile(options.pop("address", site.address), len(data), f"{kind}:{hashlib.new(kind, data).hexdigest()}")
    return download(
        file, folder, PAGE, options.pop("report", lambda *_: None), **{"timeout": 5, "pause": 0.01} | options
    )


def refused(site: Site, folder: Path, words: str, *arguments: Any, **options: Any) -> None:
    """Check that the file does not come, and that the message says which, and how to get it by hand."""
    with pytest.raises(DataError, match=words) as error:
        fetch(site, folder, *arguments, **options)
    assert options.get("address", site.address) in error.value.message
    assert error.value.hint
    assert all(part in error.value.hint for part in (PAGE, "data.tgz", str(folder)))
    assert not (folder / "data.tgz").exists()


def interrupted(site: Site, folder: Path, data: bytes = CONTENT) -> int:
    """Press Ctrl-C amid a download; return how many bytes are kept."""

    def stop(done: int, _: int) -> None:
        if done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(site, folder, data, report=stop)
    kept = (folder / "data.tgz.part").stat().st_size
    assert HALF < kept < SIZE
    assert not (folder / "data.tgz").exists()
    site.asked.clear()
    return kept


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_only_once(site: Site, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    for kind in ("sha256", "md5"):
        path = fetch(site, tmp_path, kind=kind, report=lambda *numbers: reports.append(numbers))
        assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["data.tgz"]
    assert len(site.asked) == 1
    assert reports == sorted(reports)
    assert len(reports) > 3
    assert reports[-1] == (SIZE, SIZE)


@pytest.mark.parametrize(("action", "ranges"), [("break", True), ("stall", True), ("break", False)])
def test_a_broken_connection_is_resumed_or_where_there_are_no_ranges_started_over(
    site: Site, tmp_path: Path, action: str, ranges: bool
) -> None:
    site.plan, site.ranges = [action], ranges
    assert fetch(site, tmp_path, timeout=3.0).read_bytes() == CONTENT
    assert site.asked == [(None, None), (f"bytes={HALF}-", '"one"')]
    assert site.sent == (SIZE if ranges else HALF + SIZE)


@pytest.mark.parametrize(("versions", "told"), [({"ETag": '"x"'}, '"x"'), ({"Last-Modified": TIME}, TIME), ({}, None)])
def test_a_stopped_run_is_resumed_by_the_next_one(
    site: Site, tmp_path: Path, versions: dict[str, str], told: str | None
) -> None:
    site.versions = versions
    kept = interrupted(site, tmp_path)
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == [(f"bytes={kept}-", told)]
    assert names(tmp_path) == ["data.tgz"]


@pytest.mark.parametrize(("more", "asked"), [(b"", []), (b"more", [(None, None)])])
def test_all_of_it_or_more_had_come_when_the_last_run_was_killed(
    site: Site, tmp_path: Path, more: bytes, asked: list[Any]
) -> None:
    (tmp_path / "data.tgz.part").write_bytes(CONTENT + more)
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == asked


@pytest.mark.parametrize("behaviour", ["serve", "deaf"])
def test_a_file_that_changed_in_between_is_never_mixed(site: Site, tmp_path: Path, behaviour: str) -> None:
    interrupted(site, tmp_path, OTHER)
    # A deaf server sends the rest of the new file to whoever has the beginning of the old one.
    site.content, site.versions, site.plan = OTHER, {"ETag": '"two"'}, [behaviour]
    assert fetch(site, tmp_path, OTHER).read_bytes() == OTHER


@pytest.mark.parametrize("ranges", [True, False])
def test_it_gives_up_where_nothing_new_comes_and_keeps_what_has(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.plan, site.cut, site.ranges = ["break"] * 99, 1000, ranges
    kept = 6000 if ranges else 1000
    refused(site, tmp_path, f"attempts in a row: 6; {kept:,} of 3,145,728 bytes are kept")
    assert (tmp_path / "data.tgz.part").read_bytes() == CONTENT[:kept]


def test_connections_that_bring_much_may_break_as_often_as_they_like(site: Site, tmp_path: Path) -> None:
    data = CONTENT * 4
    site.content, site.plan, site.cut = data, ["break"] * 10, (1 << 20) + 5
    assert fetch(site, tmp_path, data).read_bytes() == data


def test_wrong_bytes_are_not_kept(site: Site, tmp_path: Path) -> None:
    site.content = OTHER
    refused(site, tmp_path, f"not the published file.*{hashlib.sha256(OTHER).hexdigest()}")
    assert names(tmp_path) == []
    site.content = CONTENT
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_another_size_is_refused_and_no_byte_too_many_written(site: Site, tmp_path: Path) -> None:
    kept = interrupted(site, tmp_path)
    site.content, site.ranges = CONTENT + b"more", False
    refused(site, tmp_path, "3,145,732 bytes, and the published one 3,145,728")
    assert (tmp_path / "data.tgz.part").stat().st_size == kept
    site.plan = ["endless"]
    assert fetch(site, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["page", "disguised page", "404", "403"])
def test_what_is_not_there_is_asked_for_once_and_costs_nothing(site: Site, tmp_path: Path, kind: str) -> None:
    kept = interrupted(site, tmp_path)
    site.plan = [kind]
    refused(site, tmp_path, kind if kind.isdecimal() else "web page")
    assert len(site.asked) == 1
    assert (tmp_path / "data.tgz.part").read_bytes() == CONTENT[:kept]


@pytest.mark.parametrize("code", ["500", "503", "429"])
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, code: str) -> None:
    site.plan = [code] * 8
    refused(site, tmp_path, f"{code}.*in a row: 6")
    assert fetch(site, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/data.tgz", "file:///etc/data.tgz", "http://no.invalid/data.tgz"]
)
def test_an_address_that_leads_nowhere(site: Site, tmp_path: Path, address: str) -> None:
    refused(site, tmp_path, "attempts in a row: 1|not as safe", address=address)


def test_redirects_are_followed_and_the_range_with_them(site: Site, tmp_path: Path) -> None:
    kept = interrupted(site, tmp_path)
    site.plan, site.location = ["redirect"], "/elsewhere/evil.exe"
    assert fetch(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == [(f"bytes={kept}-", '"one"')] * 2
    assert names(tmp_path) == ["data.tgz"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "/data.tgz", "http://["])
def test_redirects_that_lead_nowhere(site: Site, tmp_path: Path, location: str) -> None:
    site.plan, site.location = ["redirect"] * 300, location
    refused(site, tmp_path, "not as safe" if location[:4] in ("file", "ftp:") else "could not be downloaded")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_https_is_not_left_and_its_certificate_must_be_known(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    made = ["-keyout", tmp_path / "key", "-out", tmp_path / "certificate"]
    subprocess.run([*make.split(), *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with Site(context) as secure:
        refused(secure, tmp_path, "(?i)certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
        secure.plan, secure.location = ["redirect"], site.address
        refused(secure, tmp_path, "not as safe")
        assert site.asked == []
        assert fetch(secure, tmp_path).read_bytes() == CONTENT
        secure.shutdown()


def test_a_file_of_somebody_elses_in_its_place_is_kept(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.tgz").write_bytes(b"my own work")
    with pytest.raises(DataError, match="not the published file") as error:
        fetch(site, tmp_path)
    assert "Remove it" in str(error.value.hint)
    assert (tmp_path / "data.tgz").read_bytes() == b"my own work"
    assert site.asked == []


def test_a_disk_that_is_too_small(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=SIZE - 1))
    with pytest.raises(DataError, match=r"too little room.*3,145,728"):
        fetch(site, tmp_path)
    assert site.asked == []


@pytest.mark.parametrize("data", [CUB, FLOWERS, COCO], ids=lambda data: data.title)
def test_published_data_say_what_is_needed_to_check_them(data: Any) -> None:
    for file in data.files:
        kind, _, digest = file.checksum.partition(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(kind).digest_size


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="STACKGAN_TEST_DATA names no folder of real data")
def test_the_published_checksums_are_those_of_the_real_files(tmp_path: Path) -> None:
    for file in FLOWERS.files[1:]:
        shutil.copyfile(Path(os.environ["STACKGAN_TEST_DATA"]) / "oxford102" / file.name, tmp_path / file.name)
        assert download(file, tmp_path, PAGE, lambda *_: None).stat().st_size == file.size

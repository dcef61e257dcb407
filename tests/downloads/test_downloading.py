"""Downloads from a server that does all that servers do: break off, stall, lie, change their mind, lead astray."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import random
import re
import shutil
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli.downloads.addresses import COCO, CUB, FLOWERS, RemoteFile
from stackgan_cli.downloads.downloading import download
from stackgan_cli.errors import DataError

CONTENT = random.Random(0).randbytes(5 << 20)
OTHER = random.Random(1).randbytes(5 << 20)
HALF = len(CONTENT) // 2
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
PAGE = "https://example.org/a-page-for-people"
WEB_PAGE = b"\n<!DOCTYPE html><html><body>Please log in.</body></html>"


@dataclass
class Asked:
    """A request, and how much of the content was sent in answer."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


@dataclass
class Site:
    """What the server holds, and how it answers: one of ``plan`` for each request in turn, then as it should."""

    content: bytes = CONTENT
    plan: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ranges: bool = True
    cut: int = HALF
    location: str = ""
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    root: str = ""

    @property
    def address(self) -> str:
        return f"{self.root}/file.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    @property
    def site(self) -> Site:
        return self.server.site  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = Asked(self.path, self.headers["Range"], self.headers["If-Range"])
        self.site.asked.append(asked)
        action = self.site.plan.pop(0) if self.site.plan else "serve"
        if action == "redirect":
            self.answer(302, {"Location": self.site.location})
        elif action.isdecimal():
            self.answer(int(action), {"Content-Type": "text/html"}, WEB_PAGE)
        elif action == "page":
            self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, WEB_PAGE)
        elif action == "disguised page":
            self.answer(200, {"Content-Type": "application/octet-stream"}, WEB_PAGE)
        else:
            self.content(asked, action)

    def answer(self, code: int, headers: dict[str, str | None], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def content(self, asked: Asked, action: str) -> None:
        site, start = self.site, 0
        same = asked.if_range in (None, site.headers.get("ETag"), site.headers.get("Last-Modified"))
        if asked.range and site.ranges and (same or action == "deaf"):
            start = int(asked.range.removeprefix("bytes=").removesuffix("-"))
        whole = len(site.content)
        if start >= whole:
            self.answer(416, {"Content-Range": f"bytes */{whole}"})
            return
        length = whole - start + {"too long": 100, "too short": -100}.get(action, 0)
        headers = {**site.headers, "Content-Length": None if action.startswith("unstated") else str(length)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        end = min(whole, start + site.cut) if action in ("break", "stall", "unstated break") else whole
        self.answer(206 if start else 200, headers)
        asked.sent = end - start
        with memoryview(site.content)[start:end] as part:
            self.wfile.write(part)
        self.wfile.flush()
        if action == "stall":
            site.over.wait(5)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


def serve(site: Site, context: ssl.SSLContext | None = None) -> Server:
    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.site = site  # type: ignore[attr-defined]
    site.root = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    server = serve(made)
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()


def wanted(site: Site, **changes: Any) -> RemoteFile:
    standard: dict[str, Any] = {"name": "data.tgz", "address": site.address, "page": PAGE, "checksum": SHA}
    return RemoteFile(**(standard | changes))


def fetch(file: RemoteFile, folder: Path, **options: Any) -> tuple[Path, list[tuple[int, int | None]]]:
    reports: list[tuple[int, int | None]] = []
    quick = {"timeout": 5.0, "attempts": 3, "pause": 0.01}
    path = download(file, folder, report=lambda done, total: reports.append((done, total)), **(quick | options))
    return path, reports


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(site: Site, folder: Path, **changes: Any) -> int:
    """Press Ctrl-C amid a download; return how many bytes are kept."""

    def stop(done: int, _: int | None) -> None:
        if done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(wanted(site, **changes), folder, report=stop)
    kept = (folder / "data.tgz.part").stat().st_size
    assert HALF < kept < len(CONTENT)
    assert not (folder / "data.tgz").exists()
    site.asked.clear()
    return kept


def test_a_file_comes_whole_under_our_name_and_only_once(site: Site, tmp_path: Path) -> None:
    site.headers["Content-Disposition"] = 'attachment; filename="../../evil.sh"'
    path, reports = fetch(wanted(site, size=len(CONTENT)), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data.tgz"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["data.tgz"]
    assert reports == sorted(reports)
    assert len(reports) > 3
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    _, again = fetch(wanted(site), path.parent)
    assert again == [(len(CONTENT), len(CONTENT))]
    assert len(site.asked) == 1


def test_a_broken_connection_is_resumed_and_no_byte_asked_for_twice(site: Site, tmp_path: Path) -> None:
    site.plan = ["break"]
    path, _ = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None, f"bytes={HALF}-"]
    assert site.asked[1].if_range == '"one"'
    assert sum(asked.sent for asked in site.asked) == len(CONTENT)


def test_a_stopped_run_is_resumed_by_the_next_one(site: Site, tmp_path: Path) -> None:
    kept = interrupted(site, tmp_path)
    path, reports = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [f"bytes={kept}-"]
    assert reports[0] == (kept, len(CONTENT))
    assert names(tmp_path) == ["data.tgz"]


@pytest.mark.parametrize("headers", [{"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"ETag": 'W/"weak"'}])
def test_resuming_by_the_time_or_by_the_checksum_alone(site: Site, tmp_path: Path, headers: dict[str, str]) -> None:
    site.headers = headers
    kept = interrupted(site, tmp_path)
    path, _ = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [(asked.range, asked.if_range) for asked in site.asked] == [(f"bytes={kept}-", headers.get("Last-Modified"))]


def test_without_anything_to_tell_versions_by_it_starts_over(site: Site, tmp_path: Path) -> None:
    site.headers = {}
    interrupted(site, tmp_path, checksum=None)
    path, _ = fetch(wanted(site, checksum=None), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None]


def test_a_stall_counts_as_a_broken_connection(site: Site, tmp_path: Path) -> None:
    site.plan = ["stall"]
    started = time.monotonic()
    path, _ = fetch(wanted(site), tmp_path, timeout=0.3)
    assert time.monotonic() - started < 3
    assert path.read_bytes() == CONTENT
    assert sum(asked.sent for asked in site.asked) == len(CONTENT)


def test_it_gives_up_where_nothing_new_comes_and_says_all(site: Site, tmp_path: Path) -> None:
    site.plan, site.cut = ["break"] * 9, 1000
    with pytest.raises(DataError) as error:
        fetch(wanted(site), tmp_path, attempts=3)
    assert len(site.asked) == 3
    assert site.address in error.value.message
    assert "3,000 of 5,242,880" in error.value.message
    for part in (PAGE, "data.tgz", str(tmp_path)):
        assert part in str(error.value.hint)
    assert (tmp_path / "data.tgz.part").read_bytes() == CONTENT[:3000]


def test_connections_that_bring_much_may_break_as_often_as_they_like(site: Site, tmp_path: Path) -> None:
    site.plan, site.cut = ["break"] * 4, (1 << 20) + 5
    path, _ = fetch(wanted(site), tmp_path, attempts=2)
    assert path.read_bytes() == CONTENT
    assert len(site.asked) == 5


def test_a_server_without_ranges_that_always_breaks_does_not_loop(site: Site, tmp_path: Path) -> None:
    site.ranges, site.plan = False, ["break"] * 20
    with pytest.raises(DataError, match="broke off"):
        fetch(wanted(site), tmp_path, attempts=3)
    assert len(site.asked) <= 5


def test_a_server_that_ignores_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.ranges, site.plan = False, ["break"]
    path, reports = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked[1].range == f"bytes={HALF}-"
    assert site.asked[1].sent == len(CONTENT)
    assert max(done for done, _ in reports) == len(CONTENT)


@pytest.mark.parametrize("behaviour", ["serve", "deaf"])
@pytest.mark.parametrize("checksum", [None, f"md5:{hashlib.md5(OTHER).hexdigest()}"])
def test_a_file_that_changed_in_between_is_never_mixed(
    site: Site, tmp_path: Path, behaviour: str, checksum: str | None
) -> None:
    interrupted(site, tmp_path, checksum=checksum)
    # A deaf server sends the rest of the new file to whoever has the beginning of the old one.
    site.content, site.headers, site.plan = OTHER, {"ETag": '"two"'}, [behaviour]
    path, _ = fetch(wanted(site, checksum=checksum), tmp_path)
    assert path.read_bytes() == OTHER


def test_mixed_pieces_that_only_the_checksum_betrays_are_fetched_anew(site: Site, tmp_path: Path) -> None:
    site.headers = {}
    other = f"sha256:{hashlib.sha256(OTHER).hexdigest()}"
    interrupted(site, tmp_path, checksum=other)
    site.content = OTHER
    path, _ = fetch(wanted(site, checksum=other), tmp_path)
    assert path.read_bytes() == OTHER
    assert [asked.range is None for asked in site.asked] == [False, True]


@pytest.mark.parametrize("checksum", [SHA, None])
def test_a_length_that_is_too_long(site: Site, tmp_path: Path, checksum: str | None) -> None:
    site.plan = ["too long"]
    path, _ = fetch(wanted(site, checksum=checksum), tmp_path)
    assert path.read_bytes() == CONTENT
    assert sum(asked.sent for asked in site.asked) == len(CONTENT)


def test_a_length_that_is_too_long_every_time(site: Site, tmp_path: Path) -> None:
    site.plan, site.ranges = ["too long"] * 9, False
    with pytest.raises(DataError, match="broke off after 5,242,880 of 5,242,980"):
        fetch(wanted(site), tmp_path)


def test_a_length_that_is_too_short(site: Site, tmp_path: Path) -> None:
    site.plan = ["too short"]
    with pytest.raises(DataError, match="not the published file"):
        fetch(wanted(site), tmp_path)
    assert names(tmp_path) == []


def test_another_size_than_the_published_one_is_refused_before_it_comes(site: Site, tmp_path: Path) -> None:
    kept = interrupted(site, tmp_path)
    with pytest.raises(DataError, match="5,242,880 bytes, and the published one 9") as error:
        fetch(wanted(site, size=9), tmp_path)
    assert PAGE in str(error.value.hint)
    assert (tmp_path / "data.tgz.part").stat().st_size == kept


def test_a_server_that_states_no_length(site: Site, tmp_path: Path) -> None:
    site.plan = ["unstated"]
    path, reports = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert reports[0] == (0, None)
    path.unlink()
    site.plan = ["unstated break"]
    path, _ = fetch(wanted(site, size=len(CONTENT)), tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked[-1].range == f"bytes={HALF}-"


@pytest.mark.parametrize("checksum", [SHA, f"md5:{hashlib.md5(CONTENT).hexdigest().upper()}"])
def test_wrong_bytes_are_not_kept(site: Site, tmp_path: Path, checksum: str) -> None:
    site.content = OTHER
    with pytest.raises(DataError) as error:
        fetch(wanted(site, checksum=checksum), tmp_path)
    assert site.address in error.value.message
    assert checksum.partition(":")[2] in error.value.message
    assert PAGE in str(error.value.hint)
    assert names(tmp_path) == []
    assert len(site.asked) == 1
    site.content = CONTENT
    assert fetch(wanted(site, checksum=checksum), tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["page", "disguised page"])
def test_a_web_page_is_no_file_and_costs_nothing(site: Site, tmp_path: Path, kind: str) -> None:
    kept = interrupted(site, tmp_path)
    site.plan = [kind]
    with pytest.raises(DataError, match="web page") as error:
        fetch(wanted(site), tmp_path)
    assert PAGE in str(error.value.hint)
    assert (tmp_path / "data.tgz.part").read_bytes() == CONTENT[:kept]


@pytest.mark.parametrize("code", ["404", "403", "410"])
def test_what_is_not_there_is_asked_for_once(site: Site, tmp_path: Path, code: str) -> None:
    site.plan = [code]
    with pytest.raises(DataError, match=code) as error:
        fetch(wanted(site), tmp_path)
    assert len(site.asked) == 1
    assert site.address in error.value.message
    assert PAGE in str(error.value.hint)


@pytest.mark.parametrize("code", ["500", "503", "429"])
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, code: str) -> None:
    site.plan = [code, code]
    assert fetch(wanted(site), tmp_path)[0].read_bytes() == CONTENT
    (tmp_path / "data.tgz").unlink()
    site.plan = [code] * 9
    with pytest.raises(DataError, match=f"{code}.*3 times"):
        fetch(wanted(site), tmp_path)


def test_nobody_listens(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused"):
        fetch(wanted(site, address="http://127.0.0.1:1/file.bin"), tmp_path)
    with pytest.raises(DataError, match="only http"):
        fetch(wanted(site, address="file:///etc/passwd"), tmp_path)
    started = time.monotonic()
    with pytest.raises(DataError, match="name of the server"):
        fetch(wanted(site, address="http://no-such-host.invalid/file.bin"), tmp_path, pause=9)
    assert time.monotonic() - started < 8


def test_redirects_are_followed_and_the_range_with_them(site: Site, tmp_path: Path) -> None:
    kept = interrupted(site, tmp_path)
    site.plan, site.location = ["redirect"], "/elsewhere/evil.exe"
    path, _ = fetch(wanted(site), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [(asked.path, asked.range) for asked in site.asked] == [
        ("/file.bin", f"bytes={kept}-"),
        ("/elsewhere/evil.exe", f"bytes={kept}-"),
    ]
    assert names(tmp_path) == ["data.tgz"]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "/file.bin", "http://[", ""]
)
def test_redirects_that_lead_nowhere(site: Site, tmp_path: Path, location: str) -> None:
    site.plan, site.location = ["redirect"] * 30, location
    with pytest.raises(DataError) as error:
        fetch(wanted(site), tmp_path)
    assert site.address in error.value.message
    assert not (tmp_path / "data.tgz").exists()


def test_https_is_not_left_and_its_certificate_must_be_known(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = Site()
    server = serve(secure, context)
    try:
        with pytest.raises(DataError, match="certificate"):
            fetch(wanted(secure), tmp_path / "data")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        secure.plan, secure.location = ["redirect"], site.address
        with pytest.raises(DataError, match=re.escape(site.address)):
            fetch(wanted(secure), tmp_path / "data")
        assert site.asked == []
        assert fetch(wanted(secure), tmp_path / "data")[0].read_bytes() == CONTENT
    finally:
        server.shutdown()
        server.server_close()


def test_the_proxy_of_the_environment(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.root)
    path, _ = fetch(wanted(site, address="http://no-such-host.invalid/file.bin"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert site.asked[0].path == "http://no-such-host.invalid/file.bin"


def test_all_had_come_when_the_last_run_was_killed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.tgz.part").write_bytes(CONTENT)
    note = {"address": site.address, "size": len(CONTENT), "validator": '"one"'}
    (tmp_path / "data.tgz.part.json").write_text(json.dumps(note))
    assert fetch(wanted(site), tmp_path)[0].read_bytes() == CONTENT
    assert site.asked == []
    (tmp_path / "data.tgz").rename(tmp_path / "data.tgz.part")
    (tmp_path / "data.tgz.part.json").write_text(json.dumps({**note, "size": None}))
    assert fetch(wanted(site), tmp_path)[0].read_bytes() == CONTENT
    assert [asked.sent for asked in site.asked] == [0]


def test_more_had_come_than_the_server_has(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.tgz.part").write_bytes(CONTENT + b"more")
    note = {"address": site.address, "size": None, "validator": '"one"'}
    (tmp_path / "data.tgz.part.json").write_text(json.dumps(note))
    assert fetch(wanted(site), tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    "note",
    [
        None,
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"address": "http://elsewhere/file.bin", "size": 5242880, "validator": "x"}',
        '{"address": "ADDRESS", "size": "many", "validator": "x"}',
        '{"address": "ADDRESS", "size": -1, "validator": "x"}',
        '{"address": "ADDRESS", "size": null, "validator": "x\\r\\nEvil: yes"}',
        '{"address": "ADDRESS", "size": null, "validator": 7}',
        '{"address": "ADDRESS", "size": 10, "validator": "x"}',
    ],
)
def test_a_beginning_that_is_not_known_is_not_used(site: Site, tmp_path: Path, note: str | None) -> None:
    (tmp_path / "data.tgz.part").write_bytes(b"not the beginning of it")
    if note is not None:
        (tmp_path / "data.tgz.part.json").write_text(note.replace("ADDRESS", site.address))
    path, _ = fetch(wanted(site, checksum=None), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in site.asked] == [None]


@pytest.mark.parametrize("changes", [{}, {"checksum": None, "size": 9}])
def test_a_file_of_somebody_elses_in_its_place_is_kept(site: Site, tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "data.tgz").write_bytes(b"my own work")
    with pytest.raises(DataError, match="not the published file") as error:
        fetch(wanted(site, **changes), tmp_path)
    assert "Remove it" in str(error.value.hint)
    assert (tmp_path / "data.tgz").read_bytes() == b"my own work"
    assert site.asked == []


@pytest.mark.parametrize("name", ["../data.tgz", "/data.tgz", "..", "", "a\\b"])
def test_a_name_is_a_name(site: Site, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no name"):
        fetch(wanted(site, name=name), tmp_path / "folder")
    assert site.asked == []


def test_a_disk_that_is_too_small(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(CONTENT) - 1))
    with pytest.raises(DataError, match=r"too little room.*5,242,880"):
        fetch(wanted(site), tmp_path)
    assert (tmp_path / "data.tgz.part").stat().st_size == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_disk_that_fills_up_on_the_way(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.tgz.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="disk is full"):
        fetch(wanted(site), tmp_path)
    assert len(site.asked) == 1


def test_a_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        fetch(wanted(site), tmp_path / "file" / "folder")
    (tmp_path / "data.tgz").mkdir()
    with pytest.raises(DataError, match="in the way"):
        fetch(wanted(site), tmp_path)
    assert site.asked == []


def test_two_runs_do_not_write_one_file(site: Site, tmp_path: Path) -> None:
    site.plan = ["stall"]
    first = threading.Thread(target=fetch, args=(wanted(site), tmp_path))
    first.start()
    while not site.asked or not (tmp_path / "data.tgz.part.json").exists():
        time.sleep(0.01)
    with pytest.raises(DataError, match="another run"):
        fetch(wanted(site), tmp_path)
    site.over.set()
    first.join()
    assert (tmp_path / "data.tgz").read_bytes() == CONTENT


def test_memory_stays_flat(site: Site, tmp_path: Path) -> None:
    site.content = bytes(48 << 20)
    tracemalloc.start()
    try:
        fetch(wanted(site, checksum=f"sha256:{hashlib.sha256(site.content).hexdigest()}"), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [CUB, FLOWERS, COCO], ids=lambda data: data.title)
def test_published_data_say_what_is_needed_to_fetch_and_to_check_them(data: Any) -> None:
    places = [file.inside or file.name for file in data.files] + [hand.place for hand in data.by_hand]
    assert len(set(places)) == len(places)
    for file in data.files:
        kind, _, digest = file.checksum.partition(":")
        assert len(digest) == 2 * hashlib.new(kind).digest_size
        bytes.fromhex(digest)
        assert file.address.startswith(("https://", "http://"))
        assert file.address.endswith(f"/{file.name}")


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="STACKGAN_TEST_DATA names no folder of real data")
def test_the_published_checksums_are_those_of_the_real_files(tmp_path: Path) -> None:
    real = Path(os.environ["STACKGAN_TEST_DATA"]) / "oxford102"
    for file in FLOWERS.files[1:]:
        shutil.copyfile(real / file.name, tmp_path / file.name)
        assert fetch(file, tmp_path)[1] == [(file.size, file.size)]

"""Who is let in, and what browsers are told about answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

TOKEN = "a-long-secret"
ASKED = {"prompt": "a bird"}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST", "127.0.0.1"])
def test_names_of_this_machine_are_let_in(client: TestClient, host: str) -> None:
    assert client.get("/api/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil", ""])
@pytest.mark.parametrize("path", ["/api/models", "/health", "/openapi.json"])
def test_a_name_that_was_led_here_is_not(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "evil" not in answer.text


def test_pages_of_other_sites_may_not_ask(client: TestClient) -> None:
    own = client.post("/api/generate", json=ASKED, headers={"Origin": "http://127.0.0.1:8000"})
    assert own.status_code == 200
    for origin in ("https://evil.example", "http://127.0.0.1:9000", "null"):
        assert client.post("/api/generate", json=ASKED, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_what_is_declared_as_json_is_read(client: TestClient, kind: str) -> None:
    # Pages of other sites may send the others without being asked whether they may.
    answer = client.post("/api/generate", content=b'{"prompt": "a bird"}', headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, b"Bearer \xff"],
)
def test_without_the_token_nobody_draws(served: Callable[..., TestClient], authorization: Any) -> None:
    client = served(TOKEN)
    headers = {} if authorization is None else {"Authorization": authorization}
    for answer in (
        client.post("/api/generate", json=ASKED, headers=headers),
        client.get("/api/models", headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text
    for path in ("/", "/health", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_with_the_token_one_may_call_from_anywhere(served: Callable[..., TestClient]) -> None:
    headers = {"Authorization": f"bearer {TOKEN}", "Host": "birds.example", "Origin": "https://birds.example"}
    answer = served(TOKEN).post("/api/generate", json=ASKED, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/nonesuch", "/api/generate"])
def test_every_answer_tells_browsers_to_run_nothing(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("length", ["99999999999999999999", "-1", "x", "\u0663"])
def test_a_length_that_is_none_does_no_harm(client: TestClient, length: str) -> None:
    headers = {"Content-Length": length.encode(), "Content-Type": "application/json"}
    answer = client.post("/api/generate", content=b"{}", headers=headers)
    assert 400 <= answer.status_code < 500

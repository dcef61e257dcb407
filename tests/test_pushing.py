"""``stackgan push`` against a stand-in for the Hugging Face Hub, which keeps what it is given."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import yaml
from PIL import Image

from stackgan_cli import Pipeline

MAY_WRITE, MAY_READ = "hf_may_write", "hf_may_read"
COMMIT = "a" * 40


@dataclass
class Repository:
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as it takes to make a repository and to upload files into it, large ones apart."""

    repositories: dict[str, Repository]
    large: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/models/")
        repository = self.repositories.get(name)
        if self.token() is None:
            self.answer({"error": "Invalid credentials"}, 401)
        elif repository is None:
            self.answer({"error": "Repository not found"}, 404, "RepoNotFound")
        else:
            siblings = [{"rfilename": each} for each in repository.files]
            self.answer({"id": name, "sha": COMMIT, "private": repository.private, "siblings": siblings})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/validate-yaml":
            errors = [] if isinstance(front_matter(json.loads(body)["content"]), dict) else [{"message": "no"}]
            self.answer({"errors": errors, "warnings": []}, 400 if errors else 200)
        elif self.token() != MAY_WRITE:
            self.answer({"error": "Forbidden"}, 403)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.repositories[name] = Repository(private_of(asked), {".gitattributes": b""})
            self.answer({"url": f"{self.place}/{name}"})
        elif self.path.endswith("/preupload/main"):
            modes = [("lfs" if each["size"] > 2000 else "regular", each) for each in json.loads(body)["files"]]
            files = [{"path": each["path"], "uploadMode": mode, "shouldIgnore": False} for mode, each in modes]
            self.answer({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                each | {"actions": {"upload": {"href": f"{self.place}/large/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": objects})
        else:
            self.commit(self.path.split("/api/models/")[1].removesuffix("/commit/main"), body)

    def do_PUT(self) -> None:
        self.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def commit(self, name: str, body: bytes) -> None:
        repository = self.repositories[name]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.large[value["oid"]]
                assert hashlib.sha256(content).hexdigest() == value["oid"]
                repository.files[value["path"]] = content
        repository.commits += 1
        self.answer({"commitUrl": f"{self.place}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

    @property
    def place(self) -> str:
        return f"http://{self.headers['Host']}"

    def token(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return token if token in (MAY_WRITE, MAY_READ) else None

    def answer(self, value: Any, code: int = 200, error: str | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        if error is not None:
            self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def private_of(asked: dict[str, Any]) -> bool:
    """Whether a repository is to be private, as earlier and later versions of the library ask for it."""
    return bool(asked.get("private")) or asked.get("visibility") == "private"


def front_matter(card: str) -> Any:
    beginning, matter, _ = card.split("---\n", 2)
    assert beginning == ""
    return yaml.safe_load(matter)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Repository]]:
    """The repositories of a Hub of this test's own, which knows this machine."""
    repositories: dict[str, Repository] = {}
    handler = type("Served", (Hub,), {"repositories": repositories, "large": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    huggingface_hub.close_session()
    for name, value in (
        ("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}"),
        ("HF_TOKEN", MAY_WRITE),
        ("NO_PROXY", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
    for name, value in (("HF_TOKEN_PATH", str(tmp_path / "no-token")), ("HF_HUB_DISABLE_XET", True)):
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    yield repositories
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


@pytest.fixture
def push(stackgan: Callable[..., Any], model: Path, hub: dict[str, Repository]) -> Callable[..., Any]:
    return lambda *arguments: stackgan("push", "birds", *arguments)


def test_what_is_pushed_draws_the_same_elsewhere(
    push: Callable[..., Any], hub: dict[str, Repository], model: Path, tmp_path: Path
) -> None:
    done = push("me/little-birds", "--json")
    assert done.code == 0, done.err
    pushed = hub["me/little-birds"]
    assert done.json["uploaded"].endswith(f"/me/little-birds/commit/{COMMIT}")
    assert done.json["files"] == {
        name: len(content) for name, content in sorted(pushed.files.items()) if name != ".gitattributes"
    }
    assert (pushed.private, pushed.commits) == (False, 1)
    for name, content in pushed.files.items():
        (tmp_path / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "there" / name).write_bytes(content)
    there = Pipeline.from_pretrained(tmp_path / "there")
    assert np.array_equal(
        np.asarray(there.draw("a red bird", seed=3)),
        np.asarray(Pipeline.from_pretrained(model).draw("a red bird", seed=3)),
    )
    assert not [name for name in pushed.files if "discriminator" in name or "checkpoints" in name]


def test_the_card_has_front_matter_and_shows_samples_that_are_there(
    push: Callable[..., Any], hub: dict[str, Repository]
) -> None:
    assert push("me/birds").code == 0
    pushed = hub["me/birds"].files
    card = pushed["README.md"].decode()
    assert front_matter(card)["pipeline_tag"] == "text-to-image"
    assert "# birds" in card
    assert "me/birds" in card
    shown = [line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")]
    assert len(shown) == 2
    assert all(Image.open(io.BytesIO(pushed[path])).width > 0 for path in shown)


def test_the_card_shows_the_sentences_that_were_asked_for(
    push: Callable[..., Any], hub: dict[str, Repository], model: Path
) -> None:
    assert push("me/birds", "--prompt", "a red bird", "--prompt", "it's a\nblue bird").code == 0
    pushed = hub["me/birds"].files
    card = pushed["README.md"].decode()
    assert """`stackgan generate 'a red bird' 'it'"'"'s a blue bird' -n 2 --seed 0`""" in card
    assert card.count("![") == 1
    sheet = np.asarray(Image.open(io.BytesIO(pushed["samples.png"])))
    drawn = np.asarray(Pipeline.from_pretrained(model).draw("a red bird", seed=0))
    assert any(
        np.array_equal(sheet[top : top + 64, left : left + 64], drawn) for top in range(20) for left in range(20)
    )


def test_a_dry_run_lists_files_and_bytes_and_needs_nobody(
    push: Callable[..., Any], hub: dict[str, Repository], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    done = push("me/birds", "--dry-run")
    assert done.code == 0, done.err
    weights = (model / "stage2" / "model.safetensors").stat().st_size
    assert any("stage2/model.safetensors" in line and str(weights) in line for line in done.out.splitlines())
    assert done.says("Nothing was uploaded")
    assert not hub


def test_without_a_token_there_is_one_thing_to_do(
    push: Callable[..., Any], hub: dict[str, Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    done = push("me/birds")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "Try: hf auth login"
    assert not hub


@pytest.mark.parametrize(
    ("token", "words"), [("hf_stale", "does not know the token"), (MAY_READ, "may not write to me/birds")]
)
def test_a_token_that_does_not_do_is_told(
    push: Callable[..., Any],
    hub: dict[str, Repository],
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    words: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    done = push("me/birds")
    assert done.code == 1
    assert done.says(words, "hf auth login")
    assert "hf_" not in done.err
    assert not hub


def test_a_repository_of_something_else_or_one_that_everybody_sees_is_left_alone(
    push: Callable[..., Any], hub: dict[str, Repository]
) -> None:
    hub["me/others"] = Repository(files={"README.md": b"# another", "weights.bin": b"1"})
    done = push("me/others")
    assert done.code == 2
    assert done.says("me/others holds something that is no model")
    assert push("me/birds").code == 0
    again = push("me/birds", "--private")
    assert again.code == 2
    assert again.says("me/birds is there and public")
    assert (hub["me/others"].commits, hub["me/birds"].commits) == (0, 1)
    assert push("me/hidden", "--private").code == 0
    assert hub["me/hidden"].private
    assert push("me/birds").code == 0
    assert hub["me/birds"].commits == 2


@pytest.mark.parametrize("name", ["birds", "a/b/c", "../x", "me/", "/birds", "me/two words", "me/a--b", "https://x/y"])
def test_names_that_are_none_are_refused(push: Callable[..., Any], hub: dict[str, Repository], name: str) -> None:
    done = push(name)
    assert done.code == 2
    assert done.says("OWNER/NAME")


def test_a_hub_that_is_not_there_and_a_model_that_does_not_draw(
    push: Callable[..., Any], hub: dict[str, Repository], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = model / "stage1" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-9])
    assert push("me/birds").code == 5
    weights.write_bytes(content)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    done = push("me/birds")
    assert done.code == 1
    assert done.says("cannot be reached")
    assert "Traceback" not in done.err
    assert not hub

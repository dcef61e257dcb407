"""``push`` and ``hf:OWNER/NAME`` against a stand-in for the Hugging Face Hub, which gives out what it was given."""

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
    """As much of the Hub as it takes to make a repository, to upload files into it, large ones apart, and to fetch."""

    repositories: dict[str, Repository]
    large: dict[str, bytes]
    asked: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name, _, rest = (
            path.removeprefix("/api/models/")
            .removeprefix("/")
            .partition("/revision/" if path.startswith("/api/") else "/resolve/")
        )
        revision, _, file = rest.partition("/")
        repository = self.repositories.get(name)
        if self.headers.get("Authorization") is not None and self.token() is None:
            self.answer({"error": "Invalid credentials"}, 401)
        elif repository is None or (repository.private and self.token() is None):
            self.answer({"error": "Repository not found"}, 404 if self.token() else 401, "RepoNotFound")
        elif revision not in ("", "main", "v1", COMMIT):
            self.answer({"error": "Invalid rev id"}, 404, "RevisionNotFound")
        elif file:
            self.asked.append(file)
            self.answer(repository.files[file])
        else:
            siblings = [{"rfilename": each, "size": len(content)} for each, content in repository.files.items()]
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
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = hashlib.sha256(content).hexdigest()
        told = {"X-Error-Code": error, "X-Repo-Commit": COMMIT, "ETag": f'"{digest}"', "Content-Length": len(content)}
        self.send_response(code)
        for name, header in told.items():
            if header is not None:
                self.send_header(name, str(header))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def private_of(asked: dict[str, Any]) -> bool:
    """Whether a repository is to be private, as earlier and later versions of the library ask for it."""
    return bool(asked.get("private")) or asked.get("visibility") == "private"


def front_matter(card: str) -> Any:
    beginning, matter, _ = card.split("---\n", 2)
    assert beginning == ""
    return yaml.safe_load(matter)


@pytest.fixture
def asked() -> list[str]:
    """Files that were fetched."""
    return []


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[str]) -> Iterator[dict[str, Repository]]:
    """The repositories of a Hub of this test's own, which knows this machine."""
    repositories: dict[str, Repository] = {}
    handler = type("Served", (Hub,), {"repositories": repositories, "large": {}, "asked": asked})
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
    assert """`stackgan generate 'a red bird' 'it'"'"'s a blue bird' -n 2 --seed 0 --model hf:me/birds`""" in card
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


@pytest.fixture
def shared(model: Path, hub: dict[str, Repository], home: Path) -> Repository:
    """The repository me/birds, which holds the model birds, whose folder this home has no more."""
    wanted = [path for path in model.rglob("*") if path.is_file() and "training" not in path.parts]
    hub["me/birds"] = Repository(files={path.relative_to(model).as_posix(): path.read_bytes() for path in wanted})
    model.rename(home.parent / "put-away")
    return hub["me/birds"]


def test_a_model_of_the_hub_draws_by_its_name_and_needs_no_network_from_then_on(
    stackgan: Callable[..., Any],
    shared: Repository,
    tmp_path: Path,
    home: Path,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    first = stackgan("generate", "a red bird", "--seed", 3, "--model", "hf:me/birds", "-o", tmp_path)
    assert first.code == 0, first.err
    assert first.err.count("Fetching me/birds") == 1
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    again = stackgan("generate", "--again", first.out.strip(), "-o", tmp_path)
    assert again.code == 0, again.err
    here = np.asarray(Pipeline.from_pretrained(tmp_path / "put-away").draw("a red bird", seed=3))
    assert all(np.array_equal(np.asarray(Image.open(done.out.strip())), here) for done in (first, again))
    assert np.array_equal(np.asarray(Pipeline.from_pretrained("hf:me/birds").draw("a red bird", seed=3)), here)
    listed = stackgan("info", "--json").json["models"]
    assert [each["stages"] for each in listed if each["name"] == "hf:me/birds"] == [[1, 2]]
    assert not list(home.rglob(".cache"))


def test_nothing_is_fetched_but_what_a_model_is_made_of(
    stackgan: Callable[..., Any], shared: Repository, home: Path, asked: list[str]
) -> None:
    shared.files |= {"stage1/model.pkl": b"cposix\nsystem\n", "run.py": b"1/0", "stage1/model.safetensors.bin": b""}
    assert stackgan("info", "hf:me/birds@v1").code == 0
    folder = home / "downloads" / "hugging-face" / "me" / "birds@v1"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(asked) == there
    parts = [f"{part}/{file}" for part in ("stage1", "stage2") for file in ("config.json", "model.safetensors")]
    texts = ("stackgan.json", "vocabulary.txt", "glossary.txt", "text_encoder/config.json")
    assert there == {*texts, *parts} & set(shared.files)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".json", ".txt", ".safetensors"}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("hf:me/absent", 5, "There is no me/absent on the Hub"),
        ("hf:me/birds@v9", 1, "me/birds has no such revision"),
        ("hf:me/birds@../../x", 2, "is no revision"),
        ("hf:../birds", 2, "is no name of a repository"),
        ("hf:me/other", 5, "me/other holds no model of this program"),
        ("hf:me/spoilt", 5, "me/spoilt/stackgan.json"),
        ("me/birds", 5, "hf:OWNER/NAME"),
    ],
)
def test_names_that_lead_to_no_model_are_told_and_leave_nothing(
    stackgan: Callable[..., Any],
    shared: Repository,
    hub: dict[str, Repository],
    home: Path,
    name: str,
    code: int,
    words: str,
) -> None:
    hub["me/other"] = Repository(files={"config.json": b"{}", "model.safetensors": b""})
    hub["me/spoilt"] = Repository(files=shared.files | {"stackgan.json": b"{"})
    done = stackgan("generate", "a red bird", "--model", name)
    assert done.code == code, done.err
    assert done.says(words)
    assert done.err.count("Error:") == 1
    assert not [path for path in (home / "downloads").rglob("*") if path.is_file()]


def test_nothing_is_fetched_while_somebody_types(hub: dict[str, Repository], shared: Repository, home: Path) -> None:
    from types import SimpleNamespace

    from stackgan_cli.commands.completing import complete_checkpoint, complete_model

    assert complete_checkpoint(SimpleNamespace(params={"model": "hf:me/birds"})) == []
    assert "hf:me/birds" not in complete_model()
    Pipeline.from_pretrained("hf:me/birds")
    assert "hf:me/birds" in complete_model()

"""The API draws what the command line draws, and answers whatever cannot be meant with a sentence."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from stackgan_cli.pictures.picture_files import read_facts
from stackgan_cli.randomness import LARGEST_SEED
from stackgan_cli.serving.worker import Worker


def content(file: dict[str, Any]) -> bytes:
    return base64.b64decode(file["content"], validate=True)


def pixels(file: dict[str, Any]) -> bytes:
    return Image.open(io.BytesIO(content(file))).convert("RGB").tobytes()


def generate(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/generate", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["pictures"]


def told(answer: Any) -> str:
    """What an answer says of a fault."""
    fault = answer.json()
    assert set(fault) == {"message", "hint"}
    return fault["message"]


def test_its_files_are_those_of_the_command(client: TestClient, stackgan: Callable[..., Any], tmp_path: Path) -> None:
    drawn = generate(client, prompt="a small red bird", seed=7, count=2)
    common = ("a small red bird", "--model", "birds", "--precision", "float32", "--seed", 7)
    assert stackgan("generate", *common, "-n", 2, "-o", tmp_path / "both").code == 0
    assert stackgan("generate", *common, "--stage", 1, "-o", tmp_path / "sketch.png").code == 0
    for seed, each in zip((7, 8), drawn, strict=True):
        assert (each["seed"], each["stage"], each["model"]) == (seed, 2, "birds")
        assert content(each["file"]) == (tmp_path / "both" / each["file"]["name"]).read_bytes()
    assert content(drawn[0]["sketch"]) == (tmp_path / "sketch.png").read_bytes()
    assert drawn[0]["sketch"]["side"] < drawn[0]["file"]["side"]


@pytest.mark.parametrize("condition", ["mean", "sample"])
def test_condition_and_truncation_are_those_of_the_command(
    client: TestClient, stackgan: Callable[..., Any], tmp_path: Path, condition: str
) -> None:
    usual = generate(client, prompt="a bird", seed=7)[0]
    drawn = generate(client, prompt="a bird", seed=7, condition=condition, truncation=0.5)[0]
    options = ("--seed", 7, "--condition", condition, "--truncation", 0.5, "-o", tmp_path / "bird.png")
    assert stackgan("generate", "a bird", "--model", "birds", "--precision", "float32", *options).code == 0
    assert content(drawn["file"]) == (tmp_path / "bird.png").read_bytes()
    assert (drawn["condition"], drawn["truncation"]) == (condition, 0.5)
    assert generate(client, prompt="a bird", seed=7) == [usual]
    asked = {"prompts": ["a bird", "a fish"], "seeds": [7], "condition": condition, "truncation": 0.5}
    way = client.post("/api/interpolate", json=asked).json()
    assert (way["condition"], way["truncation"]) == (condition, 0.5)
    assert pixels(way["frames"][0]) == pixels(drawn["file"])


def test_stage_one_alone_has_no_sketch_beside_it(client: TestClient) -> None:
    drawn = generate(client, prompt="a bird", seed=1, stage=1)[0]
    assert drawn["sketch"] is None
    assert drawn["file"]["side"] == 16


def test_without_a_seed_pictures_differ_and_say_theirs(client: TestClient) -> None:
    drawn = [generate(client, prompt="a bird")[0] for _ in range(2)]
    assert drawn[0]["seed"] != drawn[1]["seed"]
    again = generate(client, prompt="a bird", seed=drawn[0]["seed"])[0]
    assert again["file"] == drawn[0]["file"]


def test_the_ends_of_a_way_are_the_pictures_of_its_sentences(client: TestClient, tmp_path: Path) -> None:
    prompts = ["a red bird", "a blue bird"]
    asked = {"prompts": prompts, "seeds": [3], "frames": 5, "animation": "webp"}
    way = client.post("/api/interpolate", json=asked).json()
    assert (way["seeds"], way["stage"], len(way["frames"])) == ([3, 3], 2, 5)
    ends = [generate(client, prompt=prompt, seed=3)[0] for prompt in prompts]
    assert [pixels(way["frames"][at]) for at in (0, -1)] == [pixels(each["file"]) for each in ends]
    assert len({pixels(each) for each in way["frames"]}) > 2
    for name, file in (("frame.png", way["frames"][1]), ("way.webp", way["animation"])):
        (tmp_path / name).write_bytes(content(file))
        facts = read_facts(tmp_path / name)
        assert facts["way"] == [["a red bird", 3], ["a blue bird", 3]]
        assert (facts["frames"], facts["fingerprint"]) == (5, way["fingerprint"])
    assert Image.open(tmp_path / "way.webp").n_frames > 1


def test_one_sentence_leads_from_seed_to_seed(client: TestClient) -> None:
    way = client.post("/api/interpolate", json={"prompts": ["a bird"], "seeds": [1, 2], "frames": 3}).json()
    assert way["prompts"] == ["a bird", "a bird"]
    assert pixels(way["frames"][-1]) == pixels(generate(client, prompt="a bird", seed=2)[0]["file"])
    lone = client.post("/api/interpolate", json={"prompts": ["a bird"], "seeds": [1]})
    assert lone.status_code == 422
    assert told(lone) == "A way needs two ends."


def test_every_model_is_offered_by_name_and_none_by_path(client: TestClient, model: Path) -> None:
    shutil.copytree(model, model.parent / "finches")
    offered = client.get("/api/models").json()
    names = [each["name"] for each in offered["models"]]
    assert names[0] == "birds"
    assert {"finches", "stackgan-cli:drawn-birds"} < set(names)
    assert offered["models"][0] == {"name": "birds", "stages": [1, 2], "sides": [16, 64]}
    assert generate(client, prompt="a bird", model="finches")[0]["model"] == "finches"
    for path in (str(model), "../models/birds", "./birds", "birds/../birds", "nonesuch"):
        refused = client.post("/api/generate", json={"prompt": "a bird", "model": path})
        assert refused.status_code == 404
        assert told(refused).startswith("There is no model called")


def test_a_folder_whose_name_no_answer_can_hold_is_left_out(client: TestClient, model: Path) -> None:
    shutil.copytree(model, model.parent / os.fsdecode(b"odd\xff"))
    assert client.get("/api/models").json()["models"][0]["name"] == "birds"


def test_a_model_that_was_trained_on_is_read_again_and_few_are_kept(
    client: TestClient, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackgan_cli.serving import shelf

    loaded: list[str] = []

    class Watched(shelf.Pipeline):
        def __init__(self, folder: Any, *more: Any) -> None:
            loaded.append(folder.name)
            super().__init__(folder, *more)

    monkeypatch.setattr(shelf, "Pipeline", Watched)
    for name in ("finches", "wrens"):
        shutil.copytree(model, model.parent / name)
    for name in ("birds", "finches", "birds", "wrens", "birds", "finches"):
        generate(client, prompt="a bird", model=name)
    assert loaded == ["birds", "finches", "wrens", "finches"]
    manifest = model.parent / "finches" / "stackgan.json"
    manifest.write_text(manifest.read_text() + "\n")
    generate(client, prompt="a bird", model="finches")
    assert loaded[-2:] == ["finches", "finches"]


def test_a_spoilt_model_is_a_fault_of_the_server_with_the_tools_words(
    client: TestClient, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model, model.parent / "spoilt")
    (model.parent / "spoilt" / "stage1" / "model.safetensors").write_bytes(b"nothing")
    refused = client.post("/api/generate", json={"prompt": "a bird", "model": "spoilt"})
    assert refused.status_code == 500
    assert "model.safetensors" in told(refused)
    assert generate(client, prompt="a bird")


def test_words_that_the_model_never_met_are_named(client: TestClient) -> None:
    answer = client.post("/api/generate", json={"prompt": "a red zeppelin"}).json()
    assert "met no 'zeppelin' in its training" in answer["notes"][0]


HOSTILE: dict[str, tuple[bytes, int]] = {
    "one megabyte": (json.dumps({"prompt": "x" * 1_000_000}).encode(), 413),
    "long": (json.dumps({"prompt": "x" * 1001}).encode(), 422),
    "empty": (b'{"prompt": ""}', 422),
    "blank": (b'{"prompt": " \\u00a0 "}', 422),
    "null byte": (b'{"prompt": "a \\u0000 bird"}', 422),
    "escape": (b'{"prompt": "a \\u001b[2J bird"}', 422),
    "line end": (b'{"prompt": "a\\nbird"}', 422),
    "lone surrogate": (b'{"prompt": "a \\ud800 bird"}', 422),
    "surrogate as a key": (b'{"\\ud800": 1}', 422),
    "surrogate as a model": (b'{"prompt": "a bird", "model": "\\ud800"}', 422),
    "no UTF-8": (b'{"prompt": "\xff\xfe"}', 400),
    "deep": (b'{"prompt": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400),
    "no JSON": (b"prompt=a bird", 400),
    "nothing": (b"", 422),
    "a list": (b"[]", 422),
    "a number": (b'{"prompt": 7}', 422),
    "seed as text": (b'{"prompt": "a bird", "seed": "7"}', 422),
    "negative seed": (b'{"prompt": "a bird", "seed": -1}', 422),
    "huge seed": (b'{"prompt": "a bird", "seed": ' + b"9" * 5000 + b"}", 400),
    "seeds beyond the last": (b'{"prompt": "a bird", "seed": 9223372036854775807, "count": 2}', 422),
    "no number": (b'{"prompt": "a bird", "seed": NaN}', 422),
    "infinite": (b'{"prompt": "a bird", "count": Infinity}', 422),
    "too many": (b'{"prompt": "a bird", "count": 1000000}', 422),
    "no condition": (b'{"prompt": "a bird", "condition": "median"}', 422),
    "no noise": (b'{"prompt": "a bird", "truncation": 0}', 422),
    "more noise than there is": (b'{"prompt": "a bird", "truncation": 1e30}', 422),
    "no stage": (b'{"prompt": "a bird", "stage": 3}', 422),
    "unknown option": (b'{"prompt": "a bird", "checkpoint": "best"}', 422),
}


@pytest.mark.parametrize(("body", "status"), HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_meant_is_one_sentence_and_does_nothing(
    client: TestClient, worker: Worker, capfd: pytest.CaptureFixture[str], body: bytes, status: int
) -> None:
    answer = client.post("/api/generate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert told(answer).endswith((".", "?"))
    assert len(answer.content) < 600
    assert not any(ord(each) < 32 for each in answer.text)
    out, err = capfd.readouterr()
    assert not out + err
    assert generate(client, prompt="a bird", seed=1)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": "x" * 1001}, "at most 1000 characters"),
        ({"prompt": "a bird", "seed": LARGEST_SEED, "count": 2}, "is not between 0 and"),
        ({"frames": 4, "prompts": ["a bird"], "seeds": [1]}, "A way needs two ends"),
    ],
)
def test_what_is_beyond_a_limit_is_told_without_the_options_of_a_command(
    client: TestClient, asked: dict[str, Any], words: str
) -> None:
    answer = client.post(f"/api/{'interpolate' if 'frames' in asked else 'generate'}", json=asked)
    assert answer.status_code == 422
    assert words in told(answer)
    assert not answer.json()["hint"].startswith("--")


def test_markup_is_a_sentence_like_any_other(client: TestClient) -> None:
    sentence = '<script>alert(1)</script><img src=x onerror="alert(2)"> bird'
    drawn = generate(client, prompt=sentence)[0]
    assert drawn["prompt"] == sentence
    assert "<" not in drawn["file"]["name"]
    answer = client.post("/api/generate", json={"prompt": sentence})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_full_queue_is_429_and_whoever_waits_is_answered(
    client: TestClient, worker: Worker, let_go: threading.Event
) -> None:
    answers: list[Any] = []
    waiting = [threading.Thread(target=lambda: answers.append(generate(client, prompt="a bird"))) for _ in range(2)]
    for each in waiting:
        each.start()
    while worker.pending < 3:
        pass
    refused = client.post("/api/generate", json={"prompt": "a bird"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert told(refused) == "3 requests are before this one, and no more may wait."
    assert client.get("/health").json()["waiting"] == 3
    let_go.set()
    for each in waiting:
        each.join(60)
    assert len(answers) == 2


def test_a_server_that_stops_says_so(client: TestClient, worker: Worker) -> None:
    worker.stop()
    for answer in (client.get("/health"), client.post("/api/generate", json={"prompt": "a bird"})):
        assert answer.status_code == 503
        assert told(answer) == "The server is stopping."


def test_what_is_asked_for_is_not_drawn_for_somebody_who_has_gone(
    client: TestClient, worker: Worker, let_go: threading.Event
) -> None:
    body = json.dumps({"prompt": "a bird"}).encode()
    coming = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return coming.pop(0)

    call_directly(client, receive)
    assert worker.pending == 1
    let_go.set()


def test_a_request_that_never_ends_is_not_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from stackgan_cli.serving import guard

    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.1)

    async def receive() -> Any:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b" ", "more_body": True}

    assert call_directly(client, receive)[0]["status"] == 408


def call_directly(client: TestClient, receive: Callable[[], Any]) -> list[dict[str, Any]]:
    """Ask for a picture as a server does that hears of the client by ``receive``; what it is to send."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/generate",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))
    return sent


def test_what_nobody_foresaw_is_500_without_a_traceback(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stackgan_cli.serving import application

    def fail(*_: object) -> None:
        raise RuntimeError("\x1b[2Jodd")

    monkeypatch.setattr(application, "generate", fail)
    refused = client.post("/api/generate", json={"prompt": "a bird"})
    assert refused.status_code == 500
    assert told(refused) == "Something unexpected happened."
    err = capsys.readouterr().err
    assert "RuntimeError" in err
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_the_api_describes_itself(client: TestClient, served: Callable[..., TestClient]) -> None:
    page = client.get("/openapi.json").json()
    assert page["openapi"].startswith("3.")
    assert set(page["paths"]) == {"/api/generate", "/api/interpolate", "/api/models", "/health"}
    answers = page["paths"]["/api/generate"]["post"]["responses"]
    assert {"200", "401", "404", "413", "422", "429", "503"} <= set(answers)
    for status in ("422", "429"):
        assert answers[status]["content"]["application/json"]["schema"]["$ref"].endswith("/Fault")
    asked = page["components"]["schemas"]["GenerateRequest"]["properties"]
    assert {"condition", "truncation"} <= set(asked)
    assert asked["prompt"]["maxLength"] == client.get("/api/models").json()["limits"]["characters"]
    assert "securitySchemes" not in page["components"]
    secured = served("a-long-secret").get("/openapi.json", headers={"Authorization": "Bearer a-long-secret"}).json()
    assert secured["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_other_addresses_and_methods_are_sentences_too(client: TestClient) -> None:
    for method, path, status in (("GET", "/nonesuch", 404), ("GET", "/docs", 404), ("GET", "/api/generate", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert told(answer).endswith(".")

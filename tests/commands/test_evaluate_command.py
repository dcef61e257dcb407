from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def small_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier that is fitted in a second, for the numbers do not matter here."""
    from stackgan_cli.extractors.domain_classifier import DomainClassifier

    monkeypatch.setattr(DomainClassifier.__init__, "__kwdefaults__", {
        **(DomainClassifier.__init__.__kwdefaults__ or {}), "width": 8, "channels": 4, "input_side": 32, "epochs": 1,
    })  # fmt: skip


@pytest.mark.usefixtures("small_extractor")
def test_every_number_comes_with_its_protocol_floor_and_ceiling(
    stackgan: Callable[..., Any], model: Path, home: Path
) -> None:
    done = stackgan("evaluate", "--data", "birds", "--num-images", 12, "--json", "--device", "cpu")
    assert done.code == 0, done.err
    protocol, rows = done.json["protocol"], done.json["rows"]
    assert protocol["model"] == "birds"
    assert protocol["generated"] == protocol["real"] == 12
    assert protocol["seed"] == 0
    assert protocol["resolution"] == 64
    assert protocol["data"]["fingerprint"]
    assert len(protocol["extractor"]["sha256"]) == 64
    assert "held_out_accuracy" in done.json["extractor"]
    assert [row["pictures"] for row in rows] == [
        "real test pictures", "real training pictures", "Stage-I", "Stage-II", "Stage-II, captions shuffled",
    ]  # fmt: skip
    assert all(row["frechet_distance"] >= -1e-6 for row in rows if "frechet_distance" in row)
    assert all(row["inception_score"] >= 1 for row in rows if "inception_score" in row)
    for row in rows:
        for share in row.get("attribute_accuracy", {}).values():
            low, high = share["interval"]
            assert share["accuracy"] == share["right"] / share["of"]
            assert low - 1e-9 <= share["accuracy"] <= high + 1e-9
    assert json.loads((model / "evaluation" / "results.json").read_text()) == done.json
    assert "Warning" not in done.err


@pytest.mark.usefixtures("small_extractor")
def test_the_extractor_is_fitted_once_and_numbers_repeat(stackgan: Callable[..., Any], model: Path, home: Path) -> None:
    first = stackgan("evaluate", "--data", "birds", "--num-images", 10, "--json").json
    kept = {path: path.stat().st_mtime_ns for path in (home / "data/birds/extractors").rglob("*") if path.is_file()}
    assert kept
    second = stackgan("evaluate", "--data", "birds", "--num-images", 10, "--json").json
    assert second == first
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    third = stackgan("evaluate", "--data", "birds", "--num-images", 10, "--seed", 1, "--json").json
    assert third["rows"] != first["rows"]
    assert third["protocol"]["extractor"] == first["protocol"]["extractor"]


@pytest.mark.usefixtures("small_extractor")
def test_the_table_shows_what_the_json_holds(stackgan: Callable[..., Any], model: Path) -> None:
    done = stackgan("evaluate", "--data", "birds", "--num-images", 10)
    assert done.code == 0
    flat = " ".join(done.out.replace("│", " ").split())
    for words in ("Fréchet distance", "real test", "Stage-II", "body_colour"):
        assert words in flat


def test_data_without_anything_to_learn_is_refused(
    stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], model: Path
) -> None:
    options = ("--encoder", "hashed-words", "--resolution", 16)
    assert stackgan("prepare", "--data", "plain", "--source", captioned_folder(12), *options).code == 0
    done = stackgan("evaluate", "--data", "plain", "--model", "birds", "--num-images", 10)
    assert done.code == 3
    assert done.says("attributes or classes")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--data", "absent"), 3),
        (("--data", "birds", "--model", "absent"), 5),
        (("--data", "birds", "--extractor", "absent"), 4),
        (("--data", "birds", "--num-images", "1"), 2),
        ((), 2),
    ],
)
def test_wrong_names_have_their_exit_codes(
    stackgan: Callable[..., Any], model: Path, options: tuple[str, ...], code: int
) -> None:
    done = stackgan("evaluate", *options)
    assert done.code == code, done.err
    assert "Traceback" not in done.err

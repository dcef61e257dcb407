from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stackgan_cli.components.registry import Kind, find

# A classifier that is fitted in a second, for the numbers do not matter here.
SMALL = {"width": 8, "channels": 4, "input_side": 32, "epochs": 1, "count": 40}


@pytest.fixture
def evaluate(stackgan: Callable[..., Any], model: Path) -> Callable[..., Any]:
    """``stackgan evaluate`` with a small extractor and few pictures, on the data and the model ``birds``."""
    options = [part for name, value in SMALL.items() for part in ("--extractor-option", f"{name}={value}")]
    return partial(stackgan, "evaluate", "--data", "birds", "--num-images", 12, "--device", "cpu", *options)


OF_STAGES = ["attribute-accuracy", "coverage", "diversity", "frechet-distance", "inception-score"]
OF_STAGES += ["kernel-distance", "novelty", "r-precision"]


def test_every_number_comes_with_its_protocol_floor_and_ceiling(evaluate: Callable[..., Any], model: Path) -> None:
    done = evaluate("--json")
    assert done.code == 0, done.err
    protocol, rows = done.json["protocol"], done.json["rows"]
    assert protocol["model"] == "birds"
    # There are three test pictures: one that were there four times would be no four.
    assert (protocol["generated"], protocol["real"]) == (12, 3)
    assert protocol["seed"] == 0
    assert protocol["resolution"] == 64
    assert protocol["data"]["fingerprint"]
    assert len(protocol["extractor"]["sha256"]) == 64
    assert "held_out_accuracy" in done.json["extractor"]
    assert {row["pictures"]: sorted(row["metrics"]) for row in rows} == {
        "real test pictures": ["attribute-accuracy", "inception-score", "r-precision"],
        "real training pictures": ["coverage", "frechet-distance", "inception-score", "kernel-distance", "novelty"],
        "Stage-I": OF_STAGES,
        "Stage-II": OF_STAGES,
        "Stage-II, captions shuffled": ["attribute-accuracy", "r-precision"],
    }
    assert all(row["metrics"].get("frechet-distance", {"value": 0})["value"] >= -1e-6 for row in rows)
    assert all(row["metrics"].get("inception-score", {"value": 1})["value"] >= 1 for row in rows)
    # No number without its error, where pictures are enough for one.
    told = rows[3]["metrics"]
    assert all(each.keys() & {"deviation", "interval"} for name, each in told.items() if name != "coverage"), told
    for whole in (row["metrics"].get("attribute-accuracy", {"parts": {}}) for row in rows):
        for share in whole["parts"].values():
            low, high = share["interval"]
            assert share["value"] == share["right"] / share["of"]
            assert low - 1e-9 <= share["value"] <= high + 1e-9
    assert "left_out" not in done.json
    (kept,) = (model / "evaluation" / "birds").rglob("results.json")
    assert json.loads(kept.read_text()) == done.json
    # Twelve drawings have captions of three pictures, those of one bird being no rivals.
    candidates = rows[2]["metrics"]["r-precision"]["candidates"]
    assert done.says(f"'r-precision' says little: each caption is ranked among {candidates} and not 100")


def test_the_extractor_is_fitted_once_and_numbers_repeat(evaluate: Callable[..., Any], home: Path) -> None:
    first = evaluate("--json").json
    kept = {path: path.stat().st_mtime_ns for path in (home / "data/birds/extractors").rglob("*") if path.is_file()}
    assert kept
    assert evaluate("--json").json == first
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    third = evaluate("--seed", 1, "--json").json
    assert third["rows"] != first["rows"]
    assert third["protocol"]["extractor"] == first["protocol"]["extractor"]


def test_another_extractor_is_fitted_beside_the_first(evaluate: Callable[..., Any], home: Path) -> None:
    first = evaluate("--metric", "frechet-distance", "--json").json
    other = evaluate("--metric", "frechet-distance", "--extractor-option", "width=9", "--json").json
    assert (first["protocol"]["extractor"]["width"], other["protocol"]["extractor"]["width"]) == (8, 9)
    assert len(list((home / "data/birds/extractors").iterdir())) == 2
    wrong = evaluate("--extractor-option", "widht=9")
    assert wrong.code == 4
    assert wrong.says("has no option 'widht'", "Did you mean 'width'?")


def test_an_extractor_of_another_version_says_so(evaluate: Callable[..., Any], home: Path) -> None:
    assert "saved with" not in evaluate().err
    (config,) = (home / "data/birds/extractors").glob("*/config.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), "version": "0.0.7"}))
    done = evaluate("--json")
    assert done.says("'drawn-birds-judge' was saved with stackgan-cli 0.0.7")
    assert any("0.0.7" in note for note in done.json["notes"])


def test_a_generator_of_another_version_is_noted_and_spoilt_weights_are_refused(
    evaluate: Callable[..., Any], install: Callable[..., Path], model: Path, restate: Callable[[Path], None]
) -> None:
    config, weights = model / "stage1" / "config.json", model / "stage1" / "model.safetensors"
    entry = json.loads(config.read_text())
    target = find(Kind.STAGE1_GENERATOR, entry["name"]).target
    install("strange-parts", f"[stackgan.stage1_generators]\npainter = {target}\n", version="2.0")
    config.write_text(json.dumps({**entry, "name": "strange-parts:painter", "version": "1.5"}))
    restate(model)
    done = evaluate("--metric", "frechet-distance", "--json")
    note = "The stage-one generator 'painter' was saved with strange-parts 1.5, and 2.0 is installed"
    assert done.says(note)
    assert note in done.json["notes"][0]
    save_file({name: tensor * torch.nan for name, tensor in load_file(weights).items()}, weights)
    spoilt = evaluate()
    assert spoilt.code == 5
    assert spoilt.says("stage1/model.safetensors holds NaN in ")
    assert spoilt.says("The model was saved with strange-parts 1.5; 2.0 is installed.")


def test_distances_are_called_after_the_extractor_that_they_are_by(stackgan: Callable[..., Any], model: Path) -> None:
    measure = ("evaluate", "--data", "birds", "-n", 10, "--device", "cpu", "--extractor", "imagenet-lite0")
    measure += ("--metric", "frechet-distance", "--metric", "kernel-distance")
    done = stackgan(*measure, "--json")
    assert done.code == 0, done.err
    assert [each["short_name"] for each in done.json["metrics"].values()] == ["fd-effnet-lite0", "kd-effnet-lite0"]
    shown = stackgan(*measure)
    assert "fd-effnet-" in shown.out
    assert "extractor imagenet-lite0" in shown.out
    assert not {"FID", "KID"} & set(shown.out.split())


def test_the_table_shows_what_the_json_holds(evaluate: Callable[..., Any]) -> None:
    done = evaluate()
    assert done.code == 0
    flat = " ".join(done.out.replace("│", " ").split())
    for words in (
        "Fréchet",
        "distance ↓",
        "real test",
        "Stage-II",
        "body",
        "All stated attributes right, one by one",
    ):
        assert words in flat
    assert "R-precision" in flat


def test_only_the_metrics_that_are_named_are_measured(evaluate: Callable[..., Any]) -> None:
    done = evaluate("--metric", "inception-score", "--metric", "frechet-distance", "--json")
    assert list(done.json["metrics"]) == ["inception-score", "frechet-distance"]
    assert {name for row in done.json["rows"] for name in row["metrics"]} == {"inception-score", "frechet-distance"}
    assert "left_out" not in done.json
    assert [row["pictures"] for row in done.json["rows"]][-1] == "Stage-II"


METRIC = """
class Sharpness:
    title = "sharp edges"
    better = "higher"
    needs = frozenset({"real"})

    def measure(self, drawn, real, texts, seed):
        if FAILS:
            raise LookupError("no edges")
        return {"value": 0.25, "of": len(drawn.features), "parts": {"upper edge": {"value": 7.125}}}
"""


def test_a_metric_of_another_package_is_a_line(evaluate: Callable[..., Any], install: Callable[..., Path]) -> None:
    install("edges", "[stackgan.metrics]\nsharpness = edges:Sharpness\n", METRIC.replace("FAILS", "False"))
    done = evaluate()
    assert done.code == 0, done.err
    flat = " ".join(done.out.replace("│", " ").replace("┃", " ").split())
    for words in ("sharp", "edges", "25.0%", "Sharp edges, one by one", "upper edge", "7.12"):
        assert words in flat
    found = evaluate("--json", "--metric", "sharpness").json
    assert found["metrics"]["sharpness"]["component"] == "edges:sharpness"
    assert [row["metrics"].get("sharpness", {}).get("of") for row in found["rows"]] == [None, 12, 12, 12]


def test_a_metric_that_fails_costs_its_own_numbers_alone(
    evaluate: Callable[..., Any], install: Callable[..., Path]
) -> None:
    install("edges", "[stackgan.metrics]\nsharpness = edges:Sharpness\n", METRIC.replace("FAILS", "True"))
    done = evaluate("--json")
    assert done.code == 0, done.err
    why = "'sharpness' of edges 1.0 failed while measuring pictures: LookupError: no edges."
    assert done.says("Of real training pictures, Stage-I and Stage-II, 'sharpness' says nothing:", why)
    assert done.json["rows"][2]["metrics"]["frechet-distance"]["value"] > 0
    named = evaluate("--metric", "sharpness")
    assert named.code == 4
    assert named.says(why)


def test_no_numbers_take_the_place_of_others(
    evaluate: Callable[..., Any], train_tiny: Callable[..., Any], model: Path
) -> None:
    folder = model / "evaluation" / "birds"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("from before")
    of_one_metric = ("--metric", "frechet-distance")
    first = evaluate(*of_one_metric, "--json")
    assert first.says("The whole protocol is in", str(folder))
    (kept,) = folder.glob("*/results.json")
    before = kept.read_bytes()
    others = [("--metric", "inception-score"), (*of_one_metric, "--seed", 1)]
    for count, options in enumerate(others, start=2):
        assert evaluate(*options).code == 0
        assert len(list(folder.glob("*/results.json"))) == count
    # As many steps, other weights.
    assert train_tiny(2, "--steps", 6, "--seed", 3, "--restart").code == 0
    again = evaluate(*of_one_metric, "--json")
    assert again.json["protocol"]["stages"] == first.json["protocol"]["stages"]
    assert len(list(folder.glob("*/results.json"))) == 4
    assert kept.read_bytes() == before
    assert evaluate(*of_one_metric).code == 0
    assert len(list(folder.glob("*/results.json"))) == 4
    assert (folder / "results.json").read_text() == "from before"


def test_results_on_every_data_set_are_kept_and_can_be_read_again(
    evaluate: Callable[..., Any], home: Path, model: Path
) -> None:
    from stackgan_cli import EvaluateRequest
    from stackgan_cli import evaluate as measure
    from stackgan_cli.evaluation.results import Results, results_path
    from stackgan_cli.models.finding import find_model

    printed = evaluate("--json", "--precision", "float32").json
    (home / "data" / "birds").rename(home / "data" / "others")
    request = EvaluateRequest(data="others", model="birds", num_images=12, extractor_options=SMALL, precision="float32")
    results = measure(request)
    assert results == Results.model_validate_json(json.dumps(results.as_json()))
    assert results.as_json()["rows"] == printed["rows"]
    assert json.loads(results_path(find_model("birds"), results).read_text()) == results.as_json()
    assert {path.parents[1].name for path in (model / "evaluation").rglob("results.json")} == {"birds", "others"}
    assert results_path(find_model("bundled"), results).parents[1] == (
        home / "evaluation" / "stackgan-cli" / "drawn-birds" / "others"
    )


def test_statistics_that_were_written_are_compared_with_as_the_pictures_were(
    evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "real.npz"
    first = evaluate("--json", "--export-statistics", path)
    assert first.code == 0, first.err
    again = evaluate("--json", "--statistics", path)
    assert again.code == 0, again.err
    distances = [
        [row["metrics"]["frechet-distance"]["value"] for row in done.json["rows"] if row["pictures"] == "Stage-I"]
        for done in (first, again)
    ]
    assert distances[1] == pytest.approx(distances[0], rel=1e-9)
    # The data's own are exported beside them, no picture of them twice though each is drawn four times.
    assert evaluate("--statistics", path, "--export-statistics", tmp_path / "again.npz").says("of 3 real pictures are")
    with np.load(path) as one, np.load(tmp_path / "again.npz") as other:
        assert np.allclose(one["sigma"], other["sigma"], rtol=1e-6)
    # Of how many pictures the statistics are, they do not say.
    assert (first.json["protocol"]["real"], again.json["protocol"].get("real")) == (3, None)
    assert "real pictures to compare with" in again.json["left_out"]["kernel-distance"]
    assert evaluate("--statistics", path, "--metric", "kernel-distance").code == 2
    assert evaluate("--export-statistics", path).code == 2
    assert evaluate("--statistics", path, "--extractor-option", "width=9").code == 3


def test_a_protocol_that_is_not_met_says_so_everywhere_and_prints_the_number(
    evaluate: Callable[..., Any], model: Path
) -> None:
    done = evaluate("--protocol", "coco-30k", "--extractor", "drawn-birds-judge", "--json", "--report")
    assert done.code == 0, done.err
    assert done.json["comparable_to"] == []
    # What the published numbers were drawn with is drawn with, whatever is quicker here.
    assert (done.json["protocol"]["precision"], done.json["protocol"]["condition"]) == ("float32", "sample")
    why = "generated: the published number had 30,000, and this one has 12."
    assert why in done.json["not_comparable_because"]
    assert done.json["protocol"]["real"] == done.json["protocol"]["data"]["test_pictures"] == 3
    assert done.says(f"Not comparable with the published numbers: {why}")
    assert any("frechet-distance" in row["metrics"] for row in done.json["rows"])
    (page,) = (model / "evaluation").rglob("report.html")
    assert why in page.read_text(encoding="utf-8")
    assert evaluate("--protocol", "stackgan-cup").says("Did you mean stackgan-cub?")
    assert evaluate("--json").json["comparable_to"]


def test_captions_alone_are_enough_to_measure_and_little_is_said_to_be_little(
    stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], model: Path
) -> None:
    options = ("--encoder", "hashed-words", "--resolution", 16)
    assert stackgan("prepare", "--data", "plain", "--source", captioned_folder(30), *options).code == 0
    done = stackgan("evaluate", "--data", "plain", "--model", "birds", "--num-images", 10, "--json")
    assert done.code == 0, done.err
    assert {name for row in done.json["rows"] for name in row["metrics"]} >= {"frechet-distance", "kernel-distance"}
    assert "caption_to_picture" in done.json["extractor"]
    assert done.says("The model birds learnt from birds, not from this plain.")
    assert done.json["left_out"].keys() == {"attribute-accuracy", "inception-score"}
    assert done.says("3 pictures are few for features 64 wide")
    assert done.says("'r-precision' says little: each caption is ranked among")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--data", "absent"), 3),
        (("--data", "birds", "--model", "absent"), 5),
        (("--data", "birds", "--extractor", "absent"), 4),
        (("--data", "birds", "--metric", "absent"), 4),
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

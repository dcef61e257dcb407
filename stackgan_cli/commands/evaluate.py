"""``stackgan evaluate``: numbers, each with the protocol, the floor and the ceiling that it needs to be read."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.options import Data, Device, Json, Model, Precision

if TYPE_CHECKING:
    from pathlib import Path

EPILOG = """Examples:

stackgan evaluate --data drawn-birds

stackgan evaluate --data flowers --model flowers --num-images 500 --json"""


def evaluate(
    data: Data,
    model: Model = None,
    num_images: Annotated[
        int | None,
        typer.Option("--num-images", "-n", min=10, help="Pictures to draw.", show_default="one per test picture"),
    ] = None,
    extractor: Annotated[str, typer.Option(help="Feature extractor.")] = "domain-classifier",
    seed: Annotated[int, typer.Option(min=0, help="Seed of captions and noise.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Measure a model on the test captions of prepared data, beside real pictures as floor and ceiling."""
    from stackgan_cli.console import ProgressReport, print_json, say
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.evaluation.evaluating import evaluate as measure
    from stackgan_cli.evaluation.fitted_extractors import extractor_for
    from stackgan_cli.files import write_text
    from stackgan_cli.home import existing_data
    from stackgan_cli.pipeline import Pipeline

    prepared = PreparedData(existing_data(data))
    pipeline = Pipeline.load(model or _model_of(prepared.name), device, precision)
    say(f"Measuring the model {pipeline.model.name} ({pipeline.model.folder}) on {prepared.name}.")
    with ProgressReport(f"Extractor {extractor}", None, unit="steps") as bar:
        fitted, card = extractor_for(prepared, extractor, seed=0, report=bar.update)
    with ProgressReport("Pictures", None) as bar:
        results = measure(pipeline, prepared, fitted, count=num_images, seed=seed, report=bar.update)
    results["extractor"] = card
    path = _results_path(pipeline.model.folder)
    write_text(path, json_format.dumps(results, ensure_ascii=False, indent=2) + "\n")
    if json:
        print_json(results)
    else:
        _show(results)
    say(f"The whole protocol is in {path}.")


def _model_of(data: str) -> str | None:
    """Name of the model that is named after the data, if there is one."""
    from stackgan_cli.home import MANIFEST, names

    return data if data in names("models", MANIFEST) else None


def _results_path(model: Path) -> Path:
    """Where the results go: into the model folder, or into the home folder for the bundled model."""
    from stackgan_cli.home import BUNDLED, home

    folder = home() / "evaluation" / "bundled" if model == BUNDLED else model / "evaluation"
    return folder / "results.json"


def _show(results: dict[str, Any]) -> None:
    from stackgan_cli.console import table

    rows = results["rows"]
    protocol = results["protocol"]
    shown = [
        [
            row["pictures"],
            _number(row.get("frechet_distance")),
            _number(row.get("inception_score")),
            _share(row, "all stated"),
        ]
        for row in rows
    ]
    title = (
        f"{protocol['generated']:,} pictures, seed {protocol['seed']}, extractor {protocol['extractor']['sha256'][:12]}"
    )
    headings = [
        "pictures",
        "Fréchet distance (lower is better)",
        "Inception-style score",
        "all stated attributes right",
    ]
    table(title, headings, shown)
    names = [name for name in rows[0].get("attribute_accuracy", {}) if name != "all stated"]
    if names:
        measured = [row for row in rows if "attribute_accuracy" in row]
        table(
            "Accuracy of each attribute, where the caption states it",
            ["attribute", *(row["pictures"] for row in measured)],
            [[name, *(_share(row, name) for row in measured)] for name in names],
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(row: dict[str, Any], name: str) -> str:
    found = row.get("attribute_accuracy", {}).get(name)
    if not found:
        return ""
    low, high = found["interval"]
    return f"{found['accuracy']:.1%} ({low:.1%} to {high:.1%})"

"""``stackgan evaluate``: numbers, each with the protocol, the floor and the ceiling that it needs to be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgan_cli.commands.completing import complete_extractor, complete_metric, complete_model, complete_protocol
from stackgan_cli.commands.options import Data, Device, Json, Precision
from stackgan_cli.errors import UsageError
from stackgan_cli.evaluation.request import FEWEST_PICTURES, EvaluateRequest
from stackgan_cli.interrupts import INTERRUPTS, this_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.evaluation.comparing import ComparedModel
    from stackgan_cli.evaluation.results import Results

_METRIC = "metric (↑ ↓ better)"
"""Heading of the first column."""
EPILOG = """Examples:

stackgan evaluate --data drawn-birds

stackgan evaluate --data flowers --model flowers --num-images 500 --json

stackgan evaluate --data drawn-birds --report

stackgan evaluate --data drawn-birds --compare bundled drawn-birds

stackgan evaluate --data drawn-birds --metric attribute-accuracy --extractor-option width=128"""


Models = Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Models to compare.", show_default=False)]
Compare = Annotated[
    bool, typer.Option("--compare", help="Compare the models that are named, on the same captions with the same noise.")
]
Measured = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name or folder of a model.",
        autocompletion=complete_model,
        show_default="named as the data, else what generate would draw with",
    ),
]
NumImages = Annotated[
    int | None,
    typer.Option(
        "--num-images", "-n", min=FEWEST_PICTURES, help="Pictures to draw.", show_default="one per test picture"
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="Metric to measure; repeatable.",
        autocompletion=complete_metric,
        show_default="all that are installed and apply",
    ),
]
Extractor = Annotated[
    str | None,
    typer.Option(
        "--extractor", help="Feature extractor.", autocompletion=complete_extractor, show_default="what suits the data"
    ),
]
ExtractorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--extractor-option",
        metavar="KEY=VALUE",
        help="Option of the feature extractor; repeatable.",
        show_default=False,
    ),
]
EvaluationSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of captions and noise.")]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Measure as published numbers were, and say what is missing to compare with them.",
        autocompletion=complete_protocol,
        show_default=False,
    ),
]
Statistics = Annotated[
    Path | None,
    typer.Option(
        "--statistics",
        metavar="FILE",
        help="Compare with the mean and covariance in this npz file (mu, sigma).",
        show_default="the test pictures",
    ),
]
ExportStatistics = Annotated[
    Path | None,
    typer.Option(
        "--export-statistics",
        metavar="FILE",
        help="Write mean and covariance of the real pictures' features to a new npz file.",
        show_default=False,
    ),
]
Report = Annotated[bool, typer.Option("--report", help="Write a page with figures, report.html, beside the results.")]


def evaluate(
    data: Data,
    models: Models = None,
    compare: Compare = False,
    model: Measured = None,
    num_images: NumImages = None,
    metric: Metrics = None,
    extractor: Extractor = None,
    extractor_option: ExtractorOption = None,
    seed: EvaluationSeed = 0,
    protocol: Protocol = None,
    statistics: Statistics = None,
    export_statistics: ExportStatistics = None,
    report: Report = False,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Measure a model on the test captions of prepared data, beside real pictures as floor and ceiling."""
    from stackgan_cli.components.key_values import parse_option
    from stackgan_cli.console import ConsoleProgress, print_json
    from stackgan_cli.evaluation.evaluate import evaluate as measure

    if models and not compare:
        raise UsageError("Models are named to be compared.", hint=f"--compare, or --model {models[0]}")
    request = EvaluateRequest(
        data=data,
        model=model,
        num_images=num_images,
        extractor=extractor,
        extractor_options=dict(map(parse_option, extractor_option or ())),
        metrics=tuple(metric or ()),
        seed=seed,
        device=device,
        precision=precision,
        report=report,
        protocol=protocol,
        statistics=statistics,
        export_statistics=export_statistics,
    )
    INTERRUPTS.promise(
        lambda: f"Interrupted; earlier results are as they were, and this measures again: {this_command()}"
    )
    if compare:
        _compare(request, models or [], json=json)
        return
    results = measure(request, ConsoleProgress())
    if json:
        print_json(results.as_json())
    else:
        _show(results)


def _compare(request: EvaluateRequest, models: Sequence[str], *, json: bool) -> None:
    from stackgan_cli.console import ConsoleProgress, print_json, table
    from stackgan_cli.evaluation.comparing import compare
    from stackgan_cli.evaluation.tables import metric_name

    progress = ConsoleProgress()
    comparison, folder = compare(request, models, progress)
    progress.say(f"Numbers and a figure are in {folder}.")
    if json:
        print_json(comparison.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        return
    rows = [
        [metric_name(facts), *(_beside(model, name) for model in comparison.models)]
        for name, facts in comparison.metrics.items()
    ]
    title = f"{comparison.protocol['generated']:,} pictures of the same captions, with the same noise"
    table(title, [_METRIC, *(model.model for model in comparison.models)], rows)


def _beside(model: ComparedModel, metric: str) -> str:
    """A number, and under it its distance from the first model's with the interval."""
    from stackgan_cli.evaluation.tables import shown

    text = shown(model.metrics.get(metric))
    if (difference := model.against_first.get(metric)) is not None:
        low, high = difference.interval
        text += f"\n{difference.value:+.4g} ({low:+.4g} to {high:+.4g})"
    return text


def _show(results: Results) -> None:
    from stackgan_cli.console import table
    from stackgan_cli.evaluation.tables import headline, single_things

    protocol = results.protocol
    extractor = f"{protocol['extractor'].get('name', '')} {str(protocol['extractor'].get('sha256', ''))[:12]}".strip()
    title = f"{protocol['generated']:,} pictures, seed {protocol['seed']}, extractor {extractor}".rstrip()
    whole = headline(results)
    table(title, [_METRIC, *whole.columns], [[name, *cells] for name, cells in whole.lines])
    for part in single_things(results):
        table(part.title, ["what", *part.columns], [[name, *cells] for name, cells in part.lines])

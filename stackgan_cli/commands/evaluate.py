"""``stackgan evaluate``: numbers, each with the protocol, the floor and the ceiling that it needs to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stackgan_cli.commands.completing import complete_extractor, complete_metric, complete_model
from stackgan_cli.commands.options import Data, Device, Json, Precision
from stackgan_cli.evaluation.request import FEWEST_PICTURES, EvaluateRequest

if TYPE_CHECKING:
    from stackgan_cli.evaluation.results import Measurement, Results

EPILOG = """Examples:

stackgan evaluate --data drawn-birds

stackgan evaluate --data flowers --model flowers --num-images 500 --json

stackgan evaluate --data drawn-birds --metric attribute-accuracy --extractor-option width=128"""


def evaluate(
    data: Data,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of a model.",
            autocompletion=complete_model,
            show_default="named as the data, else what generate would draw with",
        ),
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option(
            "--num-images", "-n", min=FEWEST_PICTURES, help="Pictures to draw.", show_default="one per test picture"
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metric to measure; repeatable.",
            autocompletion=complete_metric,
            show_default="all that are installed and apply",
        ),
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(help="Feature extractor.", autocompletion=complete_extractor, show_default="what suits the data"),
    ] = None,
    extractor_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the feature extractor; repeatable.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of captions and noise.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Measure a model on the test captions of prepared data, beside real pictures as floor and ceiling."""
    from stackgan_cli.components.key_values import parse_option
    from stackgan_cli.console import ConsoleProgress, print_json
    from stackgan_cli.evaluation.evaluate import evaluate as measure

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
    )
    results = measure(request, ConsoleProgress())
    if json:
        print_json(results.as_json())
    else:
        _show(results)


def _show(results: Results) -> None:
    from stackgan_cli.console import table

    protocol = results.protocol
    extractor = str(protocol["extractor"].get("sha256", ""))[:12]
    title = f"{protocol['generated']:,} pictures, seed {protocol['seed']}, extractor {extractor}".rstrip()
    headings = [f"{each.title} ({each.better} is better)" for each in results.metrics.values()]
    rows = [[row.pictures, *(_cell(row.metrics.get(name)) for name in results.metrics)] for row in results.rows]
    table(title, ["pictures", *headings], rows)
    for name, facts in results.metrics.items():
        _show_parts(facts.title, {row.pictures: row.metrics[name] for row in results.rows if name in row.metrics})


def _show_parts(title: str, measured: dict[str, Measurement]) -> None:
    """Show what a metric says of single things, a column for each set of pictures."""
    from stackgan_cli.console import table

    names = dict.fromkeys(part for each in measured.values() for part in each.parts)
    if names:
        rows = [[name, *(_cell(each.parts.get(name)) for each in measured.values())] for name in names]
        table(f"{title[0].upper()}{title[1:]}, one by one", ["", *measured], rows)


def _cell(measured: Measurement | None) -> str:
    if measured is None or measured.value is None:
        return ""
    form = "{:.2f}" if measured.of is None else "{:.1%}"
    text = form.format(measured.value)
    if measured.deviation is not None:
        text += f" ± {form.format(measured.deviation)}"
    if measured.interval is not None:
        text += " ({} to {})".format(*map(form.format, measured.interval))
    return text

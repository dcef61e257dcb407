"""``stackgan export``: a model as one graph for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackgan_cli.commands.options import Json, Model

EPILOG = """Examples:

stackgan export --model birds

stackgan export --model birds --format torch --output birds-graph

stackgan export --prompt "a small red bird" --prompt "a blue bird" --output site/model"""

FormatOption = Annotated[
    str, typer.Option("--format", help="onnx (with the extra onnx), or torch for a program of torch.export.")
]
Output = Annotated[
    Path | None, typer.Option(help="Folder to write; it must not exist yet.", show_default="the model's name")
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        help="A sentence whose text features are written beside the graph, for programs without the text encoder;"
        " repeatable.",
        show_default=False,
    ),
]
Stage = Annotated[
    int | None, typer.Option(min=1, max=2, help="1 for the sketch alone.", show_default="the last that is trained")
]


def export(
    model: Model = None,
    format: FormatOption = "onnx",  # noqa: A002
    output: Output = None,
    prompt: Prompts = None,
    stage: Stage = None,
    json: Json = False,
) -> None:
    """Write a model as one graph, text features and noise in, pictures out, checked against the model itself."""
    from stackgan_cli.console import ConsoleProgress, print_json, say
    from stackgan_cli.models.finding import find_model

    found = find_model(model, ConsoleProgress())
    last = stage or max(found.stages, default=1)
    found.stage_folder(last)
    say(f"Exporting {found.name}, Stage-{'I' * last}; this takes a minute ...")

    from stackgan_cli.machine import choose_machine
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.sharing.exporting import DESCRIPTION, FORMATS
    from stackgan_cli.sharing.exporting import export as exporting

    folder = output or Path(found.folder.name)
    pipeline = Pipeline(found, choose_machine("cpu", "float32"))
    done = exporting(pipeline, folder, form=format, stage=last, prompts=tuple(prompt or ()))
    if json:
        print_json({"folder": str(done.folder), "file": FORMATS[format], "largest_difference": done.difference})
        return
    say(f"{done.folder / FORMATS[format]} draws what {found.name} draws, to {done.difference:.1g}.")
    say(f"{done.folder / DESCRIPTION} says what goes in and what comes out.")

"""``stackgan generate``: sentences to pictures."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.completing import complete_checkpoint, complete_format
from stackgan_cli.commands.looking import can_show, open_picture, show, show_way
from stackgan_cli.commands.options import Device, Json, Model, Precision
from stackgan_cli.interrupts import INTERRUPTS

if TYPE_CHECKING:
    from stackgan_cli.generating.request import GenerateRequest
    from stackgan_cli.generating.run import Generation

EPILOG = """Examples:

stackgan generate "a small red bird"

stackgan generate "a small red bird" "a large blue bird with black wings" -n 4 --grid --seed 7

echo "a white bird standing in snow" | stackgan generate --from - --output birds

stackgan generate --again a-small-red-bird-7.png

stackgan generate --interpolate "a red bird" "a blue bird" --frames 16 --output morph.gif"""


class Condition(StrEnum):
    """What to draw with."""

    MEAN = "mean"
    SAMPLE = "sample"


PromptArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="Sentences to draw, each in quotation marks.", show_default=False),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Prompts: text with one a line, or CSV or JSON lines with prompt, and if need be seed, seeds and count;"
        " - reads stdin.",
        show_default=False,
    ),
]
NumImages = Annotated[int, typer.Option("--num-images", "-n", min=1, help="Pictures of each prompt.")]
FirstSeed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Seed of each prompt's first picture, from which the others count on.",
        show_default="by lot",
    ),
]
SeedList = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Seeds of each prompt's pictures, such as 0-7,42.", show_default=False),
]
AgainOption = Annotated[
    Path | None,
    typer.Option(metavar="PICTURE", help="Draw what this picture was drawn from.", show_default=False),
]
Interpolate = Annotated[
    bool,
    typer.Option(
        "--interpolate",
        help="Draw the way from each prompt to the next, or from each of --seeds to the next: an animation"
        " (--output way.gif, way.webp) or a strip (way.png).",
    ),
]
Frames = Annotated[
    int | None, typer.Option("--frames", min=2, max=1000, help="Pictures on the way.", show_default="16")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        help="Draw with a checkpoint of the training: best, or its steps.",
        autocompletion=complete_checkpoint,
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures, or a file for a single one.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="png, jpeg, webp or avif, in a folder.",
        autocompletion=complete_format,
        show_default="png, or that of --again",
    ),
]
Grid = Annotated[bool, typer.Option("--grid", help="Also write all pictures on one sheet with captions and seeds.")]
Stage = Annotated[
    int | None, typer.Option(min=1, max=2, help="1: the sketch alone.", show_default="the last one trained")
]
ConditionOption = Annotated[
    Condition | None,
    typer.Option(
        help="Draw with the mean of the conditioning distribution, or with a sample of it as in the paper.",
        show_default="as the model was made for",
    ),
]
Truncation = Annotated[
    float | None,
    typer.Option(help="Largest number in the noise: smaller, more usual and more alike.", show_default=False),
]
GridOnly = Annotated[
    bool, typer.Option("--grid-only", help="Write that sheet alone: to --output, or into it where that is a folder.")
]
Sketches = Annotated[
    bool,
    typer.Option(
        "--sketches", help="Also write what Stage-I drew of each, and show it beside the picture on the sheet."
    ),
]
Upscale = Annotated[
    int | None,
    typer.Option(min=1, help="Write each pixel as so many beside and below each other.", show_default=False),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Pass over pictures that an earlier run has put into the folder.")
]
Preview = Annotated[bool, typer.Option("--preview", help="Show the pictures in the terminal.")]
Open = Annotated[bool, typer.Option("--open", help="Open the first picture, or the sheet, in the system's viewer.")]
Metadata = Annotated[bool, typer.Option(help="Write prompt, seed and model into the file.")]


def generate(
    prompts: PromptArguments = None,
    from_: From = None,
    model: Model = None,
    num_images: NumImages = 1,
    seed: FirstSeed = None,
    seeds: SeedList = None,
    again: AgainOption = None,
    interpolate: Interpolate = False,
    frames: Frames = None,
    checkpoint: Checkpoint = None,
    output: Output = Path(),
    format: Format = None,  # noqa: A002
    grid: Grid = False,
    grid_only: GridOnly = False,
    sketches: Sketches = False,
    upscale: Upscale = None,
    resume: Resume = False,
    stage: Stage = None,
    condition: ConditionOption = None,
    truncation: Truncation = None,
    preview: Preview = False,
    open: Open = False,  # noqa: A002
    metadata: Metadata = True,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Draw pictures of sentences; prints the path of each."""
    from stackgan_cli.generating.request import GenerateRequest

    request = GenerateRequest(
        prompts=prompts or [],
        source=from_,
        seed=seed,
        num_images=num_images,
        seeds=seeds,
        again=again,
        interpolate=interpolate,
        frames=frames,
        model=model,
        checkpoint=checkpoint,
        stage=stage,
        condition=None if condition is None else condition.value,
        truncation=truncation,
        device=device,
        precision=precision,
        output=output,
        form=format,
        metadata=metadata,
        grid=grid,
        grid_only=grid_only,
        sketches=sketches,
        upscale=upscale,
        resume=resume,
    )
    _draw(request, json=json, preview=preview, open_first=open)


def _draw(request: GenerateRequest, *, json: bool, preview: bool, open_first: bool) -> None:
    """Draw what is asked for, and show it."""
    from stackgan_cli.console import hush
    from stackgan_cli.generating.run import Generation
    from stackgan_cli.ranks import joined_ranks

    if os.environ.get("RANK", "0") != "0":
        # What the main process of a distributed run says is enough, but for the files that others write.
        hush(results=json)
    preview = preview and can_show()
    with joined_ranks() as ranks:
        run = Generation(request, ranks)
        INTERRUPTS.promise(run.what_is_kept)
        to_open = _tell(run, json=json, preview=preview)
        # Whoever ends with an error ends the others, too.
        ranks.any(False)
    if open_first and ranks.main and to_open is not None:
        open_picture(to_open)
    if run.left_out and ranks.main:
        raise typer.Exit(1)


def _tell(run: Generation, *, json: bool, preview: bool) -> Path | None:
    """Tell of each file as it comes, or of all at the end as JSON.

    Returns:
        The one to open: the sheet, or the first picture where there is none.
    """
    from stackgan_cli.console import out, print_json

    told: list[dict[str, Any]] = []
    to_open = None
    for file in run.files():
        if json:
            told.append({"path": str(file.path), **file.facts})
        else:
            out.out(str(file.path), highlight=False)
        if preview and file.pictures:
            show_way(file.pictures, file.caption) if len(file.pictures) > 1 else show(file.pictures[0], file.caption)
        if to_open is None or file.facts.get("sheet"):
            to_open = file.path
    if json:
        told = run.facts_of_all(told)
        left_out = [{"line": line.line, "why": line.why} for line in run.left_out]
        more = {"there_already": run.there, "left_out": left_out}
        print_json({"pictures": told, **{name: value for name, value in more.items() if value}})
    return to_open

"""``stackgan generate``: sentences to pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from stackgan_cli.commands.completing import complete_checkpoint
from stackgan_cli.commands.looking import can_show, open_picture, show, show_way
from stackgan_cli.commands.options import Device, Json, Model, Precision, Seed
from stackgan_cli.interrupts import INTERRUPTS, this_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.drawn_pictures import Stop
    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.generating.writing import PictureWriter, Written
    from stackgan_cli.pipeline import Pipeline

EPILOG = """Examples:

stackgan generate "a small red bird"

stackgan generate "a small red bird" "a large blue bird with black wings" -n 4 --grid --seed 7

echo "a white bird standing in snow" | stackgan generate --from - --output birds

stackgan generate --again a-small-red-bird-7.png

stackgan generate --interpolate "a red bird" "a blue bird" --frames 16 --output morph.gif"""


_LINES_NAMED = 1000
"""Lines that cannot be drawn that are named one by one."""
_PROMPTS_NOTED = 20
"""Prompts of which is said what the model does not know in them."""

Each = TypeVar("Each")


class Condition(StrEnum):
    """What to draw with."""

    MEAN = "mean"
    SAMPLE = "sample"


PromptArguments = Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", show_default=False)]
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
Frames = Annotated[int, typer.Option("--frames", min=2, max=1000, help="Pictures on the way.")]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        help="Draw with a checkpoint of the training: best, or its steps.",
        autocompletion=complete_checkpoint,
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures, or a file for a single one.")]
Format = Annotated[str, typer.Option("--format", help="png, jpeg, webp or avif, in a folder.")]
Grid = Annotated[bool, typer.Option("--grid", help="Also write all pictures on one sheet with captions.")]
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
Preview = Annotated[bool, typer.Option("--preview", help="Show the pictures in the terminal.")]
Open = Annotated[bool, typer.Option("--open", help="Open the first picture, or the sheet, in the system's viewer.")]
Metadata = Annotated[bool, typer.Option(help="Write prompt, seed and model into the file.")]


def generate(
    prompts: PromptArguments = None,
    from_: From = None,
    model: Model = None,
    num_images: NumImages = 1,
    seed: Seed = None,
    seeds: SeedList = None,
    again: AgainOption = None,
    interpolate: Interpolate = False,
    frames: Frames = 16,
    checkpoint: Checkpoint = None,
    output: Output = Path(),
    format: Format = "png",  # noqa: A002
    grid: Grid = False,
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
    from stackgan_cli.console import warn
    from stackgan_cli.generating.again import Again
    from stackgan_cli.generating.prompts import Prompts, words_typed_apart
    from stackgan_cli.generating.seeds import Seeds
    from stackgan_cli.generating.ways import check_way
    from stackgan_cli.generating.writing import PictureWriter
    from stackgan_cli.pictures.picture_files import check_format, check_target

    preview = preview and can_show()
    writer = PictureWriter(output, format, metadata=metadata, grid=grid)
    INTERRUPTS.promise(lambda: _what_is_kept(writer.count))
    drawn_with: Literal["mean", "sample"] | None = None if condition is None else condition.value
    past = None
    if again is not None:
        beside = {"a prompt": prompts, "--from": from_, "--seeds": seeds, "--stage": stage, "--checkpoint": checkpoint}
        more = {"--seed": seed is not None, "-n": num_images > 1, "--condition": condition, "--truncation": truncation}
        past = Again.of(again, beside | more | {"--grid": grid, "--interpolate": interpolate})
        prompts, seed, stage, checkpoint = [past.prompt], past.seed, past.stage, past.checkpoint
        model, drawn_with, truncation = model or past.model, past.condition, past.truncation
    asked = Prompts(prompts or [], from_, Seeds.of(seed, num_images, seeds))
    if note := words_typed_apart(prompts or []):
        warn(note)
    check_format(format)
    if interpolate:
        check_way(output, format)
    else:
        check_target(output, asked.pictures + grid)
    pipeline = _pipeline(model, checkpoint, stage, drawn_with, truncation, device, precision)
    if past is not None:
        past.refuse_other(pipeline.model.fingerprint)
    _check(asked, pipeline)
    if interpolate:
        files = _draw_way(writer, pipeline, asked.stops(), frames, stage or pipeline.stages[-1])
    else:
        files = _with_progress(writer.draw_all(pipeline, asked, stage), asked.pictures)
    to_open = _tell(files, asked, json=json, preview=preview)
    if open and to_open is not None:
        open_picture(to_open)
    if asked.left_out:
        raise typer.Exit(1)


def _draw_way(
    writer: PictureWriter, pipeline: Pipeline, stops: Sequence[Stop], count: int, stage: int
) -> Iterator[Written]:
    """Draw the way through all stops, and write it as one file."""
    from stackgan_cli import interpolating

    frames = interpolating.frames(pipeline, stops, count, stage=stage)
    yield writer.write_way(pipeline, stops, _with_progress(frames, count), stage)


def _tell(files: Iterable[Written], asked: Prompts, *, json: bool, preview: bool) -> Path | None:
    """Tell of each file as it comes, or of all at the end as JSON.

    Returns:
        The one to open: the sheet, or the first picture where there is none.
    """
    from stackgan_cli.console import out, print_json

    told: list[dict[str, Any]] = []
    to_open = None
    for file in files:
        if json:
            told.append({"path": str(file.path), **file.facts})
        else:
            out.out(str(file.path), highlight=False)
        if preview and file.pictures:
            show_way(file.pictures, file.caption) if len(file.pictures) > 1 else show(file.pictures[0], file.caption)
        if to_open is None or not file.pictures:
            to_open = file.path
    if json:
        left_out = [{"line": line.line, "why": line.why} for line in asked.left_out]
        print_json({"pictures": told, **({"left_out": left_out} if left_out else {})})
    return to_open


def _what_is_kept(count: int) -> str:
    kept = (
        "no picture was written"
        if not count
        else f"{count:,} picture{'s are' if count > 1 else ' is'} written and kept"
    )
    return f"Interrupted; {kept}, and this draws again, under names that are free: {this_command()}"


def _check(asked: Prompts, pipeline: Pipeline) -> None:
    """Leave out lines that the model cannot read, and say what it will not read or does not know of the others."""
    from stackgan_cli.console import warn

    asked.keep(pipeline.check_prompt)
    left_out = asked.left_out
    for note in [*asked.notes, *map(asked.told, left_out[:_LINES_NAMED])]:
        warn(note)
    if len(left_out) > _LINES_NAMED:
        warn(f"{len(left_out) - _LINES_NAMED:,} more lines are left out, which --json lists.")
    told, others = set[str](), 0
    for prompt in asked:
        notes = [] if prompt.text in told else pipeline.notes_on(prompt.text)
        if len(told) >= _PROMPTS_NOTED:
            others += bool(notes)
        elif notes:
            told.add(prompt.text)
            for note in notes:
                warn(note)
    if others:
        warn(f"So it is with {others:,} more prompts.")


def _with_progress(drawn: Iterable[Each], count: int) -> Iterator[Each]:
    """Show how far the drawing of several pictures is."""
    from stackgan_cli.console import ProgressReport

    if count == 1:
        yield from drawn
        return
    with ProgressReport("Drawing", count, unit="pictures") as bar:
        for done, each in enumerate(drawn, 1):
            bar.update(min(done, count))
            with bar.aside():
                yield each


def _pipeline(
    model: str | None,
    checkpoint: str | None,
    stage: int | None,
    condition: Literal["mean", "sample"] | None,
    truncation: float | None,
    device: str,
    precision: str,
) -> Pipeline:
    from stackgan_cli.console import ConsoleProgress, patience, say, warn
    from stackgan_cli.model_finding import find_model

    folder = find_model(model, ConsoleProgress())
    stages = " and ".join("I" * each for each in folder.stages if stage is None or each <= stage)
    say(f"Drawing with the model {folder.name} ({folder.folder}), Stage-{stages}.")
    with patience("Loading it, which takes longest the first time ..."):
        from stackgan_cli.machine import choose_machine
        from stackgan_cli.pipeline import Pipeline

        pipeline = Pipeline(folder, choose_machine(device, precision), checkpoint, condition, truncation)
    for note in pipeline.notes:
        warn(note)
    return pipeline

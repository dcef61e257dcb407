"""``stackgan generate``: sentences to pictures."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stackgan_cli.commands.completing import complete_checkpoint
from stackgan_cli.commands.options import Device, Json, Model, Precision, Seed
from stackgan_cli.interrupts import INTERRUPTS, this_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.commands.prompts import Prompts
    from stackgan_cli.drawn_pictures import Drawn
    from stackgan_cli.pipeline import Pipeline

EPILOG = """Examples:

stackgan generate "a small red bird"

stackgan generate "a small red bird" "a large blue bird with black wings" -n 4 --grid --seed 7

echo "a white bird standing in snow" | stackgan generate --from - --output birds"""


_UNKNOWN_SHOWN = 8
"""Words that the model has never met that are named."""


class Condition(StrEnum):
    """What to draw with."""

    MEAN = "mean"
    SAMPLE = "sample"


def generate(
    prompts: Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", show_default=False)] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="File with one prompt a line; - reads stdin.", show_default=False)
    ] = None,
    model: Model = None,
    num_images: Annotated[int, typer.Option("--num-images", "-n", min=1, help="Pictures of each prompt.")] = 1,
    seed: Seed = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Draw with a checkpoint of the training: best, or its steps.",
            autocompletion=complete_checkpoint,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the pictures, or a .png file for a single one.")
    ] = Path(),
    grid: Annotated[bool, typer.Option("--grid", help="Also write all pictures on one sheet with captions.")] = False,
    stage: Annotated[
        int | None, typer.Option(min=1, max=2, help="1: the sketch alone.", show_default="the last one trained")
    ] = None,
    condition: Annotated[
        Condition | None,
        typer.Option(
            help="Draw with the mean of the conditioning distribution, or with a sample of it as in the paper.",
            show_default="as the model was made for",
        ),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show the pictures in the terminal.")] = False,
    metadata: Annotated[bool, typer.Option(help="Write prompt, seed and model into the PNG.")] = True,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Draw pictures of sentences; prints the path of each."""
    from stackgan_cli.commands.prompts import Prompts, words_typed_apart
    from stackgan_cli.console import out, print_json, warn
    from stackgan_cli.drawn_pictures import Request
    from stackgan_cli.pictures.picture_files import check_target

    count = 0
    INTERRUPTS.promise(lambda: _what_is_kept(count))
    asked = Prompts(prompts or [], from_)
    if note := words_typed_apart(prompts or []):
        warn(note)
    check_target(output, len(asked.texts) * num_images + grid)
    first = secrets.randbelow(2**31) if seed is None else seed
    pipeline = _pipeline(model, checkpoint, stage, None if condition is None else condition.value, device, precision)
    _check(asked, pipeline)
    pipeline.check(Request(asked.texts[0], first + num_images - 1))
    wanted = len(asked.texts) * num_images
    if grid:
        _refuse_large_sheet(wanted, pipeline.resolution)
    requests = (Request(text, first + number) for text in asked.texts for number in range(num_images))
    # Only what is told or shown at the end is kept, because there may be any number of pictures.
    drawn: list[Drawn] = []
    written: list[dict[str, Any]] = []
    for each in _with_progress(pipeline.draw_all(requests, stage=stage), wanted):
        facts = _write(each, output, metadata)
        count += 1
        drawn += [each] if grid else []
        written += [facts] if json else []
        if not json:
            out.out(facts["path"], highlight=False)
        if preview:
            _preview(each)
    if grid:
        path = _write_sheet(drawn, num_images, output, metadata)
        written.append({"path": str(path), "sheet": True})
        if not json:
            out.out(str(path), highlight=False)
    if json:
        left_out = [{"line": line.line, "why": line.why} for line in asked.left_out]
        print_json({"pictures": written, **({"left_out": left_out} if left_out else {})})
    if asked.left_out:
        raise typer.Exit(1)


def _refuse_large_sheet(count: int, side: int) -> None:
    from stackgan_cli.errors import UsageError
    from stackgan_cli.pictures.sheets import most_on_a_sheet

    most = most_on_a_sheet(side)
    if count > most:
        raise UsageError(
            f"A sheet takes {most:,} pictures of {side} px, and these are {count:,}.",
            hint="without --grid, or with fewer pictures",
        )


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
    for line in asked.left_out:
        warn(asked.told(line))
    for text in dict.fromkeys(asked.texts):
        _say_what_is_read(pipeline, text)


def _with_progress(drawn: Iterable[Drawn], count: int) -> Iterator[Drawn]:
    """Show how far the drawing of several pictures is."""
    from stackgan_cli.console import ProgressReport

    if count == 1:
        yield from drawn
        return
    with ProgressReport("Drawing", count, unit="pictures") as bar:
        for done, each in enumerate(drawn, 1):
            bar.update(done)
            with bar.aside():
                yield each


def _pipeline(
    model: str | None,
    checkpoint: str | None,
    stage: int | None,
    condition: Literal["mean", "sample"] | None,
    device: str,
    precision: str,
) -> Pipeline:
    from stackgan_cli.console import patience, say, warn
    from stackgan_cli.model_finding import find_model

    folder = find_model(model)
    stages = " and ".join("I" * each for each in folder.stages if stage is None or each <= stage)
    say(f"Drawing with the model {folder.name} ({folder.folder}), Stage-{stages}.")
    with patience("Loading it, which takes longest the first time ..."):
        from stackgan_cli.machine import choose_machine
        from stackgan_cli.pipeline import Pipeline

        pipeline = Pipeline(folder, choose_machine(device, precision), checkpoint, condition)
    for note in pipeline.notes:
        warn(note)
    return pipeline


def _say_what_is_read(pipeline: Pipeline, text: str) -> None:
    from stackgan_cli.console import warn

    unknown = pipeline.unknown_words(text)
    if unknown:
        shown = ", ".join(map(repr, unknown[:_UNKNOWN_SHOWN])) + (" ..." if len(unknown) > _UNKNOWN_SHOWN else "")
        warn(f"{pipeline.model.name} met no {shown} in its training, and cannot know what to draw there.")
    share = pipeline.coverage(text)
    if 0 < share < 0.95:
        warn(f"Only {share:.0%} of {text[:40]!r} can be read by the model's text encoder; the rest is passed over.")


def _write(drawn: Drawn, output: Path, metadata: bool) -> dict[str, Any]:
    from stackgan_cli.pictures.picture_files import save_new_png, save_png, slug

    told = drawn.facts if metadata else None
    if output.suffix and not output.is_dir():
        path = output
        save_png(drawn.picture, path, told)
    else:
        path = save_new_png(drawn.picture, output, f"{slug(drawn.prompt)}-{drawn.seed}", told)
    return {"path": str(path), **drawn.facts}


def _write_sheet(drawn: Sequence[Drawn], each: int, output: Path, metadata: bool) -> Path:
    from stackgan_cli.pictures.picture_files import save_new_png, slug
    from stackgan_cli.pictures.sheets import sheet

    rows = [(drawn[at].prompt, [one.picture for one in drawn[at : at + each]]) for at in range(0, len(drawn), each)]
    facts: dict[str, Any] = {
        "prompts": [caption for caption, _ in rows],
        "seeds": [one.seed for one in drawn],
        "model": drawn[0].model,
        "stage": drawn[0].stage,
        **drawn[0].chosen,
    }
    whole = sheet(rows, side=drawn[0].picture.width)
    return save_new_png(whole, output, f"{slug(drawn[0].prompt)}-{drawn[0].seed}-grid", facts if metadata else None)


def _preview(drawn: Drawn) -> None:
    """Show a picture on stderr in half blocks, two pixels a character."""
    from rich.style import Style
    from rich.text import Text

    from stackgan_cli.console import err

    side = min(err.width, 64) // 2 * 2
    small = drawn.picture.resize((side, side))
    text = Text()
    for row in range(0, side, 2):
        for column in range(side):
            above, below = (small.getpixel((column, row + half)) for half in (0, 1))
            text.append("▀", Style(color=_hex(above), bgcolor=_hex(below)))
        text.append("\n")
    err.print(text, Text(drawn.prompt), sep="")


def _hex(pixel: Any) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)

"""``stackgan generate``: sentences to pictures."""

from __future__ import annotations

import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stackgan_cli.commands.options import Device, Json, Model, Precision, Seed
from stackgan_cli.interrupts import INTERRUPTS, this_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.pipeline import Drawn, Pipeline

EPILOG = """Examples:

stackgan generate "a small red bird"

stackgan generate "a small red bird" "a large blue bird with black wings" -n 4 --grid --seed 7

echo "a white bird standing in snow" | stackgan generate --from - --output birds"""

_LONGEST_PROMPT = 10_000


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
        typer.Option(help="Draw with a checkpoint of the training: best, or its steps.", show_default=False),
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
    from stackgan_cli.console import out, print_json
    from stackgan_cli.pictures.picture_files import check_target
    from stackgan_cli.pipeline import Request

    written: list[dict[str, Any]] = []
    INTERRUPTS.promise(lambda: _what_is_kept(len(written)))
    texts = _prompts(prompts or [], from_)
    check_target(output, len(texts) * num_images + grid)
    first = secrets.randbelow(2**31) if seed is None else seed
    requests = [Request(text, first + number) for text in texts for number in range(num_images)]
    pipeline = _pipeline(model, checkpoint, None if condition is None else condition.value, device, precision)
    for text in texts:
        _say_what_is_read(pipeline, text)
    drawn: list[Drawn] = []
    for each in pipeline.draw_all(requests, stage=stage):
        drawn.append(each)
        written.append(_write(each, output, metadata, pipeline.condition))
        if not json:
            out.out(written[-1]["path"], highlight=False)
        if preview:
            _preview(each)
    if grid:
        path = _write_sheet(drawn, num_images, output, metadata, pipeline.condition)
        written.append({"path": str(path), "sheet": True})
        if not json:
            out.out(str(path), highlight=False)
    if json:
        print_json({"pictures": written})


def _what_is_kept(count: int) -> str:
    kept = (
        "no picture was written"
        if not count
        else f"{count:,} picture{'s are' if count > 1 else ' is'} written and kept"
    )
    return f"Interrupted; {kept}, and this draws again, under names that are free: {this_command()}"


def _prompts(given: Sequence[str], source: str | None) -> list[str]:
    from stackgan_cli.errors import DataError, UsageError

    texts = list(given)
    if source is not None:
        try:
            whole = sys.stdin.read() if source == "-" else Path(source).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            where = "The standard input" if source == "-" else source
            raise DataError(f"{where} cannot be read: {error}.", hint="UTF-8 text, one prompt a line") from error
        texts += [line.strip() for line in whole.splitlines() if line.strip()]
    if not texts:
        raise UsageError("There is no prompt.", hint='stackgan generate "a small red bird"')
    for text in texts:
        if len(text) > _LONGEST_PROMPT:
            raise UsageError(
                f"A prompt of {len(text):,} characters is too long; a sentence is meant.", hint="one or two sentences"
            )
    return texts


def _pipeline(
    model: str | None,
    checkpoint: str | None,
    condition: Literal["mean", "sample"] | None,
    device: str,
    precision: str,
) -> Pipeline:
    from stackgan_cli.console import say, warn
    from stackgan_cli.model_finding import find_model

    folder = find_model(model)
    stages = " and ".join("I" * stage for stage in folder.stages)
    say(f"Drawing with the model {folder.name} ({folder.folder}), Stage-{stages}.")
    from stackgan_cli.machine import choose_machine
    from stackgan_cli.pipeline import Pipeline

    pipeline = Pipeline(folder, choose_machine(device, precision), checkpoint, condition)
    for note in pipeline.notes:
        warn(note)
    return pipeline


def _say_what_is_read(pipeline: Pipeline, text: str) -> None:
    from stackgan_cli.console import warn

    share = pipeline.coverage(text)
    if 0 < share < 0.95:
        warn(f"Only {share:.0%} of {text[:40]!r} can be read by the model's text encoder; the rest is passed over.")


def _write(drawn: Drawn, output: Path, metadata: bool, condition: str | None) -> dict[str, Any]:
    from importlib.metadata import version

    from stackgan_cli.pictures.picture_files import save_new_png, save_png, slug

    facts = {
        "prompt": drawn.prompt,
        "seed": drawn.seed,
        "model": drawn.model,
        "stage": drawn.stage,
        "size": drawn.picture.width,
        "stackgan": version("stackgan-cli"),
    }
    if condition is not None:
        facts["condition"] = condition
    told = facts if metadata else None
    if output.suffix and not output.is_dir():
        path = output
        save_png(drawn.picture, path, told)
    else:
        path = save_new_png(drawn.picture, output, f"{slug(drawn.prompt)}-{drawn.seed}", told)
    return {"path": str(path), **facts}


def _write_sheet(drawn: Sequence[Drawn], each: int, output: Path, metadata: bool, condition: str | None) -> Path:
    from stackgan_cli.pictures.picture_files import save_new_png, slug
    from stackgan_cli.pictures.sheets import sheet

    rows = [(drawn[at].prompt, [one.picture for one in drawn[at : at + each]]) for at in range(0, len(drawn), each)]
    facts: dict[str, Any] = {
        "prompts": [caption for caption, _ in rows],
        "seeds": [one.seed for one in drawn],
        "model": drawn[0].model,
    }
    if condition is not None:
        facts["condition"] = condition
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
    err.print(text, drawn.prompt, sep="")


def _hex(pixel: Any) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)

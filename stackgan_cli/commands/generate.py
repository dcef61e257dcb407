"""``stackgan generate``: sentences to pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from stackgan_cli.commands.completing import complete_checkpoint
from stackgan_cli.commands.interpolate import check_way, write_way
from stackgan_cli.commands.looking import can_show, open_picture, show, show_way
from stackgan_cli.commands.options import Device, Json, Model, Precision, Seed
from stackgan_cli.interrupts import INTERRUPTS, this_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.commands.prompts import Prompts
    from stackgan_cli.commands.seeds import Seeds
    from stackgan_cli.drawn_pictures import Drawn, Stop
    from stackgan_cli.pipeline import Pipeline

EPILOG = """Examples:

stackgan generate "a small red bird"

stackgan generate "a small red bird" "a large blue bird with black wings" -n 4 --grid --seed 7

echo "a white bird standing in snow" | stackgan generate --from - --output birds

stackgan generate --again a-small-red-bird-7.png

stackgan generate --interpolate "a red bird" "a blue bird" --frames 16 --output morph.gif"""


_UNKNOWN_SHOWN = 8
"""Words that the model has never met that are named."""

Each = TypeVar("Each")


class Condition(StrEnum):
    """What to draw with."""

    MEAN = "mean"
    SAMPLE = "sample"


PromptArguments = Annotated[list[str] | None, typer.Argument(metavar="PROMPT...", show_default=False)]
From = Annotated[
    str | None, typer.Option("--from", help="File with one prompt a line; - reads stdin.", show_default=False)
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
    from stackgan_cli.commands.again import Again
    from stackgan_cli.commands.prompts import Prompts, words_typed_apart
    from stackgan_cli.commands.seeds import Seeds
    from stackgan_cli.console import print_json, warn
    from stackgan_cli.drawn_pictures import MOST_STOPS, Request, stops_of
    from stackgan_cli.pictures.picture_files import check_format, check_target

    writer = _Writer(output, format, metadata=metadata, json=json, preview=preview and can_show(), grid=grid)
    INTERRUPTS.promise(lambda: _what_is_kept(writer.count))
    drawn_with: Literal["mean", "sample"] | None = None if condition is None else condition.value
    past = None
    if again is not None:
        beside = {"a prompt": prompts, "--from": from_, "--seeds": seeds, "--stage": stage, "--checkpoint": checkpoint}
        more = {"--seed": seed is not None, "-n": num_images > 1, "--condition": condition, "--truncation": truncation}
        past = Again.of(again, beside | more | {"--grid": grid, "--interpolate": interpolate})
        prompts, seed, stage, checkpoint = [past.prompt], past.seed, past.stage, past.checkpoint
        model, drawn_with, truncation = model or past.model, past.condition, past.truncation
    asked = Prompts(prompts or [], from_)
    if note := words_typed_apart(prompts or []):
        warn(note)
    each = Seeds.of(seed, num_images, seeds)
    check_format(format)
    if interpolate:
        check_way(output, format)
    else:
        check_target(output, len(asked.texts) * each.count + grid)
    pipeline = _pipeline(model, checkpoint, stage, drawn_with, truncation, device, precision)
    if past is not None:
        past.refuse_other(pipeline.model.fingerprint)
    _check(asked, pipeline)
    pipeline.check(Request(asked.texts[0], each.largest))
    if interpolate:
        writer.draw_way(pipeline, stops_of(asked.texts, each.few(MOST_STOPS)), frames, stage or pipeline.stages[-1])
    else:
        writer.draw_all(pipeline, asked.texts, each, stage)
    if json:
        left_out = [{"line": line.line, "why": line.why} for line in asked.left_out]
        print_json({"pictures": writer.written, **({"left_out": left_out} if left_out else {})})
    if open and writer.to_open is not None:
        open_picture(writer.to_open)
    if asked.left_out:
        raise typer.Exit(1)


class _Writer:
    """Writes pictures as they are drawn, and tells of each.

    Only what is told or shown at the end is kept, because there may be any number of pictures.

    Args:
        output: a folder, or a file for a single picture.
        form: of the files in a folder.
        metadata: whether they say how they were drawn.
        json: whether what was written is told at the end, and not line by line.
        preview: whether each is shown in the terminal.
        grid: whether a sheet of all is written at the end.
    """

    def __init__(self, output: Path, form: str, *, metadata: bool, json: bool, preview: bool, grid: bool) -> None:
        self._output, self._form, self._metadata = output, form, metadata
        self._json, self._preview, self._grid = json, preview, grid
        self._drawn: list[Drawn] = []
        self.written: list[dict[str, Any]] = []
        """Facts of every file, where they are told at the end."""
        self.count = 0
        """Pictures that are written."""
        self.to_open: Path | None = None
        """The sheet, or the first picture where there is none."""

    def draw_all(self, pipeline: Pipeline, texts: Sequence[str], seeds: Seeds, stage: int | None) -> None:
        """Draw every text with every seed, and write each picture as it is drawn."""
        from stackgan_cli.drawn_pictures import Request

        wanted = len(texts) * seeds.count
        if self._grid:
            _refuse_large_sheet(wanted, pipeline.resolution)
        requests = (Request(text, seed) for text in texts for seed in seeds)
        for drawn in _with_progress(pipeline.draw_all(requests, stage=stage), wanted):
            self._take(drawn)
        if self._grid:
            self._write_sheet(seeds.count)

    def draw_way(self, pipeline: Pipeline, stops: Sequence[Stop], frames: int, stage: int) -> None:
        """Draw the way through all stops, and write it as one file."""
        from stackgan_cli import interpolating

        drawn = list(_with_progress(interpolating.frames(pipeline, stops, frames, stage=stage), frames))
        facts = write_way(pipeline, stops, drawn, self._output, metadata=self._metadata, stage=stage)
        self.count += 1
        self._tell(Path(facts.pop("path")), facts)
        if self._preview:
            show_way(drawn, facts["prompt"])

    def _take(self, drawn: Drawn) -> None:
        """Write a picture."""
        from stackgan_cli.pictures.picture_files import save_new_picture, save_picture, slug

        told = drawn.facts if self._metadata else None
        path = self._output
        if path.suffix and not path.is_dir():
            save_picture(drawn.picture, path, told)
        else:
            path = save_new_picture(drawn.picture, path, f"{slug(drawn.prompt)}-{drawn.seed}", told, self._form)
        self.count += 1
        if self._grid:
            self._drawn.append(drawn)
        self._tell(path, drawn.facts)
        if self._preview:
            show(drawn.picture, drawn.prompt)

    def _write_sheet(self, each: int) -> None:
        """Write all pictures on one sheet, ``each`` of every prompt."""
        from stackgan_cli.pictures.picture_files import save_new_picture, slug
        from stackgan_cli.pictures.sheets import sheet

        drawn = self._drawn
        rows = [(drawn[at].prompt, [one.picture for one in drawn[at : at + each]]) for at in range(0, len(drawn), each)]
        facts: dict[str, Any] = {
            "prompts": [caption for caption, _ in rows],
            "seeds": [one.seed for one in drawn],
            "model": drawn[0].model,
            "stage": drawn[0].stage,
            **drawn[0].chosen,
        }
        whole = sheet(rows, side=drawn[0].picture.width)
        stem = f"{slug(drawn[0].prompt)}-{drawn[0].seed}-grid"
        path = save_new_picture(whole, self._output, stem, facts if self._metadata else None, self._form)
        self._tell(path, {"sheet": True})
        self.to_open = path

    def _tell(self, path: Path, facts: dict[str, Any]) -> None:
        from stackgan_cli.console import out

        self.to_open = self.to_open or path
        if self._json:
            self.written.append({"path": str(path), **facts})
        else:
            out.out(str(path), highlight=False)


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


def _with_progress(drawn: Iterable[Each], count: int) -> Iterator[Each]:
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
    truncation: float | None,
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

        pipeline = Pipeline(folder, choose_machine(device, precision), checkpoint, condition, truncation)
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

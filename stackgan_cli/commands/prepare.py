"""``stackgan prepare``: captioned pictures to prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgan_cli.commands.completing import complete_crop, complete_encoder, complete_model, complete_reader
from stackgan_cli.commands.options import Data, Json, Source
from stackgan_cli.interrupts import INTERRUPTS, this_command
from stackgan_cli.randomness import LARGEST_SEED

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgan_cli.preparing.prepare import PrepareResult
    from stackgan_cli.preparing.request import PrepareRequest

EPILOG = """Examples:

stackgan prepare --data drawn-birds

stackgan prepare --data flowers --source ~/oxford102

stackgan prepare --data mine --source ~/pictures --resolution 64 --resolution 256

stackgan prepare --data pets --source ~/pets --caption-template "a photo of a {class}"

stackgan prepare --data toys --source hf:owner/name --caption-column text"""

Reader = Annotated[
    str | None,
    typer.Option(
        help="Layout of the source; found out by looking, if not given.",
        autocompletion=complete_reader,
        show_default=False,
    ),
]
Captions = Annotated[
    str | None,
    typer.Option(
        help="Where the captions lie, if not beside the pictures; or filename, if the pictures are called by them.",
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of captions and tables: utf-8, cp1252, shift_jis ...", show_default="told by looking"),
]
CaptionTemplate = Annotated[
    str | None, typer.Option(help='Captions for pictures without any: "a photo of a {class}".', show_default=False)
]
ImageColumn = Annotated[str | None, typer.Option(help="Column of the pictures in a table.", show_default=False)]
CaptionColumn = Annotated[str | None, typer.Option(help="Column of the captions in a table.", show_default=False)]
ReaderOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Any other option of the reader; repeatable.", show_default=False),
]
Encoder = Annotated[
    list[str] | None,
    typer.Option(
        help="Text encoder to fit and cache; repeatable.",
        autocompletion=complete_encoder,
        show_default="what suits the data",
    ),
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Option of the text encoder; repeatable.", show_default=False),
]
EncoderFrom = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Take the text encoder of this model as it is.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Resolution = Annotated[
    list[int] | None,
    typer.Option(
        min=8,
        max=2048,
        help="Resolution to train at; repeatable, and added to those that the data has.",
        show_default="64 and 256",
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        help="bbox, center, squash or pad.", autocompletion=complete_crop, show_default="as published for the data"
    ),
]
Background = Annotated[
    str, typer.Option(help="Colour under transparency and around padded pictures: white, '#ff8800' ...")
]
Limit = Annotated[
    int | None, typer.Option(min=2, max=10**15, help="Take at most this many pictures, at random.", show_default=False)
]
RandomSeed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of everything random.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch the data first, where it has a public address.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Compare every byte of the source's pictures with what was prepared.")
]
Shards = Annotated[
    Path | None,
    typer.Option(help="Also write the training split into this folder as shards to stream.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace data prepared earlier under this name.")]


def prepare(
    data: Data,
    source: Source = None,
    reader: Reader = None,
    captions: Captions = None,
    encoding: Encoding = None,
    caption_template: CaptionTemplate = None,
    image_column: ImageColumn = None,
    caption_column: CaptionColumn = None,
    reader_option: ReaderOption = None,
    encoder: Encoder = None,
    encoder_option: EncoderOption = None,
    encoder_from: EncoderFrom = None,
    resolution: Resolution = None,
    crop: Crop = None,
    background: Background = "white",
    limit: Limit = None,
    seed: RandomSeed = 0,
    download: Download = False,
    verify: Verify = False,
    shards: Shards = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Read captioned pictures and write prepared data: pictures, captions, splits and text features."""
    from stackgan_cli.commands.data_page import show_data
    from stackgan_cli.components.key_values import parse_option
    from stackgan_cli.console import ConsoleProgress, print_json, say, suggest
    from stackgan_cli.preparing import prepare as preparing
    from stackgan_cli.preparing.request import PrepareRequest

    named = {
        "captions": captions,
        "caption_template": caption_template,
        "image_column": image_column,
        "caption_column": caption_column,
    }
    request = PrepareRequest(
        data=data,
        source=source,
        reader=reader,
        reader_options={key: value for key, value in named.items() if value is not None}
        | dict(map(parse_option, reader_option or ())),
        encoders=encoder,
        encoder_options=dict(map(parse_option, encoder_option or ())),
        encoder_from=encoder_from,
        resolutions=resolution or None,
        crop=crop,
        background=background,
        encoding=encoding,
        limit=limit,
        seed=seed,
        download=download,
        verify=verify,
        shards=shards,
        force=force,
    )
    INTERRUPTS.promise(_what_is_kept(request))
    result = preparing.prepare(request, ConsoleProgress())
    if json:
        print_json({"data": str(result.folder), **result.manifest.as_json(), "measured": result.measured})
        return
    show_data(result.folder, result.manifest)
    if result.manifest.counts.train < 2:  # as training refuses
        say("Training needs at least two pictures: prepare more of them under this name, with --force.")
        return
    suggest("stackgan", "train-stage1", "--data", data, *_encoder_to_name(result))


def _encoder_to_name(result: PrepareResult) -> list[str]:
    """The option that trains with the text encoder that was asked for, where training would take another by itself."""
    from stackgan_cli.errors import StackganError
    from stackgan_cli.recipes.loading import load_recipe

    try:
        suits = load_recipe(result.manifest.recipe).encoder
    except StackganError:
        # Whoever trains is told what is wrong with it.
        suits = None
    if result.encoder in (None, result.manifest.encoder_for(suits)):
        return []
    return ["--encoder", result.encoder]


def _what_is_kept(request: PrepareRequest) -> Callable[[], str]:
    from stackgan_cli.files import unfinished
    from stackgan_cli.home import DATA_MANIFEST, data_folder

    target = data_folder(request.data)
    manifest = target / DATA_MANIFEST
    before = manifest.stat().st_ino if manifest.exists() else None

    def words() -> str:
        if unfinished(target).exists():
            return f"Interrupted; what was written so far is kept, and this goes on from there: {this_command()}"
        if manifest.exists() and manifest.stat().st_ino != before:
            # Forced once more, the pictures would be written once more.
            command = this_command(["--force"])
            return f"Interrupted; the pictures are prepared and kept, and this goes on with what is missing: {command}"
        kept = "what was prepared earlier is as it was" if before else "nothing was prepared yet"
        return f"Interrupted; {kept}, and this begins again: {this_command()}"

    return words

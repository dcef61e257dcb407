"""``stackgan convert``: published checkpoints made into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackgan_cli.commands.completing import complete_model, complete_recipe
from stackgan_cli.commands.options import Json

EPILOG = """Examples:

stackgan convert netG_epoch_600.pth --encoder char_cnn_rnn_birds.pth --name published-birds

stackgan convert netG_epoch_120.pth --name published-coco

stackgan generate "a small red bird" --model published-birds"""

Generator = Annotated[
    Path,
    typer.Argument(
        help="Weights of a generator that the published PyTorch code saved: netG_epoch_N.pth of either stage.",
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the model, or a path.", show_default="the file's name")]
Encoder = Annotated[
    Path | None,
    typer.Option(
        help="Weights of the text encoder, from a public PyTorch conversion of char-CNN-RNN.", show_default=False
    ),
]
EncoderFrom = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Take the text encoder of this model instead.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Discriminator = Annotated[
    Path | None,
    typer.Option(help="Weights of its discriminator, to train on from: netD_epoch_last.pth.", show_default=False),
]
RecipeName = Annotated[
    str,
    typer.Option("--recipe", help="Recipe whose components take the weights.", autocompletion=complete_recipe),
]


def convert(
    generator: Generator,
    name: Name = None,
    encoder: Encoder = None,
    encoder_from: EncoderFrom = None,
    discriminator: Discriminator = None,
    recipe: RecipeName = "port",
    json: Json = False,
) -> None:
    """Make a model of the weights that the authors' PyTorch code saved: it draws the pictures that they draw."""
    from stackgan_cli.console import print_json, say, suggest
    from stackgan_cli.sharing.converting import ConvertRequest
    from stackgan_cli.sharing.converting import convert as converting

    called = name or generator.stem
    model = converting(
        ConvertRequest(
            generator=generator,
            name=called,
            encoder=encoder,
            encoder_from=encoder_from,
            discriminator=discriminator,
            recipe=recipe,
        )
    )
    if json:
        print_json({"model": str(model.folder), **model.manifest.as_json()})
        return
    stages = " and ".join(f"Stage-{'I' * stage}" for stage in model.stages)
    say(f"{model.folder} draws what {generator.name} draws: {stages}.")
    if encoder is None and encoder_from is None:
        say(
            "It cannot read sentences, because its text encoder was not given: --encoder or --encoder-from gives it"
            " one, under another --name."
        )
        suggest("stackgan", "info", called)
    else:
        suggest("stackgan", "generate", "a small red bird", "--model", called)

"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackgan_cli.commands.completing import complete_data, complete_device, complete_model, complete_precision

Data = Annotated[
    str,
    typer.Option(
        "--data", help="Name of the data, or the path of its folder.", autocompletion=complete_data, show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu, gpu, cuda, cuda:1, mps ...", autocompletion=complete_device)
]
Precision = Annotated[
    str, typer.Option("--precision", help="auto, float32 or bfloat16.", autocompletion=complete_precision)
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name or folder of a model (stackgan info lists them), or hf:OWNER/NAME; by default $STACKGAN_MODEL, else"
        " the newest that draws sentences, else the bundled one.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change any setting of the recipe; repeatable.", show_default=False
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.", show_default=False)]
Source = Annotated[
    Path | None, typer.Option("--source", help="Folder, archive or list of captioned pictures.", show_default=False)
]

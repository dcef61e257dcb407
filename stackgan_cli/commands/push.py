"""``stackgan push``: a model to the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from stackgan_cli.commands.completing import complete_model
from stackgan_cli.commands.options import Json

EPILOG = """Examples:

stackgan push birds my-name/birds --dry-run

stackgan push birds my-name/birds --private --prompt "a small red bird" --prompt "a blue bird"

Which Hub: $HF_ENDPOINT, else the public one. Who you are: $HF_TOKEN, else what hf auth login keeps."""

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Name or folder of a model.", autocompletion=complete_model, show_default=False
    ),
]
Repository = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="Repository; made where there is none.", show_default=False)
]
Private = Annotated[bool, typer.Option("--private", help="Make it one that only its owner sees.")]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        help="Sentence whose pictures stand on the card, in place of the training's samples; repeatable.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the files and their bytes, and upload nothing.")]


def push(
    model: ModelArgument,
    repository: Repository,
    private: Private = False,
    prompt: Prompts = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Share a model on the Hugging Face Hub: what draws of it, and a card with pictures that it drew."""
    from stackgan_cli.console import ConsoleProgress, out, print_json, say, table
    from stackgan_cli.files import size_text
    from stackgan_cli.sharing.pushing import PushRequest, plan_push, require_token
    from stackgan_cli.sharing.pushing import push as pushing

    request = PushRequest(model=model, repository=repository, private=private, prompts=tuple(prompt or ()))
    if not dry_run:
        require_token()
    progress = ConsoleProgress()
    plan = plan_push(request, progress)
    whole = f"{len(plan.sizes)} files, {size_text(sum(plan.sizes.values()))}"
    address = None
    if not dry_run:
        say(f"Uploading {whole}, to {repository} ...")
        address = pushing(plan, progress)
    if json:
        print_json({"repository": repository, "uploaded": address, "files": plan.sizes})
    elif address is not None:
        out.out(address, highlight=False)
    else:
        table(repository, ("file", "bytes"), plan.sizes.items())
        say(f"Nothing was uploaded: {whole}.")

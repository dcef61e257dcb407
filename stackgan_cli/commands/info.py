"""``stackgan info``: what is in a model folder, in prepared data, or in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.options import Json

if TYPE_CHECKING:
    from stackgan_cli.dataset.manifest import DataManifest

EPILOG = """Examples:

stackgan info drawn-birds

stackgan info a-small-red-bird-7.png"""


def info(
    what: Annotated[
        str, typer.Argument(help="A model, prepared data (by name or path) or a picture.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Show what a model, prepared data or a picture holds."""
    from stackgan_cli.commands.data_table import show_data
    from stackgan_cli.console import print_json, table
    from stackgan_cli.home import data_folder

    found = _look(what)
    if json:
        print_json({title: facts if isinstance(facts, dict) else facts.as_json() for title, facts in found.items()})
        return
    for title, facts in found.items():
        if isinstance(facts, dict):
            table(title, ["", ""], [[key, _short(value)] for key, value in facts.items()])
        else:
            show_data(data_folder(what), facts)


def _look(what: str) -> dict[str, dict[str, Any] | DataManifest]:
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.errors import DataError
    from stackgan_cli.home import BUNDLED, DATA_MANIFEST, MANIFEST, data_folder, model_folder
    from stackgan_cli.manifests import read_json
    from stackgan_cli.pictures.picture_files import read_facts

    path = Path(what).expanduser()
    if path.is_file():
        return {str(path): read_facts(path)}
    found: dict[str, dict[str, Any] | DataManifest] = {}
    model = BUNDLED if what == "bundled" else model_folder(what)
    if (model / MANIFEST).is_file():
        found[f"model {model}"] = read_json(model / MANIFEST)
    if (data_folder(what) / DATA_MANIFEST).is_file():
        found[f"data {data_folder(what)}"] = read_manifest(data_folder(what))
    if not found:
        raise DataError(f"There is no model, prepared data or picture called {what!r}.", hint="stackgan environment")
    return found


def _short(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:197] + "..."

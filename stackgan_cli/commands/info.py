"""``stackgan info``: which models and data there are, and what is in one of them or in a picture."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.completing import complete_anything
from stackgan_cli.commands.model_page import model_facts, show_model
from stackgan_cli.commands.options import Json
from stackgan_cli.commands.picture_page import picture_facts, show_picture

if TYPE_CHECKING:
    from stackgan_cli.dataset.manifest import DataManifest
    from stackgan_cli.models.folder import ModelFolder

EPILOG = """Examples:

stackgan info

stackgan info drawn-birds

stackgan info a-small-red-bird-7.png"""


def info(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A model, prepared data (by name or path) or a picture.",
            autocompletion=complete_anything,
            show_default="a list of models and data",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a model, prepared data or a picture holds; without one, which models and data there are."""
    from stackgan_cli.commands.data_page import data_facts, show_data
    from stackgan_cli.console import print_json

    if what is None:
        _list(json)
        return
    found = _look(what)
    if json:
        facts = {
            "model": None if found.model is None else model_facts(found.model),
            "data": None if found.data is None else data_facts(*found.data),
            "picture": None if found.picture is None else picture_facts(*found.picture),
        }
        print_json(facts)
        return
    if found.picture is not None:
        show_picture(*found.picture)
    if found.model is not None:
        show_model(found.model)
    if found.data is not None:
        show_data(*found.data)


def _list(json: bool) -> None:
    from stackgan_cli.console import print_json, table
    from stackgan_cli.models.finding import list_models

    opened, unusable = list_models()
    models = [_model_facts(model) for model in opened]
    data, unreadable = _data_facts()
    broken = [{"name": each.name, "why": each.why} for each in unusable] + unreadable
    if json:
        print_json({"models": models, "data": data, "broken": broken})
        return
    for title, rows in (("Models", models), ("Prepared data", data), ("Broken", broken)):
        if rows:
            # Folders would leave the names no room; info NAME tells one.
            columns = [key for key in rows[0] if key != "folder"]
            table(title, columns, [[_cell(row[key]) for key in columns] for row in rows])


def _model_facts(model: ModelFolder) -> dict[str, Any]:
    brought = model.resource
    sizes = [model.stage_record(stage).resolution for stage in model.stages]
    return {
        "name": model.name if brought is None else brought.name,
        "package": None if brought is None else brought.package,
        "version": None if brought is None else brought.version,
        "stages": model.stages,
        "resolution": sizes[-1] if sizes else None,
        "folder": str(model.folder),
    }


def _data_facts() -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Prepared data that can be read, and what cannot, with the reason."""
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.errors import StackganError
    from stackgan_cli.home import DATA_MANIFEST, data_folder, names

    rows, broken = [], []
    for name in names("data", DATA_MANIFEST):
        try:
            manifest = read_manifest(data_folder(name))
        except StackganError as error:
            broken.append({"name": name, "why": error.message})
            continue
        rows.append(
            {
                "name": name,
                "pictures": manifest.counts.train + manifest.counts.test,
                "resolutions": [int(side) for side in manifest.pictures],
                "encoders": list(manifest.encoders),
                "folder": str(data_folder(name)),
            }
        )
    return rows, broken


@dataclass(frozen=True, slots=True)
class _Found:
    """What a name or a path means; a model and data may share a name."""

    model: ModelFolder | None = None
    data: tuple[Path, DataManifest] | None = None
    picture: tuple[Path, dict[str, Any]] | None = None


def _look(what: str) -> _Found:
    from stackgan_cli.console import ConsoleProgress
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.errors import DataError, ModelError
    from stackgan_cli.files import given_path
    from stackgan_cli.home import DATA_MANIFEST, data_folder, is_path, names
    from stackgan_cli.models.finding import place_of_model
    from stackgan_cli.pictures.picture_files import read_facts

    path = given_path(what) if what.startswith("~") else Path(what)
    if path.is_file():
        return _Found(picture=(path, read_facts(path)))
    # A colon stands between package and name, and no data has one in its name.
    folder = data_folder(what) if is_path(what) or ":" not in what else None
    data = None
    if folder is not None and (folder / DATA_MANIFEST).is_file():
        data = folder, read_manifest(folder)
    try:
        place = place_of_model(what, ConsoleProgress())
    except ModelError as error:
        if data is None:
            close = difflib.get_close_matches(what, names("data", DATA_MANIFEST), n=1)
            raise DataError(
                f"{what!r} is no picture and no prepared data. {error.message}",
                hint=f"Did you mean {close[0]!r}?" if close else error.hint,
            ) from error
        return _Found(data=data)
    return _Found(place.open(), data)


def _cell(value: Any) -> Any:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else value

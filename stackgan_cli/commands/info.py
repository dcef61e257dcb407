"""``stackgan info``: which models and data there are, and what is in one of them or in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.options import Json

if TYPE_CHECKING:
    from stackgan_cli.dataset.manifest import DataManifest
    from stackgan_cli.model_folder import ModelFolder

EPILOG = """Examples:

stackgan info

stackgan info drawn-birds

stackgan info a-small-red-bird-7.png"""


def info(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A model, prepared data (by name or path) or a picture.", show_default="a list of models and data"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a model, prepared data or a picture holds; without one, which models and data there are."""
    from stackgan_cli.commands.data_table import show_data
    from stackgan_cli.console import print_json, table
    from stackgan_cli.home import data_folder

    if what is None:
        _list(json)
        return
    found = _look(what)
    if json:
        print_json({title: facts if isinstance(facts, dict) else facts.as_json() for title, facts in found.items()})
        return
    for title, facts in found.items():
        if isinstance(facts, dict):
            table(title, ["", ""], [[key, _short(value)] for key, value in facts.items()])
        else:
            show_data(data_folder(what), facts)


def _list(json: bool) -> None:
    from stackgan_cli.console import print_json, table
    from stackgan_cli.model_finding import list_models

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


def _look(what: str) -> dict[str, dict[str, Any] | DataManifest]:
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.errors import DataError, ModelError
    from stackgan_cli.home import DATA_MANIFEST, MANIFEST, data_folder, is_path
    from stackgan_cli.manifests import read_json
    from stackgan_cli.model_finding import place_of_model
    from stackgan_cli.pictures.picture_files import read_facts

    path = Path(what).expanduser()
    if path.is_file():
        return {str(path): read_facts(path)}
    # A colon stands between package and name, and no data has one in its name.
    data = data_folder(what) if is_path(what) or ":" not in what else None
    found: dict[str, dict[str, Any] | DataManifest] = {}
    missing: ModelError | None = None
    try:
        place = place_of_model(what)
    except ModelError as error:
        missing = error
    else:
        brought = {"package": f"{place.resource.package} {place.resource.version}"} if place.resource else {}
        found[f"model {place.folder}"] = brought | read_json(place.folder / MANIFEST)
    if data is not None and (data / DATA_MANIFEST).is_file():
        found[f"data {data}"] = read_manifest(data)
    if missing is not None and not found:
        raise DataError(f"{what!r} is no picture and no prepared data. {missing.message}", hint=missing.hint)
    return found


def _cell(value: Any) -> Any:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _short(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:197] + "..."

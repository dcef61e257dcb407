"""What a run refuses to go on with: other data, another Stage-I, other settings than those it began with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.home import MANIFEST
from stackgan_cli.model_folder import ModelFolder, hash_of, stage_record
from stackgan_cli.recipes.loading import check, read_toml, with_full_names
from stackgan_cli.recipes.schema import MAY_CHANGE, StageSettings

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData


def refuse_other_data(folder: Path, data: PreparedData, encoder_folder: Path, stage: int) -> None:
    """Refuse a model folder that is none, lacks Stage-I where it is needed, or was trained on other data.

    Raises:
        ModelError: saying which, and what to do.
    """
    if (folder / MANIFEST).is_file():
        model = ModelFolder(folder)
        same_data = model.manifest.data.fingerprint == data.fingerprint
        if not same_data or model.encoder_hash() != hash_of(encoder_folder):
            changed = "text encoder" if same_data else "data"
            raise ModelError(
                f"The model {folder.name!r} was trained with another {changed} than {data.name!r} has now.",
                hint="--name for a new model, or train-stage1 with --restart (the old one is kept beside it)",
            )
        return
    if folder.exists() and {path.name for path in folder.iterdir()} - {"training", "text_encoder"}:
        raise ModelError(
            f"{folder} exists already and is no model, so it is left alone.",
            hint="--name with a name, or with the path of a folder that does not exist yet",
        )
    if stage == 2:
        name = "" if folder.name == data.name else f" --name {folder.name}"
        raise ModelError(
            f"There is no Stage-I in {folder} that Stage-II could build on.",
            hint=f"stackgan train-stage1 --data {data.name}{name}",
        )


def refuse_other_stage1(folder: Path) -> None:
    """Refuse to go on with a Stage-II that was trained on another Stage-I than the model has now.

    Raises:
        ModelError: it was.
    """
    now = hash_of(folder / "stage1")
    record = stage_record(folder, 2)
    if record is not None and record.stage1 not in (None, now):
        raise ModelError(
            f"The Stage-II of {folder.name!r} was trained on another Stage-I than the model has now.",
            hint="--restart to train Stage-II anew (the old one is kept beside it)",
        )


def refuse_other_settings(run_folder: Path, stage: int, settings: StageSettings) -> None:
    """Refuse settings that differ from those that a run began with, but for those that may.

    Raises:
        SettingsError: listing what was and what is now.
    """
    path = run_folder / "settings.toml"
    if not path.is_file():
        return
    before = with_full_names(check(StageSettings, read_toml(path), what=f"{path}"), stage).model_dump()
    now = settings.model_dump()
    differences = [
        f"{key} was {before[key]!r} and is now {now[key]!r}"
        for key in now
        if key not in MAY_CHANGE and before[key] != now[key]
    ]
    if differences:
        raise SettingsError(
            f"The run in {run_folder} has other settings: {'; '.join(differences)}.",
            hint="the same settings to go on, --restart to begin anew beside it, or --name for another model",
        )

"""What a run is made with where nobody said: what its model has already, then the recipe, then what suits the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.key_values import parse_option
from stackgan_cli.dataset.shards import is_remote
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.files import given_path
from stackgan_cli.home import MANIFEST, is_path
from stackgan_cli.models.finding import find_model
from stackgan_cli.models.folder import SETTINGS, ModelFolder, hash_of, stage_record
from stackgan_cli.recipes.loading import load_recipe, stage_settings, with_full_names
from stackgan_cli.training.given import GivenOptions, given_before, with_later

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.progress import Progress
    from stackgan_cli.recipes.schema import Recipe, StageSettings
    from stackgan_cli.training.request import TrainRequest

ENLARGED = 4
"""Stage-II draws four times the side of Stage-I where the recipe does not say otherwise (Zhang et al. 2016)."""
_OF_BOTH_STAGES = (
    "captions_averaged",
    "flip",
    "draw_condition",
    "averaging",
    "seed",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep_checkpoints",
    "measure_pictures",
    "eval_every",
    "eval_pictures",
    "resident_gib",
    "stream",
    "stream_buffer",
)
"""Settings that mean the same in both stages: one that was changed for Stage-I is changed for its Stage-II."""


@dataclass(slots=True)
class SettledRun:
    """Everything that a run is made with."""

    data: PreparedData
    folder: Path
    """Of the model."""
    settings: StageSettings
    given: GivenOptions
    """What was asked for, now, before, and of the model's Stage-I."""
    notes: list[str] = field(default_factory=list)
    """What was taken from elsewhere than the recipe, for people."""


def settle(request: TrainRequest, data: PreparedData, folder: Path, progress: Progress) -> SettledRun:
    """Settle recipe, text encoder and settings.

    What is asked for now lies over what the run was asked for before, that over what its Stage-I was asked for, that
    over the recipe, which is the one of the model so far, or the one that suits the data. Where no recipe is named, a
    run goes on with its settings as they are, whatever has become of its recipe since.

    Args:
        request: what was asked for.
        data: to train on.
        folder: of the model, which need not exist.
        progress: told what is fetched of the Hub.

    Raises:
        UsageError: two options contradict each other.
        SettingsError: there is no such recipe, or a setting cannot be.
    """
    later = _asked_now(request)
    run = folder / "training" / f"stage{request.stage}"
    before = None if request.restart or not (run / SETTINGS).is_file() else given_before(run)
    start = request.start
    if start is not None and is_path(start):
        start = str(given_path(start))
    model = None
    if (folder / MANIFEST).is_file() and not (request.restart and request.stage == 1):
        model = ModelFolder(folder)
    stage1 = given_before(folder / "training" / "stage1") if request.stage == 2 and model is not None else None
    encoder: str | None
    notes: list[str] = []
    if before is not None and request.recipe is None:
        name, given = before.recipe, with_later(before.settings, later)
        settings = stage_settings(load_recipe(str(run / SETTINGS), request.stage), request.stage, later, ())
        encoder = request.encoder or before.encoder
    else:
        name, recipe = _recipe(request, data, folder, model)
        given, notes = _given(recipe, name, later, before, stage1)
        settings = stage_settings(recipe, request.stage, given, ())
        # A Stage-II without a Stage-I is refused soon, and then no size is worth a word.
        founded = request.stage == 1 or (model is not None and stage_record(model.folder, 1) is not None)
        if founded and "resolution" not in given and not str(request.recipe).endswith(".toml"):
            side, note = _side(settings.resolution, recipe, data, model if request.stage == 2 else None)
            if note is not None:
                notes.append(note)
                given["resolution"] = side
            settings = settings.model_copy(update={"resolution": side})
        encoder, words = _encoder(request, recipe, data, model, progress)
        notes += words
    precision = next((each.precision for each in (before, stage1) if each is not None), "auto")
    asked = GivenOptions(
        recipe=name,
        encoder=data.encoder_folder(encoder).name,
        settings=given,
        precision=precision if request.precision == "auto" else request.precision,
        start=start or (before.start if before else None),
    )
    return SettledRun(data, folder, with_full_names(settings, request.stage), asked, notes)


def _asked_now(request: TrainRequest) -> dict[str, Any]:
    """Settings asked for now, by dotted key."""
    if request.changes.get("steps") is not None and request.changes.get("epochs") is not None:
        raise UsageError("--steps and --epochs both say how long to train.", hint="one of the two")
    asked = {key: value for key, value in request.changes.items() if value is not None}
    asked |= dict(map(parse_option, request.settings))
    stream = asked.get("stream")
    if isinstance(stream, str) and not is_remote(stream):
        # Where it is kept, it must mean the same from everywhere.
        asked["stream"] = str(given_path(stream))
    return asked


def _recipe(request: TrainRequest, data: PreparedData, folder: Path, model: ModelFolder | None) -> tuple[str, Recipe]:
    """Name and content of the recipe: the one asked for, else the model's own, else what suits the data."""
    if request.recipe is not None:
        return request.recipe, load_recipe(request.recipe, request.stage)
    records = [] if model is None else [stage_record(folder, stage) for stage in (request.stage, 1)]
    before = next((record.recipe for record in records if record is not None and record.recipe), None)
    if before is None:
        return data.manifest.recipe, load_recipe(data.manifest.recipe, request.stage)
    try:
        return before, load_recipe(before, request.stage)
    except SettingsError as error:
        raise SettingsError(
            f"{folder.name!r} has been trained with the recipe {before!r} so far. {error.message}",
            hint="--recipe with its name, or where its file lies now",
        ) from error


def _given(
    recipe: Recipe, name: str, later: dict[str, Any], before: GivenOptions | None, stage1: GivenOptions | None
) -> tuple[dict[str, Any], list[str]]:
    """Settings asked for over the recipe, and what to say of those that come from the Stage-I of the model.

    A smaller batch than the recipe's is taken from there as well, because what made it smaller is still there.
    """
    given = with_later(before.settings, later) if before is not None and before.recipe == name else dict(later)
    if stage1 is None:
        return given, []
    taken = {key: stage1.settings[key] for key in _OF_BOTH_STAGES if key in stage1.settings and key not in given}
    batch = stage1.settings.get("batch_size")
    if isinstance(batch, int) and "batch_size" not in given and recipe.stage2 and batch < recipe.stage2.batch_size:
        taken["batch_size"] = batch
    same = [f"the recipe {name}"] if stage1.recipe == name else []
    words = ", ".join([*same, *(f"{key} {value}" for key, value in taken.items())])
    return {**taken, **given}, [f"As its Stage-I, with {words}."] if words else []


def _encoder(
    request: TrainRequest, recipe: Recipe, data: PreparedData, model: ModelFolder | None, progress: Progress
) -> tuple[str | None, list[str]]:
    """Which of the data's text encoders, and what to say of it."""
    if request.encoder is not None:
        return request.encoder, []
    # A model goes on with the text encoder that it has, and one that begins with another's weights reads as that does.
    before = model or (None if request.start is None else find_model(request.start, progress))
    if before is not None:
        known = before.encoder_hash()
        same = [name for name in data.encoders if hash_of(data.folder / "text" / name) == known]
        if same:
            return same[0], []
    found = data.manifest.encoder_for(recipe.encoder)
    if found is None:
        return recipe.encoder, []
    entry = data.manifest.encoders[found]
    if recipe.encoder is None or recipe.encoder in (found, entry.name, entry.bare_name):
        return found, []
    return found, [f"The recipe suits {recipe.encoder}; the data's own text encoder is used: {found}."]


def _side(of_recipe: int, recipe: Recipe, data: PreparedData, model: ModelFolder | None) -> tuple[int, str | None]:
    """The resolution that the recipe, the data and the Stage-I suggest, and what to say where that is not the recipe's.

    Args:
        of_recipe: what the recipe says of the stage.
        recipe: with both stages, or one.
        data: to train on.
        model: whose Stage-I a Stage-II refines; None for a Stage-I.
    """
    times = ENLARGED
    if recipe.stage1 is not None and recipe.stage2 is not None:
        times = max(1, recipe.stage2.resolution // recipe.stage1.resolution)
    record = None if model is None else stage_record(model.folder, 1)
    if record is not None and record.resolution:
        wanted = record.resolution * times
        larger = [size for size in data.manifest.resolutions if size > record.resolution]
        side = wanted if wanted in larger or not larger else max(larger)
        sizes = [wanted]
    else:
        there = data.manifest.resolutions
        pairs = [size for size in there if size * times in there]
        wanted = of_recipe
        # Where a Stage-II can follow, that is better than the size of the recipe.
        choices = [wanted] if wanted in pairs else pairs or ([wanted] if wanted in there else there)
        side, sizes = min(choices), [wanted, wanted * times]
    if side == wanted:
        return side, None
    missing = " ".join(f"--resolution {size}" for size in sizes if size not in data.manifest.resolutions)
    return side, (
        f"The data has pictures of {', '.join(map(str, data.manifest.resolutions))} px, so {side} px are drawn, not"
        f" {wanted}. To have those as well: stackgan prepare --data {data.shell_name} {missing}"
    )

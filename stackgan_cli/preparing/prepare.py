"""From a request to prepared data: what ``stackgan prepare`` does, for programs too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.registry import Kind, find
from stackgan_cli.dataset.manifest import read_manifest
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.files import at_home
from stackgan_cli.home import DATA_MANIFEST, data_folder
from stackgan_cli.locks import only_one
from stackgan_cli.models.finding import find_model
from stackgan_cli.models.folder import hash_of
from stackgan_cli.preparing.planning import earlier_plan, plan_for
from stackgan_cli.preparing.recognising import ready_features
from stackgan_cli.preparing.sources import forget_unpacked, told_of_archive
from stackgan_cli.preparing.surveying import survey
from stackgan_cli.preparing.verifying import verify
from stackgan_cli.preparing.writing import add_resolutions, write_prepared
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgan_cli.dataset.manifest import DataManifest
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.preparing.planning import Plan
    from stackgan_cli.preparing.request import PrepareRequest
    from stackgan_cli.preparing.surveying import Survey
    from stackgan_cli.preparing.writing import WriteResult
    from stackgan_cli.progress import Progress

DEFAULT_ENCODER = "char-cnn-rnn"
"""For data whose reader names none."""
_REASONS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareResult:
    """What preparing came to."""

    folder: Path
    """Of the prepared data."""
    manifest: DataManifest
    encoder: str | None
    """Folder of the text encoder that was asked for, the last of several; None where none was."""
    measured: Mapping[str, Mapping[str, float]]
    """For each text encoder that was added now, what it measured of itself while it was fitted."""
    notes: tuple[str, ...]
    """What a person may not expect, such as pictures that were left out."""


def prepare(request: PrepareRequest, progress: Progress = SILENT) -> PrepareResult:
    """Prepare captioned pictures for training: pictures, captions, splits and text features.

    What is there already is kept: the same pictures are not read again, and the same text encoder is not fitted again.
    A preparation that was stopped goes on where it was. Many pictures are read by several processes, so a script must
    call this under ``if __name__ == "__main__":``.

    Args:
        request: what to prepare, and how.
        progress: told what is done and how far it is.

    Raises:
        StackganError: something asked for cannot be done, or another process is at this data; what was prepared
            earlier stays as it was.
    """
    # A slip of the pen is told now, not after minutes of reading pictures, nor after the seconds that torch takes.
    _refuse_encoders(dict.fromkeys(request.encoders or (), request.encoder_options))
    model = None if request.encoder_from is None else find_model(request.encoder_from, progress)
    target = data_folder(request.data)
    with only_one(target, "writing"):
        try:
            result = _prepared(request, target, model, progress)
        except StackganError as error:
            forget_unpacked(target)
            told_of_archive(error, request.source, target)
            raise
        forget_unpacked(target)
        return result


def _prepared(request: PrepareRequest, target: Path, model: ModelFolder | None, progress: Progress) -> PrepareResult:
    plan: Plan | None = None
    notes: tuple[str, ...] = ()
    there = _what_is_there(target, request.force)
    if not (request.only_adds and there is not None):
        plan = plan_for(request, target, there, progress)
        if model is None:
            _refuse_encoders(_wanted_encoders(request, plan))
        found = _surveyed(plan, progress)
        if not found.captioned:
            _refuse_reading(request, model, plan)
        notes = _write_pictures(plan, found, target, None if request.force else there, progress)
    from stackgan_cli.dataset.prepared import PreparedData

    data = PreparedData(target)
    wants_encoders = model is None and (request.encoders is not None or not data.encoders)
    measured = {}
    if request.verify or wants_encoders:
        plan = plan or earlier_plan(data.manifest, target, progress)
        if request.verify:
            verify(plan, data, progress)
        if wants_encoders:
            measured = _add_encoders(request, plan, data, progress)
    if model is not None:
        from stackgan_cli.preparing.text_encoding import add_encoder_of

        add_encoder_of(model, data, progress)
    if request.shards is not None:
        _write_shards(request, data, at_home(request.shards), progress)
    return PrepareResult(
        folder=target, manifest=data.manifest, encoder=_asked_encoder(request, data), measured=measured, notes=notes
    )


def _what_is_there(target: Path, force: bool) -> DataManifest | None:
    """What data prepared earlier says of itself; None where none is whole that is to be kept."""
    if not (target / DATA_MANIFEST).is_file():
        return None
    try:
        return read_manifest(target)
    except DataError:
        if force:
            return None
        raise


def _surveyed(plan: Plan, progress: Progress) -> Survey:
    with progress.phase("Looking through the source") as report:
        return survey(plan, report)


def _write_pictures(
    plan: Plan, found: Survey, target: Path, there: DataManifest | None, progress: Progress
) -> tuple[str, ...]:
    """Write the pictures that do not lie there already; returns what a person may not expect."""
    from stackgan_cli.dataset.prepared import PreparedData

    if there is not None:
        data = PreparedData(target)
        if data.fingerprint != found.fingerprint:
            raise DataError(
                f"{target} holds data prepared from another source or with other settings.",
                hint="--force to replace it, or --data with another name",
            )
        data.refuse_damage()
        added = tuple(size for size in plan.resolutions if size not in there.resolutions)
        if added:
            add_resolutions(replace(plan, resolutions=added), data, found, progress)
        else:
            progress.say(f"{target} holds exactly these pictures already.")
        return ()
    result = write_prepared(plan, target, found, progress)
    if not result.left_out.total:
        return ()
    note = _left_out(result, target)
    progress.warn(note)
    return (note,)


def _left_out(result: WriteResult, target: Path) -> str:
    common = result.left_out.commonest(_REASONS_SHOWN)
    others = result.left_out.total - sum(count for _, count in common)
    told = [*common, ("other reasons", others)] if others else common
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in told)
    things = "1 thing was" if result.left_out.total == 1 else f"{result.left_out.total:,} things were"
    return f"{things} left out or mended ({reasons}). {target / 'skipped.jsonl'} has the list."


def _refuse_encoders(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse text encoders that are not there, or that do not take their options."""
    for name, options in wanted.items():
        find(Kind.TEXT_ENCODER, name).bind(options=options).entry()


def _refuse_reading(request: PrepareRequest, model: ModelFolder | None, plan: Plan) -> None:
    """Refuse what was asked to read captions, before the pictures of a source that has none are written."""
    from stackgan_cli.preparing.text_encoding import refuse_reading

    if model is not None:
        refuse_reading(model.load(Kind.TEXT_ENCODER)[0], f"the text encoder of {model.name}", plan.place)
    for name in request.encoders or ():
        encoder = find(Kind.TEXT_ENCODER, name).bind(options=request.encoder_options).build()
        refuse_reading(encoder, f"the text encoder {name}", plan.place)


def _wanted_encoders(request: PrepareRequest, plan: Plan) -> dict[str, dict[str, Any]]:
    """Give the text encoders that were asked for, or the one that suits the data, each with its options."""
    suggested, suggested_options = plan.encoder or (DEFAULT_ENCODER, {})
    return {
        name: {**(suggested_options if name == suggested else {}), **request.encoder_options}
        for name in request.encoders or (suggested,)
    }


def _add_encoders(
    request: PrepareRequest, plan: Plan, data: PreparedData, progress: Progress
) -> dict[str, dict[str, float]]:
    """Fit and cache text encoders that the data does not have yet; returns what each measured of itself."""
    from stackgan_cli.preparing.text_encoding import add_encoder, has_encoder

    measured = {}
    for name, options in _wanted_encoders(request, plan).items():
        bound = find(Kind.TEXT_ENCODER, name).bind(options=options)
        if has_encoder(data, bound):
            progress.say(f"The text encoder {name} is there already, with these options.")
            continue
        features = partial(ready_features, plan.reader, plan.root)
        measured[name] = add_encoder(data, bound, seed=request.seed, progress=progress, features=features)
        found = ", ".join(f"{key} {value:.3g}" for key, value in measured[name].items())
        progress.say(f"Text encoder {name} is ready" + (f" ({found})." if found else "."))
    return measured


def _asked_encoder(request: PrepareRequest, data: PreparedData) -> str | None:
    """Folder of the text encoder that a request names, the last of several."""
    encoders = data.manifest.encoders
    if request.encoder_from is not None:
        known = find_model(request.encoder_from).encoder_hash()
        return next((folder for folder in encoders if hash_of(data.folder / "text" / folder) == known), None)
    if not request.encoders:
        return None
    bound = find(Kind.TEXT_ENCODER, request.encoders[-1]).bind(options=request.encoder_options)
    return next((folder for folder, entry in encoders.items() if bound.is_as(entry)), None)


def _write_shards(request: PrepareRequest, data: PreparedData, target: Path, progress: Progress) -> None:
    """Write the training split, with the features of its first or only named encoder, as shards."""
    from stackgan_cli.preparing.shard_writing import write_shards

    folder = data.encoder_folder(request.encoders[0] if request.encoders else None)
    with progress.phase("Shards") as report:
        count = write_shards(data, folder, target, report=report)
    progress.say(
        f"{count:,} pictures are in the shards of {target}. Train with --stream and this folder, or its address."
    )

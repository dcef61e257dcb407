"""What ``prepare`` does: choose the reader, look, write, add text features, and tell what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stackgan_cli.components.protocols import DatasetReader
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.preparing.surveying import Plan, Survey

_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    data: str
    source: Path | None
    reader: str | None
    reader_options: Mapping[str, Any]
    more_reader_options: tuple[str, ...]
    """Each as ``KEY=VALUE``."""
    encoders: tuple[str, ...] | None
    encoder_options: tuple[str, ...]
    """Each as ``KEY=VALUE``."""
    default_encoder: str
    """For data whose reader names none."""
    resolutions: tuple[int, ...]
    crop: str | None
    background: str
    limit: int | None
    seed: int
    download: bool
    verify: bool
    shards: Path | None
    force: bool

    @property
    def only_adds(self) -> bool:
        """Whether everything asked for can be had from data prepared earlier, where there is any."""
        more = self.encoders is not None or self.shards is not None or self.verify
        return more and self.source is None and self.reader is None and not self.force and not self.download


def run(asked: Asked, json: bool) -> None:
    """Prepare data, and show what it holds.

    Raises:
        StackganError: something asked for cannot be done.
    """
    from stackgan_cli.commands.data_table import show_data
    from stackgan_cli.components.key_values import parse_option
    from stackgan_cli.console import print_json, say
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.home import data_folder

    # A slip of the pen is told now, not after minutes of reading pictures.
    options = dict(map(parse_option, asked.encoder_options))
    _check_encoders(dict.fromkeys(asked.encoders or (), options))
    target = data_folder(asked.data)
    if asked.only_adds and _exists(target):
        plan = None
    else:
        plan = _plan(replace(asked, source=_downloaded(asked, target.name)) if asked.download else asked, target.name)
        _check_encoders(_wanted_encoders(asked, plan.encoder, options))
        _pictures(plan, target, asked.force)
    prepared = PreparedData(target)
    if asked.verify:
        _verify(plan or _earlier_plan(prepared), prepared)
    measured = _encoders(prepared, plan, asked, options)
    if asked.shards is not None:
        _shards(prepared, asked)
    if json:
        print_json({"data": str(target), **prepared.manifest, "measured": measured})
        return
    show_data(prepared.folder, prepared.manifest)
    say(f"Next: stackgan train-stage1 --data {quote(asked.data)}")


def _exists(target: Path) -> bool:
    from stackgan_cli.home import DATA_MANIFEST

    return (target / DATA_MANIFEST).is_file()


def _plan(asked: Asked, name: str) -> Plan:
    from stackgan_cli.components.key_values import parse_option
    from stackgan_cli.console import say
    from stackgan_cli.preparing.recognising import reader_for, reader_of_address, suited
    from stackgan_cli.preparing.surveying import Plan
    from stackgan_cli.preparing.writing import check_background, check_crop

    options = {**asked.reader_options, **dict(map(parse_option, asked.more_reader_options))}
    source = asked.source
    addressed = None if source is None or asked.reader else reader_of_address(source.as_posix(), say)
    if addressed is not None:
        component, why, options["dataset"] = addressed
        source = None
    else:
        source = None if source is None else _place(str(source))
        component, why = reader_for(name, asked.reader, source, say)
    say(f"Reading with {component.name}: {why}.")
    reader = component.bind({"seed": asked.seed}, options).build()
    suits = suited(reader, source)
    return Plan(
        component=component,
        reader=reader,
        source=source,
        options=options,
        resolutions=asked.resolutions,
        crop=check_crop(asked.crop or suits.crop),
        background=check_background(asked.background),
        seed=asked.seed,
        limit=asked.limit,
        recipe=suits.recipe,
        encoder=suits.encoder,
    )


def _place(source: str) -> Path:
    from stackgan_cli.errors import UsageError
    from stackgan_cli.files import given_path

    scheme, colon, rest = source.partition(":/")
    if colon and len(scheme) > 1 and scheme.isalnum():
        raise UsageError(
            f"--source takes what is on this disk, not an address such as {scheme}://{rest.lstrip('/')}.",
            hint="Fetch it first; sets of the Hugging Face Hub are read as --source hf:OWNER/NAME",
        )
    return given_path(source)


def _earlier_plan(prepared: PreparedData) -> Plan:
    """Make the plan that data was prepared with.

    Raises:
        StackganError: its reader is not installed any more.
    """
    from pathlib import Path

    from stackgan_cli.components.registry import Kind, find
    from stackgan_cli.preparing.surveying import Plan

    manifest = prepared.manifest
    source = manifest.get("source")
    return Plan(
        component=find(Kind.DATASET_READER, manifest["reader"]["name"]),
        reader=_earlier_reader(prepared),
        source=Path(source) if isinstance(source, str) else None,
        options=manifest["reader"].get("options", {}),
        resolutions=tuple(int(size) for size in manifest["pictures"]),
        crop=manifest["crop"],
        seed=int(manifest.get("seed", 0)),
        limit=manifest.get("limit"),
    )


def _earlier_reader(prepared: PreparedData) -> DatasetReader:
    from stackgan_cli.components.registry import Kind, find

    reader = prepared.manifest["reader"]
    host = {"seed": prepared.manifest.get("seed", 0)}
    built: DatasetReader = find(Kind.DATASET_READER, reader["name"]).bind(host, reader.get("options", {})).build()
    return built


def _downloaded(asked: Asked, name: str) -> Path:
    """Fetch the published data of this name into the source that was named, or else into the home folder.

    Raises:
        StackganError: it has no public address, or cannot be had whole.
    """
    from stackgan_cli.console import Phases, say
    from stackgan_cli.downloads.fetching import fetch
    from stackgan_cli.files import given_path
    from stackgan_cli.home import home
    from stackgan_cli.preparing.recognising import published_data

    published = published_data(asked.reader or name)
    folder = given_path(str(asked.source)) if asked.source else home() / "downloads" / name
    size = f"{published.size / 1e9:,.1f} GB"
    say(f"Fetching {published.title} ({size}) from {published.page} into {folder}. {published.terms}")
    for part in published.by_hand:
        if not (folder / part.place).is_dir():
            say(f"What cannot be fetched, {part.what}, belongs in {folder / part.place}. {part.steps}")
    with Phases() as phases:

        def report(file: str, done: int, total: int) -> None:
            phases.update(f"{file} (MB)", done // 10**6, total // 10**6, "")

        fetch(published, folder, report)
    return folder


def _pictures(plan: Plan, target: Path, force: bool) -> None:
    """Write the pictures, unless the very same lie there already."""
    from stackgan_cli.console import ProgressReport, say, warn
    from stackgan_cli.dataset.manifest import read_manifest
    from stackgan_cli.errors import DataError
    from stackgan_cli.preparing.verifying import damaged_file
    from stackgan_cli.preparing.writing import prepare

    found = _survey(plan)
    if _exists(target) and not force:
        if read_manifest(target)["fingerprint"] == found.fingerprint:
            damaged = damaged_file(target)
            if damaged is not None:
                raise DataError(f"{damaged} is missing or cut short.", hint="--force to prepare the pictures again")
            say(f"{target} holds exactly these pictures already.")
            return
        raise DataError(
            f"{target} holds data prepared from another source or with other settings.",
            hint="--force to replace it, or --data with another name",
        )
    with ProgressReport("Pictures", found.count) as progress:
        result = prepare(plan, target, found, progress.update, say)
    left_out = result.left_out
    if left_out.total:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in left_out.commonest(_NAMES_SHOWN))
        listed = target / "skipped.jsonl"
        things = "1 thing was" if left_out.total == 1 else f"{left_out.total:,} things were"
        warn(f"{things} left out or mended ({reasons}). {listed} has the list.")


def _survey(plan: Plan) -> Survey:
    from stackgan_cli.console import ProgressReport
    from stackgan_cli.preparing.surveying import survey

    with ProgressReport("Looking through the source", None) as progress:
        return survey(plan, progress.update)


def _verify(plan: Plan, prepared: PreparedData) -> None:
    """Tell whether the source's pictures are the ones that were prepared, byte by byte.

    Raises:
        DataError: some are not.
    """
    from stackgan_cli.console import ProgressReport, say
    from stackgan_cli.errors import DataError
    from stackgan_cli.preparing.verifying import verify

    with ProgressReport("Comparing contents", None) as progress:
        found = verify(plan, prepared, progress.update)
    problems = [
        f"{len(names):,} {what} ({', '.join(names[:_NAMES_SHOWN])}{', ...' if len(names) > _NAMES_SHOWN else ''})"
        for names, what in (
            (found.changed, "hold other bytes than then"),
            (found.gone, "are not in the source any more"),
        )
        if names
    ]
    if problems:
        raise DataError(
            f"Of {found.compared + len(found.gone):,} pictures that were prepared, {' and '.join(problems)}.",
            hint=f"stackgan prepare --data {prepared.name} --force, with its --source, to prepare them again",
        )
    say(f"The contents of {found.compared:,} pictures are what was prepared.")


def _check_encoders(wanted: Mapping[str, dict[str, Any]]) -> None:
    """Refuse text encoders that are not there, or that do not take their options.

    Raises:
        ComponentError: one is refused.
    """
    from stackgan_cli.components.registry import Kind, find

    for name, options in wanted.items():
        find(Kind.TEXT_ENCODER, name).bind(options=options).entry()


def _wanted_encoders(
    asked: Asked, suited_one: tuple[str, Mapping[str, Any]] | None, options: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Give the text encoders that were asked for, or the one that suits the data, each with its options."""
    suggested, suggested_options = suited_one or (asked.default_encoder, {})
    return {
        name: {**(suggested_options if name == suggested else {}), **options} for name in asked.encoders or (suggested,)
    }


def _encoders(
    prepared: PreparedData, plan: Plan | None, asked: Asked, options: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Fit and cache the text encoders that were asked for, or the one that suits the data where it has none."""
    from functools import partial
    from pathlib import Path

    from stackgan_cli.components.registry import Kind, find
    from stackgan_cli.console import Phases, say
    from stackgan_cli.preparing.recognising import ready_features, suited
    from stackgan_cli.preparing.text_encoding import add_encoder, has_encoder

    if asked.encoders is None and prepared.encoders:
        return {}
    reader = plan.reader if plan else _earlier_reader(prepared)
    place = prepared.manifest.get("source")
    source = plan.source if plan else Path(place) if isinstance(place, str) else None
    suited_one = plan.encoder if plan else suited(reader, source).encoder
    measured = {}
    for name, given in _wanted_encoders(asked, suited_one, options).items():
        bound = find(Kind.TEXT_ENCODER, name).bind(options=given)
        if has_encoder(prepared, bound):
            say(f"The text encoder {name} is there already, with these options.")
            continue
        with Phases() as phases:
            measured[name] = add_encoder(
                prepared,
                bound,
                seed=asked.seed,
                report=phases.update,
                features=partial(ready_features, reader, source),
            )
        found = ", ".join(f"{key} {value:.3g}" for key, value in measured[name].items())
        say(f"Text encoder {name} is ready" + (f" ({found})." if found else "."))
    return measured


def _shards(prepared: PreparedData, asked: Asked) -> None:
    """Write the training split, with the features of its first or only named encoder, as shards."""
    from stackgan_cli.console import ProgressReport, say
    from stackgan_cli.dataset.shards import write_shards

    assert asked.shards is not None
    folder = prepared.encoder_folder(asked.encoders[0] if asked.encoders else None)
    with ProgressReport("Shards", None) as bar:
        count = write_shards(prepared, folder, asked.shards.expanduser(), report=bar.update)
    say(f"{count:,} pictures are in the shards of {asked.shards}. Train with --stream and this folder, or its address.")

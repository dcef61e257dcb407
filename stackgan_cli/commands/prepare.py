"""``stackgan prepare``: captioned pictures to prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.options import Data, Json, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.data.prepared import PreparedData
    from stackgan_cli.data.preparing import Plan, Result

EPILOG = """Examples:

stackgan prepare --data drawn-birds

stackgan prepare --data flowers --source ~/oxford102

stackgan prepare --data mine --source ~/pictures --resolution 64 --resolution 256"""


def prepare(
    data: Data,
    source: Source = None,
    reader: Annotated[
        str | None, typer.Option(help="Layout of the source; found out by looking, if not given.", show_default=False)
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="Text encoder to fit and cache; repeatable.", show_default="what suits the data"),
    ] = None,
    encoder_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the text encoder; repeatable.", show_default=False),
    ] = None,
    resolution: Annotated[
        list[int] | None,
        typer.Option(min=8, max=2048, help="Resolution to train at; repeatable.", show_default="64 and 256"),
    ] = None,
    crop: Annotated[
        str | None, typer.Option(help="bbox, center, squash or pad.", show_default="as published for the data")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Take at most this many pictures, at random.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    shards: Annotated[
        Path | None,
        typer.Option(help="Also write the training split into this folder as shards to stream.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace data prepared earlier under this name.")] = False,
    json: Json = False,
) -> None:
    """Read captioned pictures and write prepared data: pictures, captions, splits and text features."""
    from stackgan_cli.components.options import parse_option
    from stackgan_cli.components.registry import Kind, find
    from stackgan_cli.console import print_json, say
    from stackgan_cli.data.prepared import PreparedData
    from stackgan_cli.home import data_folder

    # A slip of the pen is told now, not after minutes of reading pictures.
    options = dict(map(parse_option, encoder_option or []))
    for name in encoder or []:
        find(Kind.TEXT_ENCODER, name)
    target = data_folder(data)
    wants_more = encoder is not None or shards is not None
    only_more = source is None and not force and reader is None and _exists(target) and wants_more
    result = None
    plan = None
    if not only_more:
        plan = _plan(target.name, source, reader, resolution, crop, limit, seed)
        result = _pictures(plan, target, force)
    prepared = PreparedData(target)
    measured = _encoders(prepared, plan, encoder, options, seed)
    if shards is not None:
        _shards(prepared, encoder, shards)
    if json:
        print_json({"data": str(target), **prepared.manifest, "measured": measured})
        return
    _summary(prepared, result)
    say(f"Next: stackgan train-stage1 --data {data}")


def _exists(target: Path) -> bool:
    from stackgan_cli.home import DATA_MANIFEST

    return (target / DATA_MANIFEST).is_file()


def _plan(
    name: str,
    source: Path | None,
    reader: str | None,
    resolutions: Sequence[int] | None,
    crop: str | None,
    limit: int | None,
    seed: int,
) -> Plan:
    from stackgan_cli.components.building import build
    from stackgan_cli.components.registry import Kind
    from stackgan_cli.console import say
    from stackgan_cli.data.preparing import Plan, check_crop, reader_for

    source = None if source is None else source.expanduser().resolve()
    component, why = reader_for(name, reader, source)
    say(f"Reading with {component.name}: {why}.")
    built = build(Kind.DATASET_READER, component.full_name, host={"seed": seed})
    return Plan(
        component=component,
        reader=built,
        source=source,
        resolutions=tuple(sorted(set(resolutions or (64, 256)))),
        crop=check_crop(crop or str(getattr(built, "crop", "center"))),
        seed=seed,
        limit=limit,
    )


def _pictures(plan: Plan, target: Path, force: bool) -> Result | None:
    """Write the pictures, unless the very same lie there already."""
    from stackgan_cli.console import ProgressReport, say, warn
    from stackgan_cli.data.manifest import read_manifest
    from stackgan_cli.data.preparing import collect, fingerprint, prepare, why_skipped
    from stackgan_cli.errors import DataError

    examples, skipped = collect(plan)
    if _exists(target) and not force:
        if read_manifest(target)["fingerprint"] == fingerprint(plan, examples):
            say(f"{target} holds exactly these pictures already.")
            return None
        raise DataError(
            f"{target} holds data prepared from another source or with other settings.",
            hint="--force to replace it, or --data with another name",
        )
    with ProgressReport("Pictures", len(examples)) as progress:
        result = prepare(plan, target, examples, skipped, progress.update)
    if result.skipped:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in why_skipped(result.skipped)[:5])
        listed = target / "skipped.jsonl"
        warn(f"{len(result.skipped):,} things were left out or mended ({reasons}). They are listed in {listed}.")
    return result


def _encoders(
    prepared: Any, plan: Plan | None, names: Sequence[str] | None, options: dict[str, Any], seed: int
) -> dict[str, dict[str, float]]:
    """Fit and cache the text encoders that were asked for, or the one that suits the data where it has none."""
    from stackgan_cli.components.registry import Kind, find
    from stackgan_cli.console import Phases, say
    from stackgan_cli.data.encoding import add_encoder, has_encoder

    reader = plan.reader if plan else find(Kind.DATASET_READER, prepared.manifest["reader"]["name"]).factory()
    suggested, suggested_options = getattr(reader, "encoder", ("char-cnn-rnn", {}))
    wanted: list[str] = list(names or ([] if prepared.encoders else [suggested]))
    measured = {}
    for name in wanted:
        component = find(Kind.TEXT_ENCODER, name)
        given = {**(suggested_options if name == suggested else {}), **options}
        if has_encoder(prepared, component, given):
            say(f"The text encoder {name} is there already, with these options.")
            continue
        with Phases() as phases:
            measured[name] = add_encoder(prepared, name, given, seed=seed, report=phases.update)
        found = ", ".join(f"{key} {value:.3g}" for key, value in measured[name].items())
        say(f"Text encoder {name} is ready" + (f" ({found})." if found else "."))
    return measured


def _shards(prepared: PreparedData, names: Sequence[str] | None, target: Path) -> None:
    """Write the training split, with the features of its first or only named encoder, as shards."""
    from stackgan_cli.console import ProgressReport, say
    from stackgan_cli.data.shards import write_shards

    folder = prepared.encoder_folder(names[0] if names else None)
    with ProgressReport("Shards", None) as bar:
        count = write_shards(prepared, folder, target.expanduser(), report=bar.update)
    say(f"{count:,} pictures are in the shards of {target}. Train with --stream and this folder, or its address.")


def _summary(prepared: Any, result: Result | None) -> None:
    from stackgan_cli.console import table

    manifest = prepared.manifest
    rows = [
        ["pictures for training", f"{manifest['counts']['train']:,}"],
        ["pictures for testing", f"{manifest['counts']['test']:,}"],
        ["captions", f"{manifest['captions']:,}"],
        ["classes", f"{len(manifest['classes']):,}" if manifest["classes"] else "none given"],
        ["crop", manifest["crop"]],
        ["resolutions", ", ".join(manifest["pictures"])],
        ["text encoders", ", ".join(prepared.encoders)],
        ["left out or mended", f"{len(result.skipped) if result else manifest['skipped']:,}"],
    ]
    table(f"{prepared.name} ({prepared.folder})", ["", ""], rows)

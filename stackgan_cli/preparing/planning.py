"""What prepared data will hold: the reader of a source, and every setting that shapes what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.components.protocols import HasCrop, ReadsFiles
from stackgan_cli.components.registry import Component, Kind, available, find
from stackgan_cli.errors import ComponentError, DataError, UsageError
from stackgan_cli.files import given_path
from stackgan_cli.manifests import checked
from stackgan_cli.pictures.cropping import CropRule
from stackgan_cli.pictures.decoding import WHITE
from stackgan_cli.preparing.recognising import (
    published,
    published_data,
    reader_for,
    reader_of_address,
    recognised,
    suited,
    takes_file,
    takes_options,
)
from stackgan_cli.preparing.sources import LIST_OPTION, folder_of_list, unpacked
from stackgan_cli.progress import Phases
from stackgan_cli.readers.encodings import read_as
from stackgan_cli.readers.folder.in_names import IN_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgan_cli.components.protocols import DatasetReader, Example, Skipped
    from stackgan_cli.dataset.manifest import DataManifest
    from stackgan_cli.preparing.request import PrepareRequest
    from stackgan_cli.progress import Progress


DEFAULT_RESOLUTIONS = (64, 256)
"""Those of the paper's two stages, in pixels."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what prepared data will hold."""

    entry: ComponentEntry
    """The reader as the manifest names it, with the options that it was built with."""
    reader: DatasetReader
    source: Path | None
    """What a person named."""
    resolutions: tuple[int, ...]
    crop: CropRule
    seed: int
    limit: int | None
    """At most this many pictures, chosen at random under the seed."""
    background: str = WHITE
    """Colour that lies under transparency and fills what the crop rule ``pad`` adds."""
    encoding: str | None = None
    """Encoding of the source's texts; None where it is told by looking."""
    recipe: str = "paper"
    """Name of the recipe that suits the data."""
    extractor: str | None = None
    """Name of the feature extractor that suits it, where the reader names one."""
    encoder: tuple[str, Mapping[str, Any]] | None = None
    """Text encoder that suits the data, and its options, where the reader names one."""
    first_resolutions: tuple[int, ...] = ()
    """Those that the data was first prepared for, which its fingerprint counts, where others were added since."""
    unpacked: Path | None = None
    """The folder that an archive was unpacked to."""

    def examples(self) -> Iterator[Example | Skipped]:
        """Yield what the reader finds in the source."""
        with read_as(self.encoding):
            yield from self.reader.examples(self.root)

    @property
    def root(self) -> Path | None:
        """What the reader reads."""
        return self.unpacked or self.source

    @property
    def place(self) -> str:
        """What to call the source in messages."""
        return str(self.source or self.entry.options.get("dataset") or "The source")

    @property
    def counted_resolutions(self) -> tuple[int, ...]:
        """Resolutions that the fingerprint counts: more pictures of the same things leave the data what it is."""
        return self.first_resolutions or self.resolutions


def plan_for(request: PrepareRequest, target: Path, there: DataManifest | None, progress: Progress) -> Plan:
    """Settle what will be prepared: fetch the source where that was asked for, and choose what reads it, and tell why.

    Args:
        request: what was asked for.
        target: folder of the data.
        there: what data prepared earlier says of itself, where there is any; it keeps the resolutions that it has, and
            where no source is named, it is read as it was.
        progress: told what was chosen.

    Raises:
        StackganError: the source cannot be had, nothing reads it, or a setting cannot be meant.
    """
    name = target.name
    if there is not None and request.names_no_source and not (request.force and _read_by_name(name)):
        return _as_before(request, target, there, progress)
    if request.download:
        request = replace(request, source=_downloaded(request, name, progress))
    chosen = _chosen(request, target, progress)
    progress.say(f"Reading with {chosen.component.name}: {chosen.why}.")
    if LIST_OPTION in chosen.options and not takes_options(chosen.component, {LIST_OPTION: "captions.csv"}):
        raise UsageError(
            f"The reader {chosen.component.name} takes no captions from elsewhere, as --captions names them.",
            hint="Leave out --captions, or choose another reader with --reader.",
        )
    entry, reader = _built(chosen.component, chosen.options, request.seed)
    suits = suited(reader, chosen.root)
    if request.crop is None and suits.crop == "center" and isinstance(reader, HasCrop) and reader.crop == "bbox":
        progress.say("There are no bounding boxes, so each picture is cropped at its centre: --crop center.")
    return Plan(
        entry=entry,
        reader=reader,
        source=chosen.source,
        unpacked=chosen.root if chosen.root != chosen.source else None,
        resolutions=_resolutions(request, there),
        crop=_crop_rule(request.crop or suits.crop),
        background=_colour(request.background),
        seed=request.seed,
        limit=request.limit,
        encoding=request.encoding,
        recipe=suits.recipe,
        extractor=suits.extractor,
        encoder=suits.encoder,
        first_resolutions=_first_resolutions(request, there),
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is read, and by which reader."""

    component: Component
    why: str
    """Why this reader."""
    options: Mapping[str, Any]
    source: Path | None = None
    """What a person named on this disk; for a list its folder."""
    root: Path | None = None
    """The same, or what an archive was unpacked to."""


def _chosen(request: PrepareRequest, target: Path, progress: Progress) -> _Choice:
    """Choose what reads the source that was named, or the data of this name, and with which options."""
    options = dict(request.reader_options)
    given = None if request.source is None else Path(request.source).as_posix()
    addressed = None if given is None else reader_of_address(given, request.reader, progress.say)
    if addressed is not None:
        component, why, options["dataset"] = addressed
        return _Choice(component, why, _with_captions_found(options, None))
    source = root = None if given is None else _place(given)
    with read_as(request.encoding):
        if source is not None and not takes_file(source, request.reader, options):
            source, options = _folder_of(source, options, progress)
            root = unpacked(source, target, partial(recognised, reader=request.reader, options=options), progress)
        options = _with_captions_found(options, root)
        component, why = reader_for(target.name, request.reader, root, progress.say, options)
    # A list beside packed pictures, such as the table of each of img2dataset's shards, is not all that there is.
    packed = isinstance(component.factory(), ReadsFiles)
    if LIST_OPTION not in request.reader_options and (packed or not takes_options(component, options)):
        options.pop(LIST_OPTION, None)
    return _Choice(component, why, options, source, root)


def earlier_plan(manifest: DataManifest, target: Path, progress: Progress) -> Plan:
    """Give the plan that data was prepared with.

    Args:
        manifest: what the data says of itself.
        target: its folder.
        progress: told what is done to read its source again.

    Raises:
        StackganError: its reader is not installed any more, or does not take its options.
    """
    component = find(Kind.DATASET_READER, manifest.reader.name)
    reader: DatasetReader = component.bind({"seed": manifest.seed}, manifest.reader.options).build()
    source = root = None if manifest.source is None else Path(manifest.source)
    if source is not None and not takes_file(source, component.full_name, {}):
        root = unpacked(source, target, lambda place: reader.recognises(place) is not None, progress)
    return Plan(
        entry=manifest.reader,
        reader=reader,
        source=source,
        unpacked=root if root != source else None,
        resolutions=manifest.resolutions,
        crop=manifest.crop,
        background=manifest.background,
        seed=manifest.seed,
        limit=manifest.limit,
        encoding=manifest.encoding,
        recipe=manifest.recipe,
        extractor=manifest.extractor,
        encoder=suited(reader, root).encoder,
        first_resolutions=manifest.counted_resolutions,
    )


def _as_before(request: PrepareRequest, target: Path, there: DataManifest, progress: Progress) -> Plan:
    """The plan of data prepared earlier, with what is asked for now."""
    now = {
        "crop": _crop_rule(request.crop or there.crop),
        "background": there.background if request.background == WHITE else _colour(request.background),
        "seed": request.seed or there.seed,
        "limit": request.limit or there.limit,
        "encoding": request.encoding or there.encoding,
    }
    return replace(
        earlier_plan(there.model_copy(update=now), target, progress),
        resolutions=_resolutions(request, there),
        first_resolutions=_first_resolutions(request, there),
    )


def _folder_of(source: Path, options: Mapping[str, Any], progress: Progress) -> tuple[Path, dict[str, Any]]:
    """Give the folder of a list that was named as the source, and name the list in the options."""
    found = folder_of_list(source)
    if found is None:
        return source, dict(options)
    folder, name = found
    progress.say(f"{source.name} is a list, so its pictures are looked for in {folder}.")
    return folder, {**({} if name is None else {LIST_OPTION: name}), **options}


def _with_captions_found(options: Mapping[str, Any], root: Path | None) -> dict[str, Any]:
    """Write out where captions are that a person named from here and not from the source."""
    named = options.get(LIST_OPTION)
    if not isinstance(named, str) or named == IN_NAMES or (root is not None and (root / named).exists()):
        return dict(options)
    place = given_path(named)
    return {**options, LIST_OPTION: str(place)} if place.exists() else dict(options)


def _read_by_name(name: str) -> bool:
    """Whether data of this name needs no source, because a built-in reader has it."""
    known = (each for each in available(Kind.DATASET_READER) if each.built_in and each.name == name)
    return any(published(each) is None for each in known)


def _resolutions(request: PrepareRequest, there: DataManifest | None) -> tuple[int, ...]:
    """Resolutions to prepare: those asked for, beside those that the data has unless it is replaced."""
    before = there.resolutions if there is not None else ()
    if request.force:
        return tuple(sorted(set(request.resolutions or before or DEFAULT_RESOLUTIONS)))
    return tuple(sorted({*(request.resolutions or ()), *before} or DEFAULT_RESOLUTIONS))


def _first_resolutions(request: PrepareRequest, there: DataManifest | None) -> tuple[int, ...]:
    return there.counted_resolutions if there is not None and not request.force else ()


def _built(component: Component, options: Mapping[str, Any], seed: int) -> tuple[ComponentEntry, DatasetReader]:
    """Build a reader, and say how a manifest names it: with the options that it was given and no other."""
    bound = component.bind({"seed": seed}, options)
    stored = bound.entry().options
    about = {
        "name": component.full_name,
        "version": component.version,
        "options": {name: stored[name] for name in options},
    }
    hint = "Options are numbers, text, true or false, or lists of these."
    entry = checked(ComponentEntry, about, what=f"What was asked of {component.name}", error=ComponentError, hint=hint)
    return entry, bound.build()


def _downloaded(request: PrepareRequest, name: str, progress: Progress) -> Path:
    """Fetch the published data of this name into the source that was named, or else into the home folder."""
    from stackgan_cli.downloads.fetching import fetch
    from stackgan_cli.home import home

    published = published_data(request.reader or name)
    folder = given_path(str(request.source)) if request.source else home() / "downloads" / name
    size = f"{published.size / 1e9:,.1f} GB"
    progress.say(f"Fetching {published.title} ({size}) from {published.page} into {folder}. {published.terms}")
    for part in published.by_hand:
        if not (folder / part.place).is_dir():
            progress.say(f"What cannot be fetched, {part.what}, belongs in {folder / part.place}. {part.steps}")
    with Phases(progress) as phases:

        def report(file: str, done: int, total: int) -> None:
            phases.report(f"{file} (MB)", done // 10**6, total // 10**6)

        fetch(published, folder, report)
    return folder


def _place(source: str) -> Path:
    scheme, colon, rest = source.partition(":/")
    if colon and len(scheme) > 1 and scheme.isalnum():
        raise UsageError(
            f"--source takes what is on this disk, not an address such as {scheme}://{rest.lstrip('/')}.",
            hint="Fetch it first; sets of the Hugging Face Hub are read as --source hf:OWNER/NAME",
        )
    return given_path(source)


def _crop_rule(crop: str) -> CropRule:
    if crop not in get_args(CropRule):
        raise DataError(f"There is no crop rule {crop!r}.", hint=f"--crop {', '.join(get_args(CropRule))}")
    return cast("CropRule", crop)


def _colour(colour: str) -> str:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(colour)
    except ValueError:
        raise DataError(
            f"There is no colour {colour!r}.", hint="--background white, or a code such as #ff8800"
        ) from None
    return colour

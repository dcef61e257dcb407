"""Prepared data written to disk, whole or not at all: every part, what was left out, and the manifest."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import HasGlossary, Skipped
from stackgan_cli.dataset.manifest import (
    DATA_SCHEMA,
    ArrowName,
    BySplit,
    Count,
    DataManifest,
    read_manifest,
    stored_side,
    write_manifest,
)
from stackgan_cli.dataset.tables import add_columns, split_columns
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.files import resumable_folder, sweep
from stackgan_cli.home import DATA_MANIFEST
from stackgan_cli.models.glossary import write_glossary
from stackgan_cli.preparing.chunks import Chunk, ChunkResult, ChunkWriter, Facts, chunks_of, write_chunks
from stackgan_cli.preparing.journal import JOURNAL, Journal
from stackgan_cli.preparing.preview import write_preview
from stackgan_cli.preparing.rendering import Rendering
from stackgan_cli.preparing.surveying import surveyed_examples
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.dataset.manifest import Form
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.preparing.planning import Plan
    from stackgan_cli.preparing.surveying import Survey
    from stackgan_cli.progress import Progress, Report

RAW_BYTES = 1 << 30
"""Pictures of one size are stored raw up to this many bytes in all, and as JPEG beyond."""
MOST_ROWS, LEAST_ROWS, FILES = 1024, 64, 64
"""A file holds a 64th of the pictures, but neither more nor fewer than this."""
REASONS_KEPT = 10
"""Reasons for leaving things out that the manifest names."""


@dataclass(slots=True)
class WriteResult:
    """What became of the pictures of a source."""

    counts: dict[str, int] = field(default_factory=lambda: {"train": 0, "test": 0})
    captions: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    facts: Facts = field(default_factory=Facts)
    files: dict[str, list[str]] = field(default_factory=lambda: {"train": [], "test": []})
    done: int = 0
    """Pictures that were looked at, those that could not be read among them."""

    def add(self, chunk: Chunk, written: ChunkResult) -> None:
        """Count what became of a chunk, but for what was left out."""
        self.counts[chunk.split] += written.rows
        self.captions += written.captions
        self.facts.merge(written.facts)
        if written.rows:
            self.files[chunk.split].append(chunk.file.rpartition("/")[2])
        self.done += len(chunk.examples)


def write_prepared(plan: Plan, target: Path, found: Survey, progress: Progress) -> WriteResult:
    """Write prepared data, whole or not at all; what an unfinished run of the same wrote is kept, which is told.

    Raises:
        DataError: not one picture can be read, or the target is a folder that holds something else.
        StackganError: something cannot be written.
    """
    _refuse_other_folder(target)
    forms = forms_for(found.count, plan.resolutions)
    identity = {
        "fingerprint": found.fingerprint,
        "forms": forms,
        "rows": rows_for(found.count),
        "versions": [version("stackgan-cli"), plan.entry.version],
    }
    with resumable_folder(target) as folder:
        with Journal(folder, identity) as journal, progress.phase("Pictures", found.count) as report:
            _tell_of_earlier(journal, found, progress)
            result = _write(plan, found, folder, journal, report)
        _refuse_empty(plan, result)
        write_manifest(folder, _manifest(plan, found, forms, result))
        write_preview(folder, plan.seed)
        write_glossary(folder, plan.reader.glossary if isinstance(plan.reader, HasGlossary) else {})
        try:
            _refuse_other_folder(target)
        except DataError as error:
            # Somebody has put it there meanwhile; what is written is kept for the next try.
            raise StackganError(error.message, "Move it away, and run the same command again.") from error
    (target / JOURNAL).unlink(missing_ok=True)
    return result


def add_resolutions(plan: Plan, data: PreparedData, found: Survey, progress: Progress) -> None:
    """Give prepared data pictures at more resolutions; everything that is there already stays as it is.

    Args:
        plan: of the data, with the resolutions to add alone.
        data: to add to.
        found: the survey of its source.
        progress: told how far it is.

    Raises:
        DataError: other pictures of the source can be read than when the data was prepared.
        StackganError: something cannot be written.
    """
    target = data.folder
    forms = forms_for(found.count, plan.resolutions)
    identity = {"fingerprint": found.fingerprint, "added": plan.resolutions, "forms": forms, "files": data.files}
    identity["versions"] = [version("stackgan-cli"), plan.entry.version]
    with resumable_folder(target) as folder:
        with Journal(folder, identity) as journal, progress.phase("Pictures", found.count) as report:
            _tell_of_earlier(journal, found, progress)
            result = _write(plan, found, folder, journal, report)
        if {split: tuple(sorted(names)) for split, names in result.files.items()} != data.files:
            raise _other_pictures(plan, target)
        for split, names in data.files.items():
            for name in names:
                if not add_columns(folder / split / name, target / split / name):
                    raise _other_pictures(plan, target)
        pictures = {**data.manifest.pictures, **_pictures(plan.resolutions, forms)}
        pictures = {size: pictures[size] for size in sorted(pictures, key=int)}
        now = {"pictures": pictures, "first_resolutions": data.manifest.counted_resolutions}
        # The older list of what was left out stays.
        (folder / "skipped.jsonl").unlink(missing_ok=True)
        write_manifest(folder, data.manifest.model_copy(update=now))
        _keep_the_rest(target, folder)
        write_preview(folder, plan.seed)
    (target / JOURNAL).unlink(missing_ok=True)
    progress.say(f"{target} now has pictures of {', '.join(pictures)} px.")


def _other_pictures(plan: Plan, target: Path) -> DataError:
    return DataError(
        f"Other pictures of {plan.place} can be read now than when {target} was prepared, so nothing was added.",
        hint="--data with another name, or --force to prepare all of them anew",
    )


def _keep_the_rest(before: Path, folder: Path) -> None:
    """Take over what else lies in prepared data, such as text features, without copying bytes where that can be."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    for path in before.iterdir():
        if path.name.startswith(".") or (folder / path.name).exists():
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name, copy_function=link)
        else:
            link(str(path), str(folder / path.name))


def _pictures(resolutions: Sequence[int], forms: Sequence[Form]) -> dict[str, Form]:
    return {str(size): form for size, form in zip(resolutions, forms, strict=True)}


def forms_for(count: int, resolutions: Sequence[int]) -> tuple[Form, ...]:
    """Whether so many pictures are stored ``raw`` or as ``jpeg`` at each resolution."""
    return tuple("raw" if count * 3 * stored_side(size) ** 2 <= RAW_BYTES else "jpeg" for size in resolutions)


def rows_for(count: int) -> int:
    """How many of so many pictures go into one file."""
    return min(MOST_ROWS, max(LEAST_ROWS, -(-count // FILES)))


def with_encoder(folder: Path, name: str, entry: ComponentEntry) -> DataManifest:
    """Note in ``data.json`` that the features of one more encoder are there; returns what it holds now.

    Raises:
        DataError: nothing may be called this.
    """
    manifest = read_manifest(folder)
    manifest = manifest.model_copy(update={"encoders": {**manifest.encoders, name: entry}})
    write_manifest(folder, manifest)
    return manifest


def _write(plan: Plan, found: Survey, folder: Path, journal: Journal, report: Report) -> WriteResult:
    """Write every chunk that is not there yet, and the list of what is left out."""
    result = WriteResult()
    # Names in strangers' lists may hold what is no character.
    with (folder / "skipped.jsonl").open("w", encoding="utf-8", errors="replace") as lines:

        def skip(item: Skipped) -> None:
            result.left_out.take(item)
            lines.write(json.dumps({"name": item.name, "reason": item.reason}, ensure_ascii=False) + "\n")

        def take(chunk: Chunk, written: ChunkResult) -> None:
            result.add(chunk, written)
            for item in written.skipped:
                skip(item)
            report(result.done)

        def missing() -> Iterator[Chunk]:
            for item in chunks_of(surveyed_examples(plan, found), rows_for(found.count)):
                if isinstance(item, Skipped):
                    skip(item)
                elif (written := journal.done(item)) is not None:
                    take(item, written)
                else:
                    yield item

        writer = _chunk_writer(plan, found, folder)
        for chunk, written in write_chunks(missing(), writer, parallel=found.count > LEAST_ROWS):
            journal.add(chunk, written)
            take(chunk, written)
    return result


def _chunk_writer(plan: Plan, found: Survey, folder: Path) -> ChunkWriter:
    for split in ("train", "test"):
        (folder / split).mkdir(exist_ok=True)
        sweep(folder / split)
    sides, forms = tuple(map(stored_side, plan.resolutions)), forms_for(found.count, plan.resolutions)
    rendering = Rendering(plan.crop, sides, forms, plan.background)
    classes = {name: number for number, name in enumerate(found.classes)}
    return ChunkWriter(folder, rendering, plan.resolutions, classes, split_columns(plan.resolutions))


def _tell_of_earlier(journal: Journal, found: Survey, progress: Progress) -> None:
    if journal.pictures:
        progress.say(f"An earlier run was stopped: going on after {journal.pictures:,} of {found.count:,} pictures.")
    elif journal.begun_anew:
        progress.say("An earlier run was stopped, and what it left cannot be used: starting from the beginning.")


def _refuse_other_folder(target: Path) -> None:
    """Refuse to replace a folder that this program did not write."""
    if target.exists() and not (target / DATA_MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(
            f"{target} exists already and is no prepared data, so it is left alone.",
            hint="--data with a name, or with the path of a folder that does not exist yet",
        )


def _refuse_empty(plan: Plan, result: WriteResult) -> None:
    if result.counts["train"]:
        return
    why = result.left_out.in_short() or "all are in the test split"
    raise DataError(
        f"No picture for training is left of {plan.place}: {why}.",
        hint="Look at the first of them with an image viewer, or give more pictures.",
    )


def _manifest(plan: Plan, found: Survey, forms: Sequence[Form], result: WriteResult) -> DataManifest:
    return DataManifest(
        schema=DATA_SCHEMA,
        reader=plan.entry,
        source=str(plan.source) if plan.source else None,
        fingerprint=found.fingerprint,
        counts=BySplit[Count](**result.counts),
        captions=result.captions,
        captioned=found.captioned,
        skipped=result.left_out.total,
        why_skipped=tuple(result.left_out.commonest(REASONS_KEPT)),
        summary=result.facts.summary(),
        classes=found.classes,
        attributes=found.attributes,
        stated=found.stated,
        crop=plan.crop,
        background=plan.background,
        seed=plan.seed,
        limit=plan.limit,
        encoding=plan.encoding,
        recipe=plan.recipe,
        extractor=plan.extractor,
        pictures=_pictures(plan.resolutions, forms),
        files=BySplit[tuple[ArrowName, ...]](**{split: tuple(sorted(names)) for split, names in result.files.items()}),
        encoders={},
    )

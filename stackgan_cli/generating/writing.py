"""Pictures that are drawn, one after the other, become files."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError
from stackgan_cli.generating.contact_sheet import ContactSheet, stem_of_sheet
from stackgan_cli.generating.files import Written
from stackgan_cli.generating.ways import write_way
from stackgan_cli.pictures.decoding import load_picture
from stackgan_cli.pictures.picture_files import FORMATS, encoded, picture_stem, save_new_file, save_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.drawing.pictures import Drawn, Request, Stop
    from stackgan_cli.generating.files import FileOptions
    from stackgan_cli.generating.picture_list import Finished, PictureList
    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.ranks import Ranks

_LARGEST_SIDE = 16_383
"""Pixels, the most that a WebP takes."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a picture that is to be drawn stands among all, and which files of it an earlier run has written."""

    number: int
    picture: Path | None
    sketch: Path | None


class PictureWriter:
    """Writes pictures as they are drawn.

    Nothing is kept of a picture that is written but what a sheet takes, because there may be any number of them.

    Args:
        options: how they are written.
        ranks: that draw them in turns.
    """

    def __init__(self, options: FileOptions, ranks: Ranks) -> None:
        self._options, self._ranks = options, ranks
        self._list: PictureList | None = None
        self._by_lot: int | None = None
        self._finished: Finished | None = None
        self._sheet: ContactSheet | None = None
        self.count = 0
        """Pictures that are written."""
        self.there = 0
        """Pictures that need not be drawn, because an earlier run has."""

    @property
    def listed(self) -> bool:
        """Whether there is a list of the pictures, by which the same command goes on."""
        return self._list is not None

    def list_in(self, pictures: PictureList, by_lot: int | None, *, resume: bool) -> None:
        """Keep a list of the pictures.

        Args:
            pictures: the list.
            by_lot: first seed of each prompt, where it was drawn by lot.
            resume: whether pictures that are on it already are passed over.
        """
        self._list, self._by_lot = pictures, by_lot
        self._finished = pictures.finished() if resume else None

    def draw_all(self, pipeline: Pipeline, prompts: Prompts, stage: int) -> Iterator[list[Written]]:
        """Draw this rank's part of all pictures; give each one's files as soon as they are written, the sheet last.

        Raises:
            UsageError: the sheet or a picture would be too large, there are no sketches, or a file has come to be where
                one is to be written.
            StackganError: a file cannot be written.
        """
        options, side = self._options, pipeline.generator(stage).resolution
        self._check(pipeline, stage, side)
        if options.grid or options.grid_only:
            side *= options.upscale
            self._sheet = ContactSheet(prompts.pictures, side, sketches=options.sketches)
        places: deque[_Place] = deque()
        for drawn in pipeline.draw_all(self._still_to_draw(pipeline, prompts, stage, places), stage=stage):
            yield self._take(places.popleft(), drawn)
        if self._sheet is not None:
            self._sheet.gather(self._ranks)
            if self._ranks.main:
                yield self._write_sheet(self._sheet, pipeline, prompts, stage)

    def write_way(self, pipeline: Pipeline, stops: Sequence[Stop], drawn: Iterable[Image.Image], stage: int) -> Written:
        """Write the pictures of a way as one file.

        Raises:
            UsageError: a picture would be too large, or a file has come to be where it is to be written.
            StackganError: it cannot be written.
        """
        self._check(pipeline, stage, pipeline.generator(stage).resolution)
        written = write_way(pipeline, stops, drawn, self._options, stage=stage)
        self.count += 1
        return written

    def _check(self, pipeline: Pipeline, stage: int, side: int) -> None:
        """Refuse what this model's pictures cannot be made into."""
        if side * self._options.upscale > _LARGEST_SIDE:
            raise UsageError(
                f"Pictures of {side * self._options.upscale:,} px would be larger than {_LARGEST_SIDE:,} px.",
                hint=f"--upscale {_LARGEST_SIDE // side} at most",
            )
        if self._options.sketches and stage == 1:
            hint = "--sketches without --stage 1" if 2 in pipeline.stages else "it without --sketches"
            raise UsageError("Stage-I draws alone here, so there are no sketches beside its pictures.", hint=hint)

    def _still_to_draw(
        self, pipeline: Pipeline, prompts: Prompts, stage: int, places: deque[_Place]
    ) -> Iterator[Request]:
        """Pass over what an earlier run has drawn, and what is another rank's; note the places of the others."""
        common = {"fingerprint": pipeline.model.fingerprint, **pipeline.chosen}
        others = 0
        for number, request in enumerate(prompts.requests):
            facts = {"prompt": request.prompt, "seed": request.seed, **common}
            stem = picture_stem(request.prompt, request.seed)
            picture = self._there(facts | {"stage": stage}, stem)
            of_sketch = facts | {"stage": 1, "checkpoint": None}
            sketch = self._there(of_sketch, f"{stem}-sketch") if self._options.sketches else None
            if picture is None or (sketch is None and self._options.sketches):
                if others % self._ranks.count == self._ranks.rank:
                    places.append(_Place(number, picture, sketch))
                    yield request
                others += 1
                continue
            self.there += 1
            if self._sheet is not None and self._ranks.main:
                self._sheet.put(number, [load_picture(path) for path in (sketch, picture) if path is not None])

    def _there(self, facts: dict[str, Any], stem: str) -> Path | None:
        """The file of a picture that an earlier run has written; where it had no time to list it, that is done."""
        if self._list is None or self._finished is None:
            return None
        facts, suffix = self._options.facts(facts), FORMATS[self._options.form]
        if path := self._finished.take(facts, suffix):
            return path
        if found := self._finished.take_unlisted(facts, stem, suffix):
            if self._ranks.main:
                self._list.add(*found, self._by_lot)
            return found[0]
        return None

    def _take(self, place: _Place, drawn: Drawn) -> list[Written]:
        """Write a picture, and its sketch where that is wanted, but for what is there."""
        options, stem = self._options, picture_stem(drawn.prompt, drawn.seed)
        sketch = drawn.of_sketch if options.sketches else None
        if self._sheet is not None:
            self._sheet.put(place.number, [each.picture for each in (sketch, drawn) if each is not None])
        written: list[Written] = []
        if not options.grid_only:
            if place.picture is None:
                written.append(self._write(drawn, stem))
            if sketch is not None and place.sketch is None:
                written.append(self._write(sketch, f"{stem}-sketch"))
            self.count += 1
        return written

    def _write(self, drawn: Drawn, stem: str) -> Written:
        options = self._options
        facts = options.facts(drawn.facts)
        path = self._save(options.enlarged(drawn.picture), stem, facts)
        if self._list is not None:
            self._list.add(path, facts, self._by_lot)
        return Written(path, [drawn.picture], drawn.prompt, facts)

    def _save(self, picture: Image.Image, stem: str, facts: dict[str, Any]) -> Path:
        options, told = self._options, facts if self._options.metadata else None
        if not options.in_folder:
            save_picture(picture, options.output, told)
            return options.output
        content, suffix = encoded(picture, told, options.form), FORMATS[options.form]
        there = None if self._finished is None else self._finished.take_same(content, stem, suffix)
        return there or save_new_file(content, options.output, stem, suffix)

    def _write_sheet(self, sheet: ContactSheet, pipeline: Pipeline, prompts: Prompts, stage: int) -> list[Written]:
        """Write all pictures on one sheet, unless an earlier run has."""
        options, stem = self._options, stem_of_sheet(prompts)
        if self.there == prompts.pictures and (options.output / f"{stem}{FORMATS[options.form]}").exists():
            return []
        whole, facts = sheet.laid_out(prompts)
        facts |= pipeline.facts(stage) | ({"sketches": True} if options.sketches else {})
        path = self._save(whole, stem, options.facts(facts))
        return [Written(path, [whole] if options.grid_only else [], facts["prompts"][0], {"sheet": True})]

"""Pictures that are drawn, one after the other, become files."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.generating.contact_sheet import ContactSheet, stem_of_sheet
from stackgan_cli.pictures.decoding import load_picture
from stackgan_cli.pictures.picture_files import FORMATS, save_new_picture, save_picture, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.drawing.pictures import Drawn, Request, Stop
    from stackgan_cli.generating.picture_list import Finished, PictureList
    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    path: Path
    pictures: Sequence[Image.Image]
    """What can be shown of it: its one picture, or all of a way; nothing of a sheet, whose pictures came before it."""
    caption: str
    facts: dict[str, Any]
    """What is told of it beside its path, plain values."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How pictures are written."""

    output: Path
    """A folder, or a file for a single picture."""
    form: str = "png"
    """Of the files in a folder."""
    metadata: bool = True
    """Whether they say how they were drawn."""
    grid: bool = False
    """Whether a sheet of all is written at the end."""

    @property
    def in_folder(self) -> bool:
        """Whether files get names of their own."""
        return not self.output.suffix or self.output.is_dir()


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

    def draw_all(self, pipeline: Pipeline, prompts: Prompts, stage: int) -> Iterator[Written]:
        """Draw this rank's part of all pictures; give each one's file as soon as it is written, the sheet's last.

        Raises:
            UsageError: the sheet would be too large, or a file has come to be where one is to be written.
            StackganError: a file cannot be written.
        """
        if self._options.grid:
            self._sheet = ContactSheet(prompts.pictures, pipeline.generator(stage).resolution)
        places: deque[int] = deque()
        requests = self._still_to_draw(pipeline, prompts.requests, stage, places)
        for drawn in pipeline.draw_all(requests, stage=stage):
            yield self._take(places.popleft(), drawn)
        if self._sheet is not None:
            self._sheet.gather(self._ranks)
            if self._ranks.main:
                yield from self._write_sheet(self._sheet, pipeline, prompts, stage)

    def write_way(self, pipeline: Pipeline, stops: Sequence[Stop], drawn: Iterable[Image.Image], stage: int) -> Written:
        """Write the pictures of a way as one file.

        Raises:
            UsageError: a file has come to be where it is to be written.
            StackganError: it cannot be written.
        """
        from stackgan_cli.generating.ways import write_way

        options = self._options
        written = write_way(pipeline, stops, drawn, options.output, metadata=options.metadata, stage=stage)
        self.count += 1
        return written

    def _still_to_draw(
        self, pipeline: Pipeline, requests: Iterator[Request], stage: int, places: deque[int]
    ) -> Iterator[Request]:
        """Pass over what an earlier run has drawn, and what is another rank's; note the places of the others."""
        others = 0
        common = {"fingerprint": pipeline.model.fingerprint, "stage": stage, **pipeline.chosen}
        for place, request in enumerate(requests):
            facts = {"prompt": request.prompt, "seed": request.seed, **common}
            suffix = FORMATS[self._options.form]
            path = None if self._finished is None else self._finished.take(facts, suffix)
            if path is None:
                if others % self._ranks.count == self._ranks.rank:
                    places.append(place)
                    yield request
                others += 1
                continue
            self.there += 1
            if self._sheet is not None and self._ranks.main:
                self._sheet.put(place, load_picture(path))

    def _take(self, place: int, drawn: Drawn) -> Written:
        """Write a picture."""
        options = self._options
        told = drawn.facts if options.metadata else None
        if options.in_folder:
            stem = f"{slug(drawn.prompt)}-{drawn.seed}"
            path = save_new_picture(drawn.picture, options.output, stem, told, options.form)
        else:
            path = options.output
            save_picture(drawn.picture, path, told)
        self.count += 1
        if self._list is not None:
            self._list.add(path, drawn.facts, self._by_lot)
        if self._sheet is not None:
            self._sheet.put(place, drawn.picture)
        return Written(path, [drawn.picture], drawn.prompt, drawn.facts)

    def _write_sheet(self, sheet: ContactSheet, pipeline: Pipeline, prompts: Prompts, stage: int) -> Iterator[Written]:
        """Write all pictures on one sheet, unless an earlier run has."""
        options, stem = self._options, stem_of_sheet(prompts)
        if self.there == prompts.pictures and (options.output / f"{stem}{FORMATS[options.form]}").exists():
            return
        whole, facts = sheet.laid_out(prompts)
        told = {**facts, "model": pipeline.model.name, "stage": stage, **pipeline.chosen}
        path = save_new_picture(whole, options.output, stem, told if options.metadata else None, options.form)
        yield Written(path, [], facts["prompts"][0], {"sheet": True})

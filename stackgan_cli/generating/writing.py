"""Pictures that are drawn, one after the other, become files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.drawn_pictures import Drawn, Stop
    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    path: Path
    pictures: Sequence[Image.Image]
    """What can be shown of it: its one picture, or all of a way; nothing of a sheet, whose pictures came before it."""
    caption: str
    facts: dict[str, Any]
    """What is told of it beside its path, plain values."""


class PictureWriter:
    """Writes pictures as they are drawn.

    Nothing is kept of a picture that is written but what a sheet takes, because there may be any number of them.

    Args:
        output: a folder, or a file for a single picture.
        form: of the files in a folder.
        metadata: whether they say how they were drawn.
        grid: whether a sheet of all is written at the end.
    """

    def __init__(self, output: Path, form: str, *, metadata: bool, grid: bool) -> None:
        self._output, self._form, self._metadata, self._grid = output, form, metadata, grid
        self._drawn: list[Drawn] = []
        self.count = 0
        """Pictures that are written."""

    def draw_all(self, pipeline: Pipeline, prompts: Prompts, stage: int | None) -> Iterator[Written]:
        """Draw every prompt with its seeds; give each picture's file as soon as it is written, the sheet's last.

        Raises:
            UsageError: the sheet would be too large, or a file has come to be where one is to be written.
            StackganError: a file cannot be written.
        """
        if self._grid:
            _refuse_large_sheet(prompts.pictures, pipeline.resolution)
        for drawn in pipeline.draw_all(prompts.requests, stage=stage):
            yield self._take(drawn)
        if self._grid:
            yield self._write_sheet([prompt.seeds.count for prompt in prompts])

    def write_way(self, pipeline: Pipeline, stops: Sequence[Stop], drawn: Iterable[Image.Image], stage: int) -> Written:
        """Write the pictures of a way as one file.

        Raises:
            UsageError: a file has come to be where it is to be written.
            StackganError: it cannot be written.
        """
        from stackgan_cli.generating.ways import write_way

        written = write_way(pipeline, stops, drawn, self._output, metadata=self._metadata, stage=stage)
        self.count += 1
        return written

    def _take(self, drawn: Drawn) -> Written:
        """Write a picture."""
        from stackgan_cli.pictures.picture_files import save_new_picture, save_picture, slug

        told = drawn.facts if self._metadata else None
        path = self._output
        if path.suffix and not path.is_dir():
            save_picture(drawn.picture, path, told)
        else:
            path = save_new_picture(drawn.picture, path, f"{slug(drawn.prompt)}-{drawn.seed}", told, self._form)
        self.count += 1
        if self._grid:
            self._drawn.append(drawn)
        return Written(path, [drawn.picture], drawn.prompt, drawn.facts)

    def _write_sheet(self, counts: Sequence[int]) -> Written:
        """Write all pictures on one sheet, so many of each prompt."""
        from stackgan_cli.pictures.picture_files import save_new_picture, slug
        from stackgan_cli.pictures.sheets import sheet

        drawn, left = self._drawn, iter(self._drawn)
        groups = [list(islice(left, count)) for count in counts]
        rows = [(group[0].prompt, [one.picture for one in group]) for group in groups]
        facts: dict[str, Any] = {
            "prompts": [caption for caption, _ in rows],
            "seeds": [one.seed for one in drawn],
            "model": drawn[0].model,
            "stage": drawn[0].stage,
            **drawn[0].chosen,
        }
        whole = sheet(rows, side=drawn[0].picture.width)
        stem = f"{slug(drawn[0].prompt)}-{drawn[0].seed}-grid"
        path = save_new_picture(whole, self._output, stem, facts if self._metadata else None, self._form)
        return Written(path, [], rows[0][0], {"sheet": True})


def _refuse_large_sheet(count: int, side: int) -> None:
    from stackgan_cli.pictures.sheets import most_on_a_sheet

    most = most_on_a_sheet(side)
    if count > most:
        raise UsageError(
            f"A sheet takes {most:,} pictures of {side} px, and these are {count:,}.",
            hint="without --grid, or with fewer pictures",
        )

"""How pictures are written, and what a file is that was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.pictures.sheets import fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PIL import Image


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    path: Path
    pictures: Sequence[Image.Image]
    """What can be shown of it: its one picture, or all of a way; nothing of a sheet whose pictures came before it."""
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
    grid_only: bool = False
    """Whether nothing but that sheet is written."""
    sketches: bool = False
    """Whether what Stage-I drew is written, too."""
    upscale: int = 1
    """How many pixels of a file stand beside each other, and below, for one that was drawn."""

    @property
    def in_folder(self) -> bool:
        """Whether files get names of their own."""
        return not self.output.suffix or self.output.is_dir()

    def files(self, pictures: int) -> int:
        """How many files so many pictures become."""
        return 1 if self.grid_only else pictures * (1 + self.sketches) + self.grid

    def enlarged(self, picture: Image.Image) -> Image.Image:
        """Give a picture as it is written."""
        return picture if self.upscale == 1 else fitted(picture, picture.width * self.upscale)

    def facts(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Say of a file what is known of what was drawn, and what was done to it since."""
        if self.upscale == 1:
            return dict(drawn)
        size = {"size": drawn["size"] * self.upscale} if "size" in drawn else {}
        return {**drawn, **size, "upscale": self.upscale}

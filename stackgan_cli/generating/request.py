"""What ``generate`` is asked for, as a person says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stackgan_cli.generating.again import Again

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Which pictures to draw of what, with which model, and where to."""

    prompts: Sequence[str] = ()
    source: str | None = None
    """A file of more prompts, or ``-`` for stdin."""
    seed: int | None = None
    """Of each prompt's first picture; by lot where it is None."""
    num_images: int = 1
    """Pictures of each prompt."""
    seeds: str | None = None
    """Of each prompt's pictures, such as ``0-7,42``."""
    again: Path | None = None
    """A picture that is to be drawn once more."""
    interpolate: bool = False
    """Whether the way from each prompt or seed to the next is drawn."""
    frames: int | None = None
    """Pictures on a way; 16 where it is None."""
    model: str | None = None
    checkpoint: str | None = None
    stage: int | None = None
    condition: Literal["mean", "sample"] | None = None
    truncation: float | None = None
    device: str = "auto"
    precision: str = "auto"
    output: Path = Path()
    """A folder, or a file for a single picture."""
    form: str | None = None
    """Of the files in a folder: where it is None, that of the picture of ``again``, or png."""
    metadata: bool = True
    """Whether files say how they were drawn."""
    grid: bool = False
    """Whether a sheet of all is written, too."""
    grid_only: bool = False
    """Whether nothing but the sheet is written."""
    sketches: bool = False
    """Whether what Stage-I drew is written, too."""
    upscale: int | None = None
    """How many times as wide and high as they are drawn pictures are written, without smoothing."""
    resume: bool = False
    """Whether pictures that an earlier run has written are passed over."""

    def remembered(self) -> tuple[GenerateRequest, Again | None]:
        """Give the request for what the picture of ``again`` was drawn from, and what that picture says.

        Raises:
            UsageError: something stands beside it that the picture says.
            DataError: it is no picture, or does not say enough.
        """
        if self.again is None:
            return self, None
        beside = {
            "a prompt": self.prompts,
            "--from": self.source,
            "--seeds": self.seeds,
            "--stage": self.stage,
            "--checkpoint": self.checkpoint,
            "--seed": self.seed is not None,
            "-n": self.num_images > 1,
            "--condition": self.condition,
            "--truncation": self.truncation is not None,
            "--grid": self.grid,
            "--grid-only": self.grid_only,
            "--resume": self.resume,
            "--interpolate": self.interpolate,
        }
        past = Again.of(self.again, beside)
        found = replace(
            self,
            prompts=[past.prompt],
            seed=past.seed,
            stage=past.stage,
            checkpoint=past.checkpoint,
            condition=past.condition,
            truncation=past.truncation,
            upscale=self.upscale or past.upscale,
        )
        return found, past

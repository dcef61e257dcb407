"""What training is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train, on what, and how.

    Whatever is None is settled by what the run was asked for before, where it goes on, else by what the model has
    already, then by the recipe, and the recipe by the data.
    """

    stage: Literal[1, 2]
    data: str
    """Name or path of prepared data."""
    name: str | None = None
    """Name or path of the model; by default the data's."""
    recipe: str | None = None
    """Name of a recipe, or path of a TOML file."""
    encoder: str | None = None
    """Text encoder, as the data was prepared with; by default the model's, the recipe's, or the data's only one."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings by dotted key, such as ``{"steps": 100, "generator.name": "paper"}``; None leaves one as it is."""
    settings: tuple[str, ...] = ()
    """More of them as people type them, each ``KEY=VALUE``."""
    device: str = "auto"
    precision: str = "auto"
    on_nan: Literal["stop", "rollback"] = "stop"
    """What to do when a loss is no number any more."""
    compile: bool = False
    cuda_graphs: bool = False
    start: str | None = None
    """Name or path of a model whose weights the run begins with."""
    restart: bool = False
    """Begin anew, and keep an earlier run beside the new one."""
    dry_run: bool = False
    """Build everything and try a few steps, and save nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What training came to."""

    folder: Path
    """Of the model."""
    stage: int
    steps: int
    """Steps that the stage is trained."""
    of: int
    """Steps that it is to be trained in all; fewer are done where it was told to stop."""
    caption: str
    """A caption of the data, to draw a first picture of."""
    reads_captions: bool = True
    """Whether the model can read a sentence; not one that learnt from features without their encoder."""
    lacks_resolution: int | None = None
    """After a Stage-I: a resolution of a Stage-II, where the data has no pictures larger than the Stage-I's."""
    plan: Mapping[str, Any] | None = None
    """For a dry run: what would be trained, and what it costs here."""

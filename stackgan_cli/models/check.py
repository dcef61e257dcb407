"""Whether the pieces of a model fit together, told from what their files say of them, before any of them is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stackgan_cli.components.component import Kind
from stackgan_cli.components.entries import refuse_another
from stackgan_cli.components.storage import CONFIG, read_entry
from stackgan_cli.errors import ModelError
from stackgan_cli.home import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.models.manifest import ModelManifest, StageRecord

_LARGEST_SIDE = 1 << 14
"""Pixels."""
_GET_AGAIN = "Get the model again from where it came from."


def refuse_misfits(folder: Path, manifest: ModelManifest) -> None:
    """Refuse a model whose pieces are no model together.

    Args:
        folder: of the model.
        manifest: of it.

    Raises:
        ModelError: a piece is missing or malformed, is another one than the manifest has, is of an absurd size, or does
            not fit the others; names the file and the field.
    """
    stages = sorted(manifest.stages)
    if stages == ["2"]:
        raise ModelError(
            f"{folder / MANIFEST} has a Stage-II and no Stage-I, on whose pictures it draws.", hint=_GET_AGAIN
        )
    listed = {folder / "text_encoder": (Kind.TEXT_ENCODER, manifest.text_encoder)}
    for stage in stages:
        kind = Kind.STAGE1_GENERATOR if stage == "1" else Kind.STAGE2_GENERATOR
        listed[folder / f"stage{stage}"] = (kind, manifest.stages[stage].generator)
    for place, (kind, entry) in listed.items():
        refuse_another(place / CONFIG, read_entry(kind, place), folder / MANIFEST, entry)
    for stage in stages:
        _refuse_size(folder, stage, manifest.stages[stage])
    if len(stages) == 2:
        _refuse_other_shapes(folder, *(manifest.stages[stage].generator.shapes for stage in stages))


def refuse_other_width(folder: Path, manifest: ModelManifest, width: int) -> None:
    """Refuse generators that read sentence vectors of another width than the text encoder gives.

    Raises:
        ModelError: names the file and the field.
    """
    for stage, record in manifest.stages.items():
        wanted = record.generator.shapes.get("text_width", width)
        if wanted != width:
            raise ModelError(
                f"{folder / f'stage{stage}' / CONFIG} describes a generator of sentence vectors of width {wanted}"
                f" (shapes.text_width), and the text encoder in {folder / 'text_encoder'} gives {width}.",
                hint="The text encoder that it was trained with belongs there: get the model again from where it came"
                " from.",
            )


def _refuse_size(folder: Path, stage: Literal["1", "2"], record: StageRecord) -> None:
    """Refuse pictures of a size that no picture has, or that the generator does not draw."""
    side = record.generator.shapes.get("resolution", record.resolution)
    if not 0 <= side <= _LARGEST_SIDE:
        place = folder / f"stage{stage}" / CONFIG
        raise ModelError(f"{place} describes pictures of {side:,} pixels a side (shapes.resolution).", hint=_GET_AGAIN)
    if record.resolution not in (0, side):
        raise ModelError(
            f"{folder / MANIFEST} says that pictures of Stage-{'I' * int(stage)} have {record.resolution:,} pixels a"
            f" side (stages.{stage}.resolution), and its generator draws {side:,}.",
            hint=_GET_AGAIN,
        )


def _refuse_other_shapes(folder: Path, first: dict[str, int], second: dict[str, int]) -> None:
    """Refuse a Stage-II that is for other pictures or other sentence vectors than its Stage-I."""
    for ours, theirs in (
        ("input_resolution", "resolution"),
        ("text_width", "text_width"),
        ("word_width", "word_width"),
    ):
        if ours in second and theirs in first and second[ours] != first[theirs]:
            raise ModelError(
                f"{folder / 'stage2' / CONFIG} has shapes.{ours} = {second[ours]}, and the Stage-I that it goes by has"
                f" shapes.{theirs} = {first[theirs]} in {folder / 'stage1' / CONFIG}.",
                hint="The two were not trained together: get the model again from where it came from.",
            )

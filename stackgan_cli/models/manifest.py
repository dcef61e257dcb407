"""``stackgan.json``: what a model is made of, checked to the bottom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.manifests import Manifest

FORMAT = 1


class DataRecord(Manifest):
    """The prepared data that a model was trained on."""

    name: str
    fingerprint: str = ""


class StartRecord(Manifest):
    """The model whose weights a stage began with."""

    model: str
    """Its name."""
    generator: str
    """Hash of its generator of this stage."""
    steps: int = 0
    """That it had been trained."""


class StageRecord(Manifest):
    """One trained stage of a model, and how it was trained."""

    generator: ComponentEntry
    recipe: str = ""
    resolution: int = 0
    steps: int = 0
    of: int = 0
    """Steps that the run was meant to have in all."""
    batch_size: int = 0
    seed: int = 0
    precision: str = ""
    condition: Literal["sample", "mean"] = "sample"
    """What is drawn with: a draw from the conditioning distribution, or its mean."""
    stage1: str | None = None
    """For Stage-II: the hash of the Stage-I that it was trained on."""
    start: StartRecord | None = None
    """None for a stage that began with weights drawn by lot."""
    converted: str = ""
    """Name of the published file that the weights were taken from; empty for a stage that was trained here."""


class ModelManifest(Manifest):
    """``stackgan.json``: what a model is made of."""

    format: Literal[1] = 1
    stages: dict[Literal["1", "2"], StageRecord] = Field(default_factory=dict)
    data: DataRecord
    text_encoder: ComponentEntry
    saved: str = ""
    """When, in UTC."""

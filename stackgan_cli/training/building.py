"""From settings to the networks of a stage, their entries for the model folder, and the batches they learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import HasCondition
from stackgan_cli.components.registry import find
from stackgan_cli.dataset.batches import Batches
from stackgan_cli.errors import SettingsError
from stackgan_cli.model_folder import STAGES
from stackgan_cli.randomness import seed_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.components.protocols import Stage1Generator
    from stackgan_cli.dataset.prefetching import BatchSource
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.machine import Machine
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import StageSettings


@dataclass(frozen=True, slots=True)
class Built:
    """A network, and the entry that builds it again."""

    network: nn.Module
    entry: ComponentEntry


def build_networks(
    settings: StageSettings, stage: int, text_width: int, stage1: Stage1Generator | None
) -> tuple[Built, Built]:
    """Build generator and discriminator of a stage, their first weights drawn under the run's seed.

    Raises:
        ComponentError: a component is unknown, broken, or does not take its options.
        SettingsError: they do not fit together.
    """
    host: dict[str, object] = {"text_width": text_width, "resolution": settings.resolution}
    if stage1 is not None:
        host["input_resolution"] = stage1.resolution
    generator = _built(STAGES[stage], settings.generator, host, (settings.seed, stage))
    if settings.judge_by == "condition":
        host["text_width"] = _condition_width(generator.network)
    return generator, _built(Kind.DISCRIMINATOR, settings.discriminator, host, (settings.seed, stage))


def build_batches(
    settings: StageSettings, data: PreparedData, encoder_folder: Path, machine: Machine, ranks: Ranks
) -> tuple[BatchSource, int]:
    """Build what batches come from: the prepared data, or a stream of its shards.

    Returns:
        The source, and the width of a sentence vector.

    Raises:
        DataError: the data lacks the pictures or the text features.
        SettingsError: no batch can be made with these settings.
    """
    shared: dict[str, Any] = {
        "resolution": settings.resolution,
        "batch_size": settings.batch_size,
        "captions_averaged": settings.captions_averaged,
        "flip": settings.flip,
        "seed": settings.seed,
        "device": machine.device,
        "ranks": ranks,
    }
    if settings.stream is not None:
        from stackgan_cli.dataset.streaming import StreamedBatches

        stream = StreamedBatches(
            location=settings.stream,
            data_fingerprint=data.fingerprint,
            encoder_entry=data.manifest["encoders"][encoder_folder.name],
            buffer=settings.stream_buffer,
            **shared,
        )
        return stream, stream.feature_width
    features = data.train.features(encoder_folder)
    batches = Batches(data.train.store(settings.resolution), features, data.train.classes, **shared)
    batches.hold(settings.resident_gib * 2**30)
    return batches, features.width


def _built(kind: Kind, choice: Any, host: dict[str, object], names: tuple[int, ...]) -> Built:
    bound = find(kind, choice.name).bind(host, choice.options)
    return Built(bound.build(seed=seed_of(*names, kind)), bound.entry())


def _condition_width(generator: nn.Module) -> int:
    if not isinstance(generator, HasCondition):
        raise SettingsError(
            f"The generator {type(generator).__name__} says no condition_width, so nothing can judge by its condition.",
            hint='--set judge_by="text"',
        )
    return generator.condition_width

"""From settings to what trains: the networks and objectives of a stage, and the batches they learn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.fitting import fitted_once
from stackgan_cli.components.protocols import Fits, HasCondition, Mirrors
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import CONFIG, load_component, read_entry, save_component
from stackgan_cli.dataset.batches import Batches
from stackgan_cli.dataset.prepared import CaptionedSplit
from stackgan_cli.errors import SettingsError
from stackgan_cli.files import atomic_folder
from stackgan_cli.models.folder import STAGES, hash_of, objective_file
from stackgan_cli.progress import SILENT
from stackgan_cli.randomness import seed_of
from stackgan_cli.training.parts import Goal, Judge, Part, StageParts, judge_file

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.components.binding import Binding
    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.dataset.prefetching import BatchSource
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.machine import Machine
    from stackgan_cli.progress import Progress
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import ComponentChoice, StageSettings


@dataclass(frozen=True, slots=True)
class TextWidths:
    """Shapes of the text features that a stage reads."""

    sentence: int
    words: int | None = None
    """Width of a word's vector, where the text encoder describes words."""


@dataclass(frozen=True, slots=True)
class StageAssembly:
    """The parts of a stage, and the entries that build them again, by the names of their files."""

    parts: StageParts
    entries: Mapping[str, ComponentEntry]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What objectives that learn from the data are fitted to, and where they are kept."""

    data: PreparedData
    encoder_folder: Path
    run_folder: Path | None
    """Of the run that goes on; None for one that begins anew."""
    start: Path | None = None
    """Stage of a model that was trained on this data, whose objectives need not learn again."""
    keep: bool = True
    """Whether what is fitted now is kept beside the data."""
    progress: Progress = SILENT


def assemble(
    settings: StageSettings, stage: int, widths: TextWidths, stage1: Part | None = None, fitting: Fitting | None = None
) -> StageAssembly:
    """Build everything of a stage that computes, first weights drawn under the run's seed.

    Args:
        settings: of the stage.
        stage: 1 or 2.
        widths: of the text features.
        stage1: the frozen Stage-I generator in Stage-II.
        fitting: for objectives that learn from the data; without it such an objective is an error.

    Raises:
        ComponentError: a component is unknown, broken, or does not take its options.
        SettingsError: they do not fit together.
    """
    host: dict[str, Any] = {"text_width": widths.sentence, "resolution": settings.resolution}
    if widths.words is not None:
        host["word_width"] = widths.words
    sides = {"input_resolution": stage1.component.resolution} if stage1 is not None else {}
    generator = _bound(STAGES[stage], settings.generator, {**host, **sides})
    drawn = Part(generator.build(seed=seed_of(settings.seed, stage, STAGES[stage])), generator.described)
    if isinstance(drawn.component, Mirrors) and drawn.component.mirrors and not settings.flip:
        raise SettingsError(
            f"{drawn.described} draws half of its pictures mirrored, and with flip=false it would see none that are.",
            hint="--set generator.options.mirrored=false, or leave flip as it is",
        )
    if settings.judge_by == "condition":
        # What the discriminator reads is then one vector, and no words.
        host = {"text_width": _condition_width(drawn), "resolution": settings.resolution}
    judges, entries = _judges(settings, stage, {**host, **sides})
    goals, kept = _goals(settings, stage, host, fitting)
    _refuse_unknown_judges(goals, judges)
    return StageAssembly(StageParts(drawn, judges, goals, stage1), {"generator": generator.entry(), **entries, **kept})


def build_batches(
    settings: StageSettings, data: PreparedData, encoder_folder: Path, machine: Machine, ranks: Ranks
) -> tuple[BatchSource, TextWidths]:
    """Build what batches come from: the prepared data, or a stream of its shards.

    Returns:
        The source, and the widths of its text features.

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
            encoder_entry=data.encoder_entry(encoder_folder),
            buffer=settings.stream_buffer,
            **shared,
        )
        return stream, TextWidths(stream.feature_width, stream.word_width)
    features = data.train.features(encoder_folder)
    batches = Batches(data.train.store(settings.resolution), features, data.train.classes, **shared)
    batches.hold(settings.resident_gib * 2**30)
    return batches, TextWidths(features.width, features.word_width)


def _bound(kind: Kind, choice: ComponentChoice, host: Mapping[str, Any]) -> Binding:
    return find(kind, choice.name).bind(host, choice.options)


def _condition_width(generator: Part) -> int:
    if not isinstance(generator.component, HasCondition):
        raise SettingsError(
            f"{generator.described} says no condition_width, so nothing can judge by its condition.",
            hint='--set judge_by="text"',
        )
    return generator.component.condition_width


def _judges(
    settings: StageSettings, stage: int, host: Mapping[str, Any]
) -> tuple[dict[str, Judge], dict[str, ComponentEntry]]:
    judges: dict[str, Judge] = {}
    entries: dict[str, ComponentEntry] = {}
    for place, choice in enumerate(settings.judges):
        bound = _bound(Kind.DISCRIMINATOR, choice, host)
        # The first is drawn as the only one is, so that a second beside it changes nothing of it.
        seed = seed_of(settings.seed, stage, Kind.DISCRIMINATOR, *([place] if place else []))
        name = _free_name(choice.name, judges)
        judges[name] = Judge(bound.build(seed=seed), bound.described, choice.weight)
        entries[name] = bound.entry()
    return judges, {judge_file(name, judges): entry for name, entry in entries.items()}


def _goals(
    settings: StageSettings, stage: int, host: Mapping[str, Any], fitting: Fitting | None
) -> tuple[dict[str, Goal], dict[str, ComponentEntry]]:
    goals: dict[str, Goal] = {}
    entries: dict[str, ComponentEntry] = {}
    for place, choice in enumerate(settings.objectives):
        bound = _bound(Kind.OBJECTIVE, choice, host)
        seed = seed_of(settings.seed, stage, Kind.OBJECTIVE, place)
        name = _free_name(choice.name, goals)
        component, entry = _objective(bound, name, seed, fitting)
        goals[name] = Goal.of(choice, component, bound.described)
        entries[objective_file(name)] = entry
    return goals, entries


def _objective(bound: Binding, name: str, seed: int, fitting: Fitting | None) -> tuple[Any, ComponentEntry]:
    """Build an objective; one that learns comes from the run, else from beside the data, else is fitted now."""
    component = bound.build(seed=seed)
    if not isinstance(component, Fits):
        return component, bound.entry()
    if fitting is None:
        raise SettingsError(f"{bound.described} learns from prepared data, and there are none here.")
    for folder in (fitting.run_folder and objective_folder(fitting.run_folder, name), _shelf(bound, fitting)):
        if folder and (folder / CONFIG).is_file():
            return load_component(Kind.OBJECTIVE, folder)
    learnt = fitting.start and fitting.start / objective_file(name)
    if learnt and (learnt / CONFIG).is_file() and bound.is_as(read_entry(Kind.OBJECTIVE, learnt)):
        return load_component(Kind.OBJECTIVE, learnt)
    with fitting.progress.phase(f"Fitting {name}", unit="steps") as advance:
        component, entry, _ = fitted_once(
            bound,
            _shelf(bound, fitting),
            CaptionedSplit(fitting.data.train, fitting.encoder_folder),
            weights_seed=seed,
            card={"data": fitting.data.fingerprint, "encoder": fitting.encoder_folder.name, "seed": seed},
            seed=seed,
            report=advance,
            keep=fitting.keep,
        )
    return component, entry


def objective_folder(run_folder: Path, name: str) -> Path:
    """Where a run keeps its own copy of an objective that was fitted."""
    return run_folder / "objectives" / name


def keep_objectives(assembled: StageAssembly, run_folder: Path) -> None:
    """Keep a copy of every fitted objective with the run, whose checkpoints belong to what was learnt then."""
    for name, goal in assembled.parts.goals.items():
        folder = objective_folder(run_folder, name)
        if isinstance(goal.component, Fits) and not folder.exists():
            with atomic_folder(folder) as target:
                save_component(target, assembled.entries[objective_file(name)], goal.component)


def _shelf(bound: Binding, fitting: Fitting) -> Path:
    """Folder beside the data for an objective with these options, fitted to features of this text encoder."""
    what = json.dumps([bound.entry().as_json(), hash_of(fitting.encoder_folder), fitting.data.fingerprint])
    name = bound.entry().name.replace(":", "--")
    return fitting.data.folder / "objectives" / f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    """The bare name of a component, or ``name-2``, ``name-3`` ... where a stage has several of it."""
    bare, number = name.rpartition(":")[2], 2
    free = bare
    while free in taken:
        free, number = f"{bare}-{number}", number + 1
    return free


def _refuse_unknown_judges(goals: Mapping[str, Goal], judges: Mapping[str, Judge]) -> None:
    for name, goal in goals.items():
        unknown = sorted((goal.judges or frozenset()) - set(judges))
        if unknown:
            raise SettingsError(
                f"The objective {name!r} concerns the discriminator {unknown[0]!r}, which the stage does not have.",
                hint=f"discriminators = {json.dumps(list(judges))}, or some of them",
            )

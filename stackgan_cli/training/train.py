"""Training as a whole: from what was asked for to a trained stage in a model folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import version_note
from stackgan_cli.home import existing_data
from stackgan_cli.locks import only_one
from stackgan_cli.models.finding import find_model, folder_to_write
from stackgan_cli.models.folder import ModelFolder, checkpoints_of, stage_record
from stackgan_cli.progress import SILENT
from stackgan_cli.training.request import TrainResult

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.machine import Machine
    from stackgan_cli.progress import Progress
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.training.given import GivenOptions
    from stackgan_cli.training.request import TrainRequest
    from stackgan_cli.training.run import TrainingRun
    from stackgan_cli.training.settling import SettledRun


_STEPS = 3
"""Steps that a dry run tries."""
_LONGEST_SENTENCE = 200
"""Characters of a caption that is suggested as a prompt."""


def train(
    request: TrainRequest, progress: Progress = SILENT, *, stopping: Callable[[], bool] = lambda: False
) -> TrainResult:
    """Train a stage as asked for, from the start or from where an earlier run stopped.

    Under ``torchrun`` every process calls this; the main one writes. No two runs train one model at a time, not even
    its two stages: the second stands on the first.

    Args:
        request: what was asked for.
        progress: told how it goes.
        stopping: asked after every step; where it says yes, the run saves and ends, and the same request goes on.

    Raises:
        StackganError: something asked for cannot be done, or another process is training this model.
    """
    from stackgan_cli.ranks import joined_ranks

    with joined_ranks() as ranks, ExitStack() as held:
        return _trained(request, ranks, progress if ranks.main else SILENT, stopping, held)


def _trained(
    request: TrainRequest, ranks: Ranks, progress: Progress, stopping: Callable[[], bool], held: ExitStack
) -> TrainResult:
    # All settle on the same before the main one sets anything aside.
    settled = ranks.in_turn(lambda: _settled(request, ranks, progress, held))
    run = ranks.in_turn(lambda: _run(request, settled, ranks, progress))
    reads_captions, found = run.reads_captions, None
    if not reads_captions:
        progress.warn(run.data.no_sentences)
    if request.dry_run:
        found = _plan(run)
    elif run.step >= run.steps:
        progress.say(f"This run is done: {run.step:,} of {run.steps:,} steps. More with --steps or --epochs.")
        _save_if_needed(run)
    else:
        _go(run, progress, stopping)
    return TrainResult(
        folder=run.folder,
        stage=request.stage,
        steps=run.step,
        of=run.steps,
        caption=_sentence(run.samples.captions),
        reads_captions=reads_captions,
        lacks_resolution=_lacking(run) if request.stage == 1 else None,
        plan=found,
    )


def _lacking(stage1: TrainingRun) -> int | None:
    """The usual resolution of a Stage-II where the data has no larger pictures; those of a stream are not known."""
    from stackgan_cli.training.settling import ENLARGED

    side = stage1.settings.resolution
    if stage1.settings.stream is not None or max(stage1.data.manifest.resolutions) > side:
        return None
    return side * ENLARGED


def _sentence(captions: Sequence[str]) -> str:
    """A caption that can be typed as a prompt: the first that says something in words, on one line, cut where long."""
    lines = [" ".join(caption.split()) for caption in captions]
    chosen = next((line for line in lines if any(map(str.isalnum, line))), "a picture")
    return chosen if len(chosen) <= _LONGEST_SENTENCE else chosen[:_LONGEST_SENTENCE].rpartition(" ")[0] or "a picture"


def _settled(request: TrainRequest, ranks: Ranks, progress: Progress, held: ExitStack) -> SettledRun:
    """Settle what the run is made with; from here on no other process trains this model."""
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.training.settling import settle

    data = PreparedData(existing_data(request.data))
    folder = folder_to_write(request.name or data.name)
    if ranks.main and not request.dry_run:
        held.enter_context(only_one(folder, "training"))
    return settle(request, data, folder, progress)


def _run(request: TrainRequest, settled: SettledRun, ranks: Ranks, progress: Progress) -> TrainingRun:
    from stackgan_cli.machine import choose_machine
    from stackgan_cli.training.run import RunOptions, TrainingRun

    data, folder, given = settled.data, settled.folder, settled.given
    for note in settled.notes:
        progress.say(note)
    machine = choose_machine(request.device, given.precision, ranks.local_rank if ranks.count > 1 else None)
    compiled, graphs = _compiler(request, machine, progress)
    for note in _version_notes(data, data.encoder_folder(given.encoder), folder):
        progress.warn(note)
    return TrainingRun(
        request.stage,
        settled.settings,
        data,
        encoder=given.encoder,
        folder=folder,
        options=RunOptions(machine=machine, ranks=ranks, on_nan=request.on_nan, compile=compiled, cuda_graphs=graphs),
        recipe=given.recipe,
        given=given,
        restart=request.restart,
        trial=request.dry_run,
        start=_start(request, given, folder, progress),
        progress=progress,
    )


def _version_notes(data: PreparedData, encoder_folder: Path, folder: Path) -> list[str]:
    """Say what is installed in another version than the one that encoded the captions, or that the run goes on from.

    Raises:
        ComponentError: the text encoder is gone, so that nothing could be drawn with what is trained.
    """
    encoder = data.encoder_entry(encoder_folder)
    find(Kind.TEXT_ENCODER, encoder.name)
    notes = [version_note(Kind.TEXT_ENCODER, encoder)]
    if stage_record(folder, 1) is not None:
        notes += ModelFolder(folder).version_notes(training=True)
    return list(dict.fromkeys(filter(None, notes)))


def _start(request: TrainRequest, given: GivenOptions, folder: Path, progress: Progress) -> ModelFolder | None:
    """The model whose weights the run begins with; one that was named earlier matters until there is a checkpoint."""
    name = request.start
    if name is None and not checkpoints_of(folder / "training" / f"stage{request.stage}"):
        name = given.start
    return None if name is None else find_model(name, progress)


def _compiler(request: TrainRequest, machine: Machine, progress: Progress) -> tuple[bool, bool]:
    """Whether to compile, and to record CUDA graphs: as asked for, where this machine can."""
    from stackgan_cli.machine import missing_compiler

    device = machine.device.type
    graphs = request.cuda_graphs and device == "cuda"
    if request.cuda_graphs and not graphs:
        progress.warn(f"CUDA graphs need an NVIDIA GPU, and this run is on {device}; it goes on without them.")
    if not (request.compile or graphs):
        return False, False
    if missing := missing_compiler(device):
        progress.warn(f"--compile needs {missing}, which is not here; the run goes on uncompiled.")
        return False, False
    return True, graphs


def _go(run: TrainingRun, progress: Progress, stopping: Callable[[], bool]) -> None:
    progress.say(_announcement(run))
    ranks = run.options.ranks
    with progress.phase(f"Stage-{'I' * run.stage}", run.steps, unit="steps", start=run.step) as advance:
        for step in run.go():
            advance(step, words=_words(run))
            if ranks.any(stopping()):
                break
        _save_if_needed(run)


def _words(run: TrainingRun) -> str:
    """Speed and losses, as last read."""
    speed = f"{run.images_per_second:,.1f} images/s" if run.images_per_second else ""
    return "  ".join(filter(None, [speed, *(f"{name} {value:.3f}" for name, value in run.losses.items())]))


def _save_if_needed(run: TrainingRun) -> None:
    ranks = run.options.ranks
    if ranks.any(ranks.main and not run.saved):
        run.save()


def _announcement(run: TrainingRun) -> str:
    settings, options = run.settings, run.options
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in run.parameters().items())
    shared = f" shared by {options.ranks.count} processes" if options.ranks.count > 1 else ""
    return (
        f"Training Stage-{'I' * run.stage} of {run.folder.name} ({run.recipe}) at {settings.resolution} px on"
        f" {run.data.name}, {run.data.manifest.counts.train:,} pictures: {sizes}; {options.machine.device},"
        f" {options.machine.precision}; {run.steps:,} steps of {settings.batch_size}{shared}."
    )


def _plan(run: TrainingRun) -> dict[str, Any]:
    """Train a few steps in memory alone, and say what the run is and how long it would take.

    Returns:
        Plain values by name; times are of the quickest step, memory is the most that was in use.
    """
    run.make_ready()
    losses: dict[str, float] = {}
    seconds: list[float] = []
    for step in range(run.step, run.step + _STEPS):
        started = time.perf_counter()
        # Reading the losses waits for the device.
        losses = {name: float(value) for name, value in run.task.step(step, run.batches.at(step)).items()}
        seconds.append(time.perf_counter() - started)
    best, settings, machine = min(seconds), run.settings, run.options.machine
    return {
        "stage": run.stage,
        "recipe": run.recipe,
        "generator": settings.generator.name,
        "discriminator": ", ".join(choice.name for choice in settings.judges),
        "objectives": ", ".join(choice.name for choice in settings.objectives),
        "parameters": run.parameters(),
        "resolution": settings.resolution,
        "batch_size": settings.batch_size,
        "ranks": run.options.ranks.count,
        "steps": run.steps,
        "from_step": run.step,
        "steps_per_epoch": run.batches.steps_per_epoch,
        "pictures_resident": run.batches.resident,
        "device": str(machine.device),
        "precision": machine.precision,
        "memory_gib": round(_peak_memory(machine.device) / 2**30, 2),
        "seconds_per_step": round(best, 4),
        "images_per_second": round(settings.batch_size / best, 1),
        "hours": round(best * (run.steps - run.step) / 3600, 2),
        "losses": losses,
    }


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the device where it counts them, else of this process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

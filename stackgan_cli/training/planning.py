"""The plan of a run: what would be trained, and what it costs here, found out by a few steps that are thrown away."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from stackgan_cli.training.run import TrainingRun

_STEPS = 3


def plan(run: TrainingRun) -> dict[str, Any]:
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
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

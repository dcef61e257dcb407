"""The training loop: steps a task over batches and says where it is. It prints nothing and saves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.dataset.prefetching import batches_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from stackgan_cli.dataset.prefetching import BatchSource
    from stackgan_cli.training.adversarial import StageTask


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is after a step."""

    step: int
    """Steps trained so far, this one included."""
    losses: dict[str, Tensor]
    """Of this step, still on the device: reading one waits for it."""


def train(task: StageTask, batches: BatchSource, start: int, stop: int) -> Iterator[Progress]:
    """Train steps ``start`` to ``stop`` (exclusive), yielding after each."""
    for step, batch in enumerate(batches_ahead(batches, start, stop), start):
        yield Progress(step + 1, task.step(step, batch))

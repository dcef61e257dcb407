"""Evaluating the generator of a run every so many steps, as the model that it would be if the run ended there."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch

from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.evaluation.run_evaluation import RunEvaluation
from stackgan_cli.generators.noise import noise_of
from stackgan_cli.pictures.pixels import to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.evaluation.run_numbers import RunNumbers
    from stackgan_cli.evaluation.samples import Sample
    from stackgan_cli.progress import Progress
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.loop import StageTask
    from stackgan_cli.training.samples import Samples


class GeneratorEvaluation:
    """Measures what a run trains; one rank alone does so, and the others wait for it.

    Args:
        data: prepared data.
        settings: of the stage.
        samples: that know the features of the captions.
        progress: told what every evaluation found, and what cannot be measured.
        sketch_mean: whether the Stage-I below draws with the mean of its condition.

    Raises:
        DataError: the data is damaged, or holds nothing that the extractor could learn.
        ComponentError: the extractor or a metric is broken or fails.
    """

    def __init__(
        self, data: PreparedData, settings: StageSettings, samples: Samples, progress: Progress, *, sketch_mean: bool
    ) -> None:
        self._evaluation = RunEvaluation(
            data, resolution=settings.resolution, pictures=settings.eval_pictures, progress=progress
        )
        self._samples, self._progress = samples, progress
        self._means = [sketch_mean, settings.draw_condition == "mean"]

    def measure(self, task: StageTask, step: int) -> RunNumbers:
        """Measure the generator after ``step`` steps, and say what came of it.

        Raises:
            ComponentError: the extractor or the generator fails.
        """
        started = time.monotonic()
        numbers = self._evaluation.measure(partial(self._draw, task))
        found = ", ".join(f"{name} {value:.4g}" for name, value in numbers.values.items()) or "nothing"
        self._progress.say(
            f"Step {step:,}: {found}, of {len(self._evaluation.samples):,} pictures, in"
            f" {time.monotonic() - started:.1f} s."
        )
        return numbers

    @torch.no_grad()
    def _draw(self, task: StageTask, samples: Sequence[Sample]) -> Tensor:
        """Draw as a model does: by the averaged generator, and each picture with noise of its own."""
        networks = [task.averaged.network] if task.stage1 is None else [task.stage1, task.averaged.network]
        seeds = [each.seed for each in samples]
        noises = [
            noise_of(network, stage, seeds, mean=mean).to(task.machine.device)
            for stage, (network, mean) in enumerate(zip(networks, self._means[-len(networks) :], strict=True), 1)
        ]
        text = on_device(self._samples.texts_of(samples), task.machine.device)
        with task.machine.autocast(), _at_rest(task.stage1):
            return to_bytes(task.drawn(task.averaged.network, text, noises)[1].images).cpu()


@contextmanager
def _at_rest(stage1: nn.Module | None) -> Iterator[None]:
    """Let a frozen Stage-I that trains Stage-II by the statistics of each batch draw by its own, as in a model."""
    if stage1 is None:
        yield
        return
    before = stage1.training
    stage1.eval()
    try:
        yield
    finally:
        stage1.train(before)

"""How far numbers of sets of pictures stray, told by halves of the sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stackgan_cli.evaluation.real_pictures import picked
from stackgan_cli.evaluation.samples import reordered
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts
    from stackgan_cli.evaluation.measuring import ChosenMetric

_TIMES = 20
"""Halves that are measured, which tell a deviation to a sixth of it."""


def halves(count: int, times: int, draw: torch.Generator) -> list[list[int]]:
    """Places of half of ``count`` things, drawn again and again, none of them twice in a half.

    To a metric of a set, a picture that is there twice, as a bootstrap has it, is two that are alike. Halves tell as
    much: of a mean, those of one sample stray as far as the mean of such samples does (Politis and Romano 1994).
    """
    return [torch.randperm(count, generator=draw)[: (count + 1) // 2].tolist() for _ in range(times)]


def deviation_by_halves(
    metric: ChosenMetric, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
) -> float | None:
    """How far a metric strays over halves of the drawings, each beside a half of the real pictures.

    It comes out up to half as large again where pictures are few for the features' width, and never much too small.
    Real pictures of which only statistics are known are taken as they are. None where a half cannot be measured.
    """
    draw = generator_for(seed, "halves")
    values = []
    for of_drawn in halves(len(drawn.features), _TIMES, draw):
        beside = real
        if real is not None and len(real.features):
            beside = picked(real, halves(len(real.features), 1, draw)[0])
        of_texts = None if texts is None else reordered(texts, of_drawn)
        found = metric.measure(picked(drawn, of_drawn), beside, of_texts, seed)
        if found is None or found.value is None:
            return None
        values.append(found.value)
    return float(torch.tensor(values, dtype=torch.float64).std())

"""The Inception-style score of a set of pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Observation, Texts

_ENOUGH = 10
"""Pictures of each class in a split: with two the score of fifty classes lacks a fifth, with six a twentieth."""


class InceptionScore:
    """Inception-style score (Salimans et al. 2016): high where pictures are told clearly and are of many classes.

    It is named after the network that the paper scores by; here the extractor's own logits are scored. Its part
    ``calibrated`` is the score of logits that are as sure as they are right (Dinh et al. 2022, TISE): a classifier that
    is too sure scores high, and one that is not sure enough low, whatever is on the pictures.

    Args:
        splits: sets that the pictures are divided into, as in the paper; fewer where there are fewer pictures.
    """

    title = "Inception-style score"
    better = "higher"
    needs = frozenset({"logits"})

    def __init__(self, *, splits: int = 10) -> None:
        self.splits = splits

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Mean and standard deviation over splits; the seed shuffles, because sorted pictures score far lower."""
        assert drawn.logits is not None
        count, classes = drawn.logits.shape
        splits = min(self.splits, count)
        found: dict[str, Any] = {**_score(drawn.logits, splits, seed), "splits": splits}
        if drawn.temperature is not None:
            calibrated = _score(drawn.logits / drawn.temperature, splits, seed)
            found["parts"] = {"calibrated": {**calibrated, "temperature": drawn.temperature}}
        if count < _ENOUGH * splits * classes:
            found["doubt"] = (
                f"{count:,} pictures in {splits} splits are few for {classes:,} classes, so that it comes out too low"
            )
        return found


def _score(logits: Tensor, splits: int, seed: int) -> dict[str, float]:
    """Mean and deviation over splits of equal size, or of one picture more: torchmetrics makes its last one smaller."""
    order = torch.randperm(len(logits), generator=generator_for(seed, "inception score"))
    # In logarithms, because a class may be so improbable that its probability is 0.
    logs = logits[order].double().log_softmax(1)
    scores = []
    for part in logs.tensor_split(splits):
        of_all = part.logsumexp(0) - math.log(len(part))
        scores.append((part.exp() * (part - of_all).nan_to_num(0.0)).sum(1).mean().exp())
    found = torch.stack(scores)
    return {"value": float(found.mean()), "deviation": float(found.std(correction=0))}

"""The Inception-style score of a set of pictures; the formula is torchmetrics' own."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.metrics.given_features import GivenFeatures

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
        # They are cut to one size, rounded up, so that fewer may come of it.
        splits = math.ceil(count / math.ceil(count / min(self.splits, count)))
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
    from torchmetrics.image.inception import InceptionScore as Score

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # It warns of the memory that its features take, and of a single split's deviation.
        warnings.simplefilter("ignore", UserWarning)
        score = Score(feature=GivenFeatures(logits.shape[1]), splits=splits)
        score.update(logits.double())
        torch.manual_seed(seed)
        mean, deviation = score.compute()
    return {"value": float(mean), "deviation": float(deviation) if splits > 1 else 0.0}

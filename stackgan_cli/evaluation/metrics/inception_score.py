"""The Inception-style score of a set of pictures; the formula is torchmetrics' own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.evaluation.metrics.given_features import GivenFeatures

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts


class InceptionScore:
    """Inception-style score (Salimans et al. 2016): high where pictures are told clearly and are of many classes.

    It is named after the network that the paper scores by; here the extractor's own logits are scored.

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
        from torchmetrics.image.inception import InceptionScore as Score

        assert drawn.logits is not None
        splits = min(self.splits, len(drawn.logits))
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            # It warns of the memory that its features take, and of a single split's deviation.
            warnings.simplefilter("ignore", UserWarning)
            score = Score(feature=GivenFeatures(drawn.logits.shape[1]), splits=splits)
            score.update(drawn.logits.double())
            torch.manual_seed(seed)
            mean, deviation = score.compute()
        return {"value": float(mean), "deviation": float(deviation) if splits > 1 else 0.0, "splits": splits}

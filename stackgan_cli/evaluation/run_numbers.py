"""Numbers of a generator at one step of its training, and which of two are the better ones."""

from __future__ import annotations

from stackgan_cli.manifests import Manifest


class RunNumbers(Manifest):
    """What was measured of a generator at one step of its training."""

    values: dict[str, float]
    """By name of the metric."""
    score: float | None = None
    """What tells the best checkpoint, lower is better: the Fréchet distance and, where the share of pictures that fit
    their captions can be had, for those that do not the mean squared distance between two real pictures, as if a real
    picture of another caption were in their place. None where there is no distance."""
    basis: str = ""
    """Hash of everything that the numbers depend on beside the generator."""

    def beat(self, others: RunNumbers | None) -> bool:
        """Whether they are better than others; numbers of another basis are none to compare with, and always beaten."""
        if self.score is None:
            return False
        if others is None or others.score is None or others.basis != self.basis:
            return True
        return self.score < others.score

"""Where in which epoch a step lies, also in a run whose batches have changed their size on the way."""

from __future__ import annotations


class Epochs:
    """Epochs of equally many steps, counted from a step on that begins one.

    Args:
        steps: of one epoch.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.first_step = self.first = 0

    def begin(self, step: int, epoch: int) -> None:
        """Count from here: this step (0, 1, 2 ...) begins this epoch."""
        self.first_step, self.first = step, epoch

    def place(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, and how many steps of the epoch lie before it."""
        passed, within = divmod(step - self.first_step, self.steps)
        return self.first + passed, within

    def end_of(self, count: int) -> int:
        """Return how many steps a run of so many epochs has in all."""
        return self.first_step + max(0, count - self.first) * self.steps

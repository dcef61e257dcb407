"""The losses of the steps, kept on the device until somebody looks, and never believed where they are no numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from stackgan_cli.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from stackgan_cli.training.loop import Progress


class DivergedError(SettingsError):
    """A loss, or a weight, is no finite number any more.

    Args:
        what: ``the loss 'generator'`` or ``a number in the generator``.
        value: what it is.
        step: the step, counted from 1, after which it was so.
    """

    def __init__(self, what: str, value: float, step: int) -> None:
        super().__init__(
            f"After step {step:,} {what} is {value}.",
            hint="--on-nan rollback, --set generator_optimizer.learning_rate=1e-4 --restart, or --precision float32",
        )
        self.what, self.value, self.step = what, value, step


class LossWatch:
    """Losses since they were last read. Noting them costs nothing; reading them waits for the device once.

    Args:
        over_ranks: averages a tensor over all ranks.
    """

    def __init__(self, over_ranks: Callable[[Tensor], Tensor]) -> None:
        self._over_ranks = over_ranks
        self._noted: list[Progress] = []

    def note(self, progress: Progress) -> None:
        """Keep the losses of a step."""
        self._noted.append(progress)

    def forget(self) -> None:
        """Forget the losses of steps that will be trained again."""
        self._noted.clear()

    def read(self) -> dict[str, float]:
        """Return each loss as of the newest step that has it, averaged over the ranks; empty where nothing is new.

        Objectives may rest in the very steps after which losses are read.

        Raises:
            DivergedError: a loss of any step since the last reading is not finite; the first one is named.
        """
        if not self._noted:
            return {}
        names = [(each.step, name) for each in self._noted for name in each.losses]
        losses = torch.stack([loss.float() for each in self._noted for loss in each.losses.values()])
        values = self._over_ranks(losses).tolist()
        self.forget()
        for (step, name), value in zip(names, values, strict=True):
            if not math.isfinite(value):
                raise DivergedError(f"the loss {name!r}", value, step)
        return {name: round(value, 5) for (_, name), value in zip(names, values, strict=True)}

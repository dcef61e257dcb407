"""Mode seeking: one text and other noise shall give another picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from stackgan_cli.components.protocols import Update

_LEAST = 1e-5


class ModeSeeking:
    """Two pictures of one condition are to differ as their noise does (Mao et al. 2019, *MSGAN*, section 3.2).

    A generator that is told what to draw comes to ignore its noise: every picture of a text that fools the
    discriminator does as well as any other. This draws the batch a second time, with the same conditions and other
    noise, and asks that the pictures be far apart. The noise of two pictures of some dozens of dimensions is about
    equally far apart whatever is drawn, so the loss is the reciprocal of the pictures' distance alone.

    It costs one more pass of the generator, in the steps in which it is due (``every``).
    """

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give the reciprocal of the mean absolute difference of pixels, each in [-1, 1]."""
        other = update.vary("mode seeking").images
        return {"": 1 / ((update.generated.images.float() - other.float()).abs().mean() + _LEAST)}

"""The matching-aware gradient penalty: smooth discriminators where the generator should arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from stackgan_cli.components.protocols import Judgement, Update


class GradientPenalty:
    """Penalty on a discriminator's gradient at real pictures with their own text (Tao et al. 2020, section 3.2).

    A discriminator without it may be steep around the very pictures that the generator is sent to, and throws it out
    again. Taken by pictures and text alike, the penalty leaves a basin around the pairs that are real and match.

    Args:
        power: exponent of the gradient's norm, 6 as published.
    """

    input_gradients = True

    def __init__(self, *, power: float = 6.0) -> None:
        self.power = power

    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give the penalty of the discriminator at hand."""
        (pairs,) = update.pairs.values()
        assert pairs.real is not None
        return {"": matching_aware_penalty(pairs.real, update.real, update.right.sentence, self.power)}


def matching_aware_penalty(judgement: Judgement, images: Tensor, sentence: Tensor, power: float) -> Tensor:
    """Mean over the batch of the norm of the logits' gradient, to a power (Tao et al. 2020, equation 3).

    Args:
        judgement: of ``images`` beside ``sentence``; both must require gradients.
        images: (batch, 3, side, side).
        sentence: (batch, width).
        power: exponent of the norm.
    """
    gradients = torch.autograd.grad(judgement.matching.float().sum(), [images, sentence], create_graph=True)
    flat = torch.cat([gradient.float().flatten(1) for gradient in gradients], dim=1)
    # The root has no derivative at 0, where a discriminator that heeds nothing yet begins.
    return flat.square().sum(dim=1).add(1e-12).pow(power / 2).mean()

"""Penalties on the discriminator's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Judgement


def matching_aware_penalty(judgement: Judgement, images: Tensor, sentence: Tensor, power: float) -> Tensor:
    """Mean over the batch of the norm of the logits' gradient, to a power (Tao et al. 2020, equation 3).

    Taken at real pictures with their own text and with respect to both, it keeps the discriminator smooth where the
    generator should arrive.

    Args:
        judgement: of ``images`` beside ``sentence``; both must require gradients.
        images: (batch, 3, side, side).
        sentence: (batch, width).
        power: exponent of the norm, 6 as published.
    """
    gradients = torch.autograd.grad(judgement.matching.float().sum(), [images, sentence], create_graph=True)
    flat = torch.cat([gradient.float().flatten(1) for gradient in gradients], dim=1)
    return flat.square().sum(dim=1).add(1e-12).pow(power / 2).mean()

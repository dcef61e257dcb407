"""What the two players of StackGAN minimise, over matching-aware judgements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Generated, Judgement


@dataclass(frozen=True, slots=True)
class AdversarialLoss:
    """What the players make of logits (batch,), each the mean over the batch, in float32."""

    says_real: Callable[[Tensor], Tensor]
    """Loss of a discriminator that should have called these pairs real."""
    says_fake: Callable[[Tensor], Tensor]
    """Loss of a discriminator that should have called these pairs fake or mismatched."""
    fools: Callable[[Tensor], Tensor]
    """Loss of a generator whose pictures got these logits."""


ADVERSARIAL: Mapping[str, AdversarialLoss] = {
    # softplus(-x) is -log sigmoid(x), and softplus(x) is -log(1 - sigmoid(x)), without their overflow.
    "bce": AdversarialLoss(
        says_real=lambda logits: F.softplus(-logits).mean(),
        says_fake=lambda logits: F.softplus(logits).mean(),
        fools=lambda logits: F.softplus(-logits).mean(),
    ),
    # Lim and Ye 2017, Geometric GAN: pairs beyond the margin teach the discriminator nothing more.
    "hinge": AdversarialLoss(
        says_real=lambda logits: F.relu(1.0 - logits).mean(),
        says_fake=lambda logits: F.relu(1.0 + logits).mean(),
        fools=lambda logits: -logits.mean(),
    ),
}


def discriminator_loss(real: Judgement, mismatched: Judgement, generated: Judgement, kind: str) -> Tensor:
    """Loss of a discriminator over the three kinds of pair.

    Mismatched and generated pairs weigh half each, so that real and unreal weigh the same (Reed et al. 2016, algorithm
    1; StackGAN's stageI/trainer.py). A discriminator with a second head for realism alone is weighed as in the authors'
    PyTorch code (miscc/utils.py): the mean of both real terms and the mean of the three others.
    """
    loss = ADVERSARIAL[kind]
    matching = loss.says_real(real.matching.float())
    wrong, fake = loss.says_fake(mismatched.matching.float()), loss.says_fake(generated.matching.float())
    if real.realism is None or generated.realism is None:
        return matching + 0.5 * (wrong + fake)
    says_real, says_fake = loss.says_real(real.realism.float()), loss.says_fake(generated.realism.float())
    return (matching + says_real) / 2 + (wrong + fake + says_fake) / 3


def generator_loss(generated: Judgement, kind: str) -> Tensor:
    """Loss of a generator whose pictures were judged so, over both heads where there are two."""
    loss = ADVERSARIAL[kind].fools(generated.matching.float())
    return loss if generated.realism is None else loss + ADVERSARIAL[kind].fools(generated.realism.float())


def kl_loss(generated: Generated, reduction: str) -> Tensor:
    """KL term of conditioning augmentation, mean over the batch; 0 for a generator that draws no condition.

    It keeps the conditioning distribution near N(0, I), so that the space of conditions has no holes between the
    captions of the data.

    Args:
        generated: a generator's result.
        reduction: over the condition's dimensions, ``sum`` as the formula reads (paper, equation 2) or ``mean`` as in
            the published TensorFlow code (stageI/trainer.py), a weight smaller by the condition's width.
    """
    if generated.kl is None:
        return torch.zeros((), device=generated.images.device)
    divergence = generated.kl.mean()
    if reduction == "mean" and generated.condition is not None:
        return divergence / generated.condition.shape[1]
    return divergence

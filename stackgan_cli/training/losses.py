"""Adversarial losses over matching-aware judgements, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Generated, Judgement


def says_real(logits: Tensor, kind: str) -> Tensor:
    """Loss of a discriminator that should have called these pairs (batch,) real; mean over the batch."""
    logits = logits.float()
    return F.softplus(-logits).mean() if kind == "bce" else F.relu(1.0 - logits).mean()


def says_fake(logits: Tensor, kind: str) -> Tensor:
    """Loss of a discriminator that should have called these pairs (batch,) fake or mismatched; mean over the batch."""
    logits = logits.float()
    return F.softplus(logits).mean() if kind == "bce" else F.relu(1.0 + logits).mean()


def discriminator_loss(right: Judgement, wrong: Judgement, fake: Judgement, kind: str) -> Tensor:
    """Loss over three kinds of pair: real picture and its text, real and another's text, generated and its text.

    Mismatched and generated pairs weigh half each (Reed et al. 2016, algorithm 1; StackGAN's stageI/trainer.py). For a
    discriminator with a second head for realism alone, the terms weigh as in the authors' PyTorch code
    (miscc/utils.py): the mean of both real terms and the mean of the three others.
    """
    matching = says_real(right.matching, kind)
    mismatched, generated = says_fake(wrong.matching, kind), says_fake(fake.matching, kind)
    if right.realism is None or fake.realism is None:
        return matching + 0.5 * (mismatched + generated)
    real, unreal = says_real(right.realism, kind), says_fake(fake.realism, kind)
    return (matching + real) / 2 + (mismatched + generated + unreal) / 3


def generator_loss(fake: Judgement, kind: str) -> Tensor:
    """Non-saturating loss (bce) or negated logit (hinge) of a generator whose pictures were judged so."""
    loss = _fools(fake.matching, kind)
    return loss if fake.realism is None else loss + _fools(fake.realism, kind)


def kl_loss(generated: Generated, reduction: str) -> Tensor:
    """KL term of conditioning augmentation, mean over the batch.

    Args:
        generated: a generator's result; without a KL the loss is 0.
        reduction: over the condition's dimensions, ``sum`` as the formula reads (paper, equation 2) or ``mean`` as in
            the published TensorFlow code (stageI/trainer.py).
    """
    if generated.kl is None:
        return torch.zeros((), device=generated.images.device)
    divergence = generated.kl.mean()
    if reduction == "mean" and generated.condition is not None:
        return divergence / generated.condition.shape[1]
    return divergence


def _fools(logits: Tensor, kind: str) -> Tensor:
    return F.softplus(-logits.float()).mean() if kind == "bce" else -logits.float().mean()

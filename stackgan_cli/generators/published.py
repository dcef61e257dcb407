"""Renaming the weights of the authors' published PyTorch checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from stackgan_cli.errors import ModelError

Rules = tuple[tuple[str, str], ...]
"""Patterns for the beginnings of published names, and what replaces them; the first that fits is used."""

UP_BLOCKS: Rules = tuple(
    (rf"upsample{block}\.{layer}\.", f"blocks.{block - 1}.{layer - 1}.") for block in range(1, 9) for layer in (1, 2)
)
"""Published up-blocks count from 1 and hold the upsampling as a layer of its own; ours is part of the convolution."""


def renamed(state_dict: Mapping[str, Tensor], rules: Rules, *, what: str) -> dict[str, Tensor]:
    """Rename published weights; nothing is copied and nothing is changed but names.

    ``module.``, which data-parallel training puts in front, is dropped. Batch counters, which checkpoints older than
    PyTorch 0.4.1 lack, are filled in as zero.

    Args:
        state_dict: published names and their weights.
        rules: how names begin there and here.
        what: the network, as the error names it.

    Raises:
        ModelError: no rule fits a name.
    """
    result = {_renamed(name.removeprefix("module."), rules, what): weight for name, weight in state_dict.items()}
    for name in [name for name in result if name.endswith(".running_mean")]:
        result.setdefault(name.removesuffix("running_mean") + "num_batches_tracked", torch.tensor(0))
    return result


def split_stages(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part a published Stage-II generator into the Stage-I generator inside it and the rest, under published names."""
    stage1: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    for name, weight in state_dict.items():
        plain = name.removeprefix("module.")
        (stage1 if plain.startswith("STAGE1_G.") else rest)[plain.removeprefix("STAGE1_G.")] = weight
    return stage1, rest


def holds_both_stages(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether weights are a published Stage-II generator's, with the Stage-I generator inside it."""
    return bool(split_stages(state_dict)[0])


def up_blocks(state_dict: Mapping[str, Tensor]) -> int:
    """Count the up-blocks of one published generator, by its published names."""
    return len({found[0] for name in state_dict if (found := re.match(r"(?:module\.)?upsample\d+", name))})


def shape(weights: Mapping[str, Tensor], name: str, dimensions: int, what: str) -> tuple[int, ...]:
    """Give the shape of one weight.

    Raises:
        ModelError: it is missing, or has not so many dimensions.
    """
    if name not in weights or weights[name].dim() != dimensions:
        raise ModelError(
            f"{what} cannot be recognised in this checkpoint: the weight that becomes {name} is missing or misshapen.",
            "Give the file that the published code saves for this network (netG_epoch_N.pth or netD_epoch_last.pth).",
        )
    return tuple(weights[name].shape)


def _renamed(name: str, rules: Rules, what: str) -> str:
    for pattern, replacement in rules:
        found = re.match(pattern, name)
        if found:
            return found.expand(replacement) + name[found.end() :]
    raise ModelError(
        f"{what} has no weight like {name}, which this checkpoint holds.",
        "Check that the file belongs to this network and stage of the published PyTorch code.",
    )

"""Networks made ready for inference: batch-norm goes into the layer before it, and summed kernels are summed once."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from stackgan_cli.generators.upsampling import UpsampleConvolution


def fold(network: nn.Module, half: torch.dtype | None = None) -> None:
    """Rewrite a network in evaluation mode, in place, so that it computes the same in fewer passes over memory.

    Where a batch-norm follows a linear or convolutional layer in an ``nn.Sequential``, the layer takes over its scale
    and shift. Only a plain ``nn.Sequential`` is rewritten, because it alone promises that nothing else reads what
    stands between its layers. The weights cannot be trained or saved any more.

    Args:
        network: in evaluation mode.
        half: type that the kernels of convolutions are stored in, for a network that runs under autocast of that type.
    """
    for name, child in network.named_children():
        if isinstance(child, UpsampleConvolution):
            network.register_module(name, child.as_transposed())
        else:
            fold(child)
    if type(network) is nn.Sequential:
        _fold_batch_norms(network)
    if half is not None:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.to(half)


def _fold_batch_norms(layers: nn.Sequential) -> None:
    for (name, layer), (norm_name, norm) in list(pairwise(layers.named_children())):
        if isinstance(norm, nn.BatchNorm1d) and isinstance(layer, nn.Linear):
            fused: nn.Module = fuse_linear_bn_eval(layer, norm)
        elif isinstance(norm, nn.BatchNorm2d) and isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fused = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
        else:
            continue
        layers.register_module(name, fused)
        layers.register_module(norm_name, nn.Identity())

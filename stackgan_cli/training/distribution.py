"""A network on all ranks: gradients averaged by DistributedDataParallel, batch-norm over the whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from stackgan_cli.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.ranks import Ranks


def synchronised(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """Let a network's batch-norms see the batch of all ranks, so that N ranks compute what one does.

    On a GPU that is torch's own SyncBatchNorm; it refuses to run on a processor, where ours takes its place.
    """
    if ranks.count == 1:
        return network
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, _SynchronisedBatchNorm.taking_over(child, ranks))
    return network


def keep_statistics(network: nn.Module) -> None:
    """Let batch-norms of a frozen network keep their running statistics, also while they normalise by each batch's own.

    A model draws by the running ones, and a run that goes on has those again that it began with.
    """
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.momentum = 0.0


def refuse_batch_of_one(networks: Mapping[str, nn.Module | None], batch_size: int) -> None:
    """Refuse to train on single pictures what normalises each number over the batch.

    Args:
        networks: by what they are called, in the mode that they will be in.
        batch_size: pictures in a step, on all ranks together.

    Raises:
        SettingsError: there is such a network.
    """
    for name, network in networks.items() if batch_size == 1 else ():
        layers = () if network is None else network.modules()
        if any(isinstance(layer, nn.BatchNorm1d) and layer.training for layer in layers):
            raise SettingsError(
                f"The {name} normalises over the batch, which takes two pictures or more, and batch_size is 1.",
                hint="--batch-size 2, or more",
            )


def averaging_gradients(network: nn.Module, ranks: Ranks) -> Any:
    """Wrap a network so that a backward pass leaves the gradients' mean over all ranks; the network itself if alone."""
    if ranks.count == 1:
        return network
    # Buffers need no copying about: synchronised batch-norm keeps them equal.
    return nn.parallel.DistributedDataParallel(network, forward_sync_buffers=False)


def backward(loss: Tensor, ranks: Ranks) -> None:
    """Compute the gradients of a loss, all of whose ranks do so at once.

    Raises:
        LostRankError: another rank is gone, so that no mean over all of them can be had.
    """
    with ranks.sharing():
        torch.autograd.backward(loss)


def average_gradients(weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Average gradients of weights that no wrapper averages over all ranks."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if ranks.count == 1 or not gradients:
        return
    flat = mean_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]), ranks)
    for gradient, averaged in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
        gradient.copy_(averaged.view_as(gradient))


def mean_over_ranks(values: Tensor, ranks: Ranks) -> Tensor:
    """Average a tensor over all ranks."""
    if ranks.count > 1:
        with ranks.sharing():
            dist.all_reduce(values)
        values /= ranks.count
    return values


class _SynchronisedBatchNorm(_BatchNorm):
    """Batch-norm over the batches of all ranks, which are equally large, in training mode."""

    ranks: Ranks

    @classmethod
    def taking_over(cls, layer: _BatchNorm, ranks: Ranks) -> _SynchronisedBatchNorm:
        """Become another batch-norm, among ranks: its weights, its buffers and its settings."""
        ours = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        ours.__dict__.update(layer.__dict__, ranks=ranks)
        return ours

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the base class names it
        """Take features of any number of dimensions: the layer taken over has refused wrong ones."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features (batch, channels, ...), in float32 inside.

        Raises:
            LostRankError: another rank is gone.
        """
        if not self.training:
            return super().forward(features)
        across = [axis for axis in range(features.dim()) if axis != 1]
        values = features.float()
        mean = _mean_of_all(values.mean(across), self.ranks)
        shape = [1, -1] + [1] * (features.dim() - 2)
        centred = values - mean.view(shape)
        variance = _mean_of_all(centred.square().mean(across), self.ranks)
        self._follow(mean.detach(), variance.detach(), features.numel() // features.shape[1] * self.ranks.count)
        scaled = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(features.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does: the variance without bias."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


class _SumOfAll(torch.autograd.Function):
    """Sum over all ranks; the gradients of all ranks are summed on the way back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        summed = values.clone()
        with ranks.sharing():
            dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        summed: Tensor = _SumOfAll.apply(*gradients, ctx.ranks)  # type: ignore[no-untyped-call]
        return summed, None


def _mean_of_all(values: Tensor, ranks: Ranks) -> Tensor:
    """Average over all ranks, with gradients flowing back to all of them."""
    summed: Tensor = _SumOfAll.apply(values, ranks)  # type: ignore[no-untyped-call]
    return summed / ranks.count

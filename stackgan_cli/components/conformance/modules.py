"""Checks that all things with weights share: equal seeds, saving and loading, gradients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stackgan_cli.components.conformance.samples import drawn
from stackgan_cli.components.conformance.subject import TOLERANCE, Subject, require
from stackgan_cli.components.storage import load_weights


def same(one: Tensor, other: Tensor, otherwise: str, tolerance: float = TOLERANCE) -> None:
    """Require two results to agree within ``tolerance``, absolutely and relatively."""
    require(one.shape == other.shape, f"{otherwise}: {tuple(one.shape)} and {tuple(other.shape)}")
    if one.numel():
        off = (one.float() - other.float()).abs().max().item()
        scale = max(1.0, one.float().abs().max().item())
        require(off <= tolerance * scale, f"{otherwise}: they differ by {off:.2g}")


def finite(tensors: Iterable[Tensor], what: str) -> None:
    """Require every number to be finite."""
    require(all(bool(torch.isfinite(each).all()) for each in tensors), f"{what} holds NaN or infinity")


def shaken(subject: Subject) -> Any:
    """Build a network whose weights are off their start, where some layers are zero on purpose and pass nothing on."""
    network = subject.build().eval()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(0.05 * drawn(index, *parameter.shape))
    return network


def check_seed(subject: Subject) -> None:
    """Two components built under one seed have equal weights."""
    one, other = subject.build(seed=5).state_dict(), subject.build(seed=5).state_dict()
    require(one.keys() == other.keys(), "building twice gives different weight names")
    for key, value in one.items():
        require(
            torch.equal(value, other[key]),
            f"built twice under one seed, {key} differs; initialise from torch's generator",
        )


def check_round_trip(subject: Subject, trained: nn.Module, run: Callable[[Any], Tensor]) -> str:
    """Weights written as safetensors and read into a newly built component give the same results.

    Args:
        subject: what to build the second one from.
        trained: the module to save.
        run: computes a result of a module in evaluation mode.
    """
    trained.eval()
    weights = trained.state_dict()
    odd = [key for key, value in weights.items() if not isinstance(value, Tensor)]
    require(not odd, f"{', '.join(odd[:3])} in state_dict is no tensor, and safetensors hold tensors alone")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: value.detach().clone().contiguous() for key, value in weights.items()}, path)
        again = subject.build(seed=77)
        load_weights(again, load_file(path), what="The saved copy")
    again.eval()
    same(run(trained), run(again), "the saved and loaded copy gives another result; keep all state in state_dict")
    return f"{len(weights)} tensors"


def check_gradients(module: nn.Module, loss: Tensor) -> str:
    """Every parameter that wants a gradient gets a finite one, and some of them are not zero."""
    wanting = {name: each for name, each in module.named_parameters() if each.requires_grad}
    require(bool(wanting), "it has no parameter that learns")
    gradients = torch.autograd.grad(loss, list(wanting.values()), allow_unused=True)
    unreached = [name for name, gradient in zip(wanting, gradients, strict=True) if gradient is None]
    require(not unreached, f"no gradient reaches {len(unreached)} parameters ({', '.join(unreached[:3])})")
    reached = [gradient for gradient in gradients if gradient is not None]
    finite(reached, "a gradient")
    require(any(bool(each.any()) for each in reached), "every gradient is zero")
    return f"{sum(each.numel() for each in wanting.values()):,} parameters"

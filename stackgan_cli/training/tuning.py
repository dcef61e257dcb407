"""Which form of the resize identity is quickest here: measured once for each shape and type, and remembered."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

import torch

from stackgan_cli.files import write_text
from stackgan_cli.generators.upsampling import DEFAULT_FORM, FORMS, UpsampleConvolution
from stackgan_cli.home import home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from stackgan_cli.machine import Machine

_MARGIN = 1.25
"""How many times quicker than the usual form another one must be to be chosen: less may be noise, and a choice that
changed from run to run would change the last bits of the weights."""
_WORTH_OPERATIONS = 2e9
"""Operations of a forward pass, multiply and add as two, below which a layer is left as it is: there is little to gain,
and on a busy machine a short time says nothing."""
_ROUNDS = 2


Shapes = dict[str, tuple[UpsampleConvolution, list[int]]]
"""Upsampling convolutions by name, each with the shape of what it is given."""


def quickest_forms(shapes: Shapes, machine: Machine) -> dict[str, str]:
    """Choose the form of every upsampling convolution, by measurement where this machine has not measured it before.

    Args:
        shapes: as :func:`shapes_of` finds them.
        machine: device and precision.

    Returns:
        The form of each layer by its name.
    """
    remembered = _read()
    before, chosen = dict(remembered), {}
    for name, (layer, shape) in shapes.items():
        key = f"{machine.name}, {torch.get_num_threads()} threads, {machine.precision}: {[*shape, len(layer.weight)]}"
        if _operations(layer, shape) < _WORTH_OPERATIONS:
            chosen[name] = DEFAULT_FORM
            continue
        if remembered.get(key) not in FORMS:
            remembered[key] = _measured(layer, shape, machine)
        chosen[name] = remembered[key]
    if remembered != before:
        write_text(_file(), json.dumps(remembered, indent=2) + "\n")
    return chosen


def set_forms(network: nn.Module, forms: dict[str, str]) -> None:
    """Set the forms of upsampling convolutions by their names; unknown layers and forms are passed over."""
    layers = dict(network.named_modules())
    for name, form in forms.items():
        layer = layers.get(name)
        if isinstance(layer, UpsampleConvolution) and form in FORMS:
            layer.form = form


@torch.no_grad()
def shapes_of(network: nn.Module, draw: Callable[[], object]) -> Shapes:
    """See what each upsampling convolution is given, without a trace in the network's running statistics.

    Args:
        network: in training mode.
        draw: runs the network once at the batch size that it is trained with.
    """
    found: Shapes = {}
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, UpsampleConvolution)}
    if not layers:
        return found

    def watch(name: str, layer: UpsampleConvolution) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_pre_hook(lambda _, given: found.update({name: (layer, list(given[0].shape))}))

    hooks = [watch(name, layer) for name, layer in layers.items()]
    network.eval()
    draw()
    network.train()
    for hook in hooks:
        hook.remove()
    return found


def _operations(layer: UpsampleConvolution, shape: list[int]) -> float:
    """Count the operations of the resize identity: 16 multiplications and additions a source pixel and channel pair."""
    return 2.0 * 16 * math.prod(shape) * len(layer.weight)


def _measured(layer: UpsampleConvolution, shape: list[int], machine: Machine) -> str:
    features = torch.randn(shape, device=machine.device).to(memory_format=torch.channels_last)
    if machine.half is not None:
        features = features.to(machine.half)
    seconds = {DEFAULT_FORM: _seconds(layer, DEFAULT_FORM, features.requires_grad_(), machine)}
    for form in FORMS:
        if form != DEFAULT_FORM:
            seconds[form] = _seconds(layer, form, features, machine, _MARGIN * min(seconds.values()))
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] * _MARGIN < seconds[DEFAULT_FORM] else DEFAULT_FORM


def _seconds(
    layer: UpsampleConvolution, form: str, features: Tensor, machine: Machine, hopeless: float = float("inf")
) -> float:
    """Time of the quickest forward and backward pass; a form that warms up hopelessly slowly gets no second chance."""
    usual, layer.form = layer.form, form
    best = float("inf")
    for _ in range(1 + _ROUNDS):
        _wait(machine)
        started = time.perf_counter()
        with machine.autocast():
            made = layer(features)
        torch.autograd.grad(made, [features, layer.weight], torch.ones_like(made))
        _wait(machine)
        best = min(best, time.perf_counter() - started)
        if best > 2 * hopeless:
            break
    layer.form = usual
    return best


def _wait(machine: Machine) -> None:
    if machine.device.type == "cuda":
        torch.cuda.synchronize(machine.device)
    elif machine.device.type == "mps":
        torch.mps.synchronize()


def _file() -> Path:
    return home() / "cache" / "upsampling.json"


def _read() -> dict[str, str]:
    try:
        value = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: form for key, form in value.items() if isinstance(form, str)} if isinstance(value, dict) else {}

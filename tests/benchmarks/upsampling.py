"""*Resize, then convolve* as published beside the layer that computes the same: forward and backward, in turn.

python -m tests.benchmarks.upsampling
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.generators.upsampling import UpsampleConvolution
from stackgan_cli.machine import Machine, choose_machine
from tests.benchmarks.alternating import quickest

SHAPES = {
    "paper, Stage-I": [(64, 1024, 512, 4), (64, 512, 256, 8), (64, 256, 128, 16), (64, 128, 64, 32)],
    "paper, Stage-II": [(16, 512, 256, 16), (16, 256, 128, 32), (16, 128, 64, 64), (16, 64, 32, 128)],
    "quick, Stage-I": [(32, 128, 128, 8), (32, 128, 64, 16), (32, 64, 32, 32)],
    "quick, Stage-II": [(8, 48, 24, 64), (8, 24, 12, 128)],
}
"""Batch, channels in, channels out and side of what the layer is given."""


class ResizeFirst(UpsampleConvolution):
    """The same layer as the published code computes it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.interpolate(features, scale_factor=2.0, mode="nearest"), self.weight, padding=1)


def resize_first(network: nn.Module) -> None:
    """Let every layer of a network compute as published."""
    for layer in network.modules():
        if type(layer) is UpsampleConvolution:
            layer.__class__ = ResizeFirst


def passes(layer: nn.Module, features: torch.Tensor, machine: Machine) -> None:
    """One forward and backward pass."""
    with machine.autocast():
        made = layer(features)
    torch.autograd.grad(made, [features, layer.weight], torch.ones_like(made))
    if machine.device.type == "cuda":
        torch.cuda.synchronize(machine.device)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    for precision in dict.fromkeys((choose_machine(options.device).precision, "float32")):
        machine = choose_machine(options.device, precision)
        print(f"{machine.name}, {torch.get_num_threads()} threads, {precision}; times quicker than as published:")
        for title, shapes in SHAPES.items():
            for batch, inputs, outputs, side in shapes:
                features = torch.randn(batch, inputs, side, side, device=machine.device, dtype=machine.half)
                features = features.to(memory_format=torch.channels_last).requires_grad_()
                layers = [kind(inputs, outputs).to(machine.device) for kind in (ResizeFirst, UpsampleConvolution)]
                ways = {type(layer).__name__: partial(passes, layer, features, machine) for layer in layers}
                published, ours = quickest(ways, options.rounds).values()
                print(f"  {title:16} {batch:3} x {inputs:4} -> {outputs:3} at {side:3} px: {published / ours:5.2f}")


if __name__ == "__main__":
    main()

"""The forms of *resize, then convolve* side by side: forward and backward, at the shapes that the recipes train.

    python -m tests.benchmarks.upsampling

A form earns its place by being at least 1.25 times quicker than the usual one somewhere. All forms of a shape take
turns in one run, so that a noisy machine is as noisy for each; the quickest of several rounds counts.
"""

from __future__ import annotations

import argparse
import time

import torch

from stackgan_cli.generators.upsampling import DEFAULT_FORM, FORMS, UpsampleConvolution
from stackgan_cli.machine import Machine, choose_machine

SHAPES = {
    "paper, Stage-I": [(64, 1024, 512, 4), (64, 512, 256, 8), (64, 256, 128, 16), (64, 128, 64, 32)],
    "paper, Stage-II": [(16, 512, 256, 16), (16, 256, 128, 32), (16, 128, 64, 64), (16, 64, 32, 128)],
    "quick, Stage-I": [(32, 128, 128, 8), (32, 128, 64, 16), (32, 64, 32, 32)],
    "quick, Stage-II": [(8, 48, 24, 64), (8, 24, 12, 128)],
}
"""Batch, channels in, channels out and side of what the layer is given."""


def seconds(layer: UpsampleConvolution, features: torch.Tensor, form: str, machine: Machine) -> float:
    """Time of one forward and backward pass."""
    layer.form = form
    _wait(machine)
    started = time.perf_counter()
    with machine.autocast():
        made = layer(features)
    torch.autograd.grad(made, [features, layer.weight], torch.ones_like(made))
    _wait(machine)
    return time.perf_counter() - started


def _wait(machine: Machine) -> None:
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
        print(f"{machine.name}, {torch.get_num_threads()} threads, {precision}; times quicker than {DEFAULT_FORM}:")
        for title, shapes in SHAPES.items():
            for batch, inputs, outputs, side in shapes:
                layer = UpsampleConvolution(inputs, outputs).to(machine.device)
                features = torch.randn(batch, inputs, side, side, device=machine.device)
                features = features.to(memory_format=torch.channels_last)
                features = features.to(machine.half) if machine.half else features
                features.requires_grad_()
                best = dict.fromkeys(FORMS, float("inf"))
                for _ in range(1 + options.rounds):
                    for form in FORMS:
                        best[form] = min(best[form], seconds(layer, features, form, machine))
                ratios = "  ".join(
                    f"{form} {best[DEFAULT_FORM] / taken:5.2f}" for form, taken in best.items() if form != DEFAULT_FORM
                )
                print(f"  {title:16} {batch:3} x {inputs:4} -> {outputs:3} at {side:3} px: {ratios}")


if __name__ == "__main__":
    main()

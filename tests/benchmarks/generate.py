"""Drawing at the paper's widths: the networks as they were trained, beside the way ``generate`` runs them.

python -m tests.benchmarks.generate --batch 1
"""

from __future__ import annotations

import argparse

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.generators.folding import fold
from stackgan_cli.generators.paper_stage1 import PaperStage1
from stackgan_cli.generators.paper_stage2 import PaperStage2
from stackgan_cli.machine import Machine, choose_machine, place
from tests.benchmarks.alternating import quickest, show
from tests.benchmarks.training_step import TEXT_WIDTH, wait
from tests.benchmarks.upsampling import resize_first


def networks() -> tuple[PaperStage1, PaperStage2]:
    """Both stages at the published widths, the same weights each time."""
    torch.manual_seed(0)
    return PaperStage1(text_width=TEXT_WIDTH).eval(), PaperStage2(text_width=TEXT_WIDTH).eval()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    machine = choose_machine(options.device, options.precision)
    plain = tuple(network.to(machine.device) for network in networks())
    for network in plain:
        resize_first(network)
    quick = networks()
    for network in quick:
        fold(network.requires_grad_(False), machine.half)
        place(network, machine.device)
    text = TextFeatures(torch.randn(options.batch, TEXT_WIDTH, device=machine.device))
    noises = [torch.randn(options.batch, network.noise_width, device=machine.device) for network in plain]

    def draw(stages: tuple[PaperStage1, PaperStage2], how: Machine) -> torch.Tensor:
        with how.autocast():
            sketch = stages[0](noises[0], text).images
            images = stages[1](sketch, noises[1], text).images
        wait(machine.device)
        return images

    def as_trained() -> None:
        with torch.no_grad():
            draw(plain, Machine(machine.device, None))

    @torch.inference_mode()
    def as_generated() -> None:
        draw(quick, machine)

    seconds = quickest(
        {"as published, float32": as_trained, f"generate, {machine.precision}": as_generated}, options.rounds
    )
    title = f"Both stages to 256 px, batch {options.batch}, {machine.name}, {torch.get_num_threads()} threads"
    show(title, seconds, options.batch, "images/s")


if __name__ == "__main__":
    main()

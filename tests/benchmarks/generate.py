"""Drawing at the paper's widths: the networks as they were trained, beside the way ``generate`` runs them.

python -m tests.benchmarks.generate

As published, all pictures go through the networks as one batch, in float32. ``generate`` does that on a GPU alone; on a
processor it draws each picture by itself, as many beside each other as there are threads.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.drawing.single_threads import in_order
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
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
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
    sentences = torch.randn(options.pictures, TEXT_WIDTH, device=machine.device)
    noises = [torch.randn(options.pictures, network.noise_width, device=machine.device) for network in plain]

    def draw(stages: tuple[PaperStage1, PaperStage2], how: Machine, which: slice) -> torch.Tensor:
        text, (first, second) = TextFeatures(sentences[which]), noises
        with how.autocast():
            sketch = stages[0](first[which], text).images
            images: torch.Tensor = stages[1](sketch, second[which], text).images
        wait(machine.device)
        return images

    def as_trained() -> None:
        with torch.no_grad():
            draw(plain, Machine(machine.device, None), slice(None))

    @torch.inference_mode()
    def drawn(which: slice) -> torch.Tensor:
        return draw(quick, machine, which)

    def as_generated() -> None:
        if machine.device.type == "cpu":
            list(in_order(partial(drawn, slice(each, each + 1)) for each in range(options.pictures)))
        else:
            drawn(slice(None))

    seconds = quickest(
        {"as published, float32": as_trained, f"generate, {machine.precision}": as_generated}, options.rounds
    )
    title = f"{options.pictures} pictures, both stages to 256 px, {machine.name}, {torch.get_num_threads()} threads"
    show(title, seconds, options.pictures, "images/s")


if __name__ == "__main__":
    main()

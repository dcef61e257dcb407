"""A training step in its default form beside a plain one: images per second of both, their ratio, peak memory.

    python -m tests.benchmarks.training_step --stage 1
    python -m tests.benchmarks.training_step --stage 2 --batch 16

The plain form is how the step is written in the published PyTorch code, over our networks of the ``paper`` recipe at
the published widths: float32, the default memory layout, an unfused optimizer, resizing before convolving, one pass of
the discriminator for each kind of pair, its weights' gradients computed in the generator's step too, and thrown away.
Both forms take turns in one run, so that a noisy machine is as noisy for both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.dataset.batches import Batch
from stackgan_cli.machine import Machine, choose_machine
from stackgan_cli.recipes.loading import load_recipe, stage_settings
from stackgan_cli.training.assembly import TextWidths, assemble
from stackgan_cli.training.loop import StageTask
from stackgan_cli.training.losses import discriminator_loss, generator_loss, kl_loss
from stackgan_cli.training.optimizing import Length
from stackgan_cli.training.parts import Part
from tests.benchmarks.upsampling import resize_first

TEXT_WIDTH = 1024
SKETCH = 64


class Sketcher(nn.Module):
    """Stands for a trained Stage-I: both forms are timed with the same frozen network."""

    def __init__(self, settings_seed: int) -> None:
        super().__init__()
        settings = stage_settings(load_recipe("paper"), 1, {"seed": settings_seed}, ())
        self.network = assemble(settings, 1, TextWidths(TEXT_WIDTH)).parts.generator.component
        self.resolution, self.noise_width = SKETCH, self.network.noise_width

    def forward(self, noise: torch.Tensor, text: TextFeatures) -> object:
        return self.network(noise, text)


def task(stage: int, batch: int, machine: Machine) -> StageTask:
    """A stage of the ``paper`` recipe at the published widths, untrained."""
    settings = stage_settings(load_recipe("paper"), stage, {"batch_size": batch}, ())
    stage1 = Part(Sketcher(0)) if stage == 2 else None
    parts = assemble(settings, stage, TextWidths(TEXT_WIDTH), stage1).parts
    return StageTask(settings, parts, machine, Length(1000, 100))


def default_step(stage: int, batch: int, machine: Machine, compiled: bool) -> Callable[[int, Batch], object]:
    """The step as a run makes it."""
    made = task(stage, batch, machine)
    if compiled:
        made.compile(cuda_graphs=False)
    return made.step


def plain_step(stage: int, batch: int, device: torch.device) -> Callable[[int, Batch], object]:
    """The step as the published PyTorch code writes it."""
    made = task(stage, batch, Machine(device, None))
    (discriminator,) = made.discriminators.values()
    for network in filter(None, (made.generator, discriminator, made.stage1)):
        network.to(memory_format=torch.contiguous_format)
        resize_first(network)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999), "foreach": False, "fused": False}
    for_generator = torch.optim.Adam(made.generator.parameters(), **adam)  # type: ignore[arg-type]
    for_discriminator = torch.optim.Adam(discriminator.parameters(), **adam)  # type: ignore[arg-type]

    def step(number: int, given: Batch) -> object:
        judge, images = discriminator, given.images.contiguous()
        _, fake = made.generate(made.generator, given.text, "train", number)
        discriminator.zero_grad()
        (right,), (wrong,) = judge(images, [given.text]), judge(images, [given.wrong_text])
        (unreal,) = judge(fake.images.detach(), [given.text])
        loss = discriminator_loss(right, wrong, unreal, "bce")
        loss.backward()  # type: ignore[no-untyped-call]
        for_discriminator.step()
        made.generator.zero_grad()
        (fooled,) = judge(fake.images, [given.text])
        answer = generator_loss(fooled, "bce") + 2.0 * kl_loss(fake, "mean")
        answer.backward()
        for_generator.step()
        return {"discriminator": loss.detach(), "generator": answer.detach()}

    return step


def random_batch(stage: int, batch: int, device: torch.device) -> Batch:
    """Pictures and texts of noise: what they show changes no time."""
    torch.manual_seed(0)
    side = SKETCH if stage == 1 else 4 * SKETCH
    images = torch.rand(batch, 3, side, side).mul_(2).sub_(1).to(device, memory_format=torch.channels_last)
    texts = [TextFeatures(torch.randn(batch, TEXT_WIDTH).to(device)) for _ in range(2)]
    return Batch(images, *texts)


def seconds(step: Callable[[int, Batch], object], number: int, given: Batch) -> float:
    """Time of one step, the device's work included."""
    wait(given.images.device)
    started = time.perf_counter()
    step(number, given)
    wait(given.images.device)
    return time.perf_counter() - started


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(options: argparse.Namespace, form: str) -> float:
    """Peak memory in GiB of a process of its own that makes two steps of one form."""
    command = [sys.executable, "-m", "tests.benchmarks.training_step", "--only", form, "--stage", str(options.stage)]
    command += ["--batch", str(options.batch), "--device", options.device, "--precision", options.precision]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def used_at_most(device: torch.device) -> int:
    """Peak memory in bytes: of the GPU, or of this process since it began (ru_maxrss would count its parent's too)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", choices=("plain", "default"), help="print the peak memory of one form, in GiB")
    options = parser.parse_args()
    options.batch = options.batch or (64 if options.stage == 1 else 16)
    machine = choose_machine(options.device, options.precision)
    given = random_batch(options.stage, options.batch, machine.device)
    makers: dict[str, Callable[[], Callable[[int, Batch], object]]] = {
        "plain": lambda: plain_step(options.stage, options.batch, machine.device),
        "default": lambda: default_step(options.stage, options.batch, machine, options.compile),
    }
    if options.only:
        step = makers[options.only]()
        for number in range(2):
            step(number, given)
        print(used_at_most(machine.device) / 2**30)
        return
    steps = {name: make() for name, make in makers.items()}
    for step in steps.values():
        step(0, given)
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(1, options.rounds + 1):
        for name, step in steps.items():
            found[name].append(seconds(step, number, given))
    best = {name: min(times) for name, times in found.items()}
    print(
        f"Stage-{'I' * options.stage}, batch {options.batch}, {machine.name}, {torch.get_num_threads()} threads, "
        f"default form in {machine.precision}{', compiled' if options.compile else ''}; quickest of {options.rounds}:"
    )
    for name, time_taken in best.items():
        memory = peak_memory(options, name)
        print(f"  {name:8} {options.batch / time_taken:8.2f} images/s   peak memory {memory:.2f} GiB")
    print(f"  ratio    {best['plain'] / best['default']:8.2f}")


if __name__ == "__main__":
    main()

"""Sentences in, pictures out: a model folder as a Python object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch

from stackgan_cli.components.protocols import CoversCaptions, StandsForFeatures
from stackgan_cli.components.storage import load_weights, read_weights
from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.errors import UsageError
from stackgan_cli.generators.folding import fold
from stackgan_cli.home import existing_model
from stackgan_cli.machine import choose_machine, place
from stackgan_cli.model_folder import ModelFolder
from stackgan_cli.pictures.pixels import to_pictures
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from stackgan_cli.components.protocols import Stage1Generator, Stage2Generator, TextEncoder, TextFeatures
    from stackgan_cli.machine import Machine

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to draw."""

    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture that was drawn, and what it takes to draw it again."""

    picture: Image.Image
    prompt: str
    seed: int
    model: str
    stage: int


class Pipeline:
    """A trained model, ready to draw.

    A picture depends on its prompt, its seed and the model, and on nothing else: not on how many are drawn, nor on
    what is drawn beside it. So pictures are drawn one by one; on two cores a batch would be no quicker. (Another
    precision or another kind of processor rounds differently, by less than one can see.)

    Args:
        model: the folder.
        machine: device and precision to draw with.
        checkpoint: ``best`` or a number of steps: draw the last stage with the weights that it had then.
    """

    def __init__(self, model: ModelFolder, machine: Machine, checkpoint: str | None = None) -> None:
        self.model, self.machine = model, machine
        self._checkpoint = checkpoint
        self._encoder: TextEncoder = place(model.text_encoder(), machine.device)
        self._stage1: Stage1Generator = self._ready(model.stage1(), 1)
        self._stage2: Stage2Generator | None = self._ready(model.stage2(), 2) if 2 in model.stages else None

    def _ready(self, generator: Any, stage: int) -> Any:
        if self._checkpoint is not None and stage == self.stages[-1]:
            path = self.model.checkpoint(stage, self._checkpoint) / "averaged.safetensors"
            load_weights(generator, read_weights(path), what=str(path))
        fold(generator.requires_grad_(False), self.machine.half)
        return place(generator, self.machine.device)

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "cpu", precision: str = "auto") -> Self:
        """Load a model by name or path; without one, the model trained last, or the bundled one.

        Args:
            model: name or path.
            device: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the quickest one here.
            precision: ``float32``, ``bfloat16``, or ``auto`` for the quicker one on that device.

        Raises:
            UsageError: the device or the precision cannot be had here.
            ModelError: there is no such model, or it is damaged.
            ComponentError: the model needs a component that is not installed.
        """
        folder = ModelFolder(existing_model(None if model is None else str(model)))
        return cls(folder, choose_machine(device, precision))

    @property
    def stages(self) -> list[int]:
        """Stages that this model has."""
        return self.model.stages

    @property
    def resolution(self) -> int:
        """Side in pixels of the pictures of the last stage."""
        return self._stage1.resolution if self._stage2 is None else self._stage2.resolution

    @property
    def reads_captions(self) -> bool:
        """Whether the model can read a sentence; not one that learnt from features without their encoder."""
        return not isinstance(self._encoder, StandsForFeatures)

    def coverage(self, prompt: str) -> float:
        """Share of a prompt, 0 to 1, that the model's text encoder can read."""
        return float(self._encoder.coverage(prompt)) if isinstance(self._encoder, CoversCaptions) else 1.0

    def draw(self, prompt: str, *, seed: int = 0, stage: int | None = None) -> Image.Image:
        """Draw one picture.

        Args:
            prompt: a sentence.
            seed: 0 or more; the same seed gives the same picture.
            stage: 1 for the sketch alone, 2 for the refined picture; by default the last stage that is trained.

        Raises:
            UsageError: the prompt is empty or holds nothing that the text encoder reads, or the seed is negative.
            ModelError: the stage is not trained.
        """
        return next(self.draw_all([Request(prompt, seed)], stage=stage)).picture

    def draw_all(self, requests: Sequence[Request], *, stage: int | None = None) -> Iterator[Drawn]:
        """Draw pictures, each as it is asked for; arguments and errors are those of :meth:`draw`."""
        stage = stage or self.stages[-1]
        self.model.stage_folder(stage)
        for request in requests:
            self.check(request)
        texts = {prompt: self.encode([prompt]) for prompt in dict.fromkeys(request.prompt for request in requests)}
        for request in requests:
            images = self.generate(texts[request.prompt], [request.seed], stage=stage)
            yield Drawn(to_pictures(images)[0], request.prompt, request.seed, self.model.name, stage)

    @torch.inference_mode()
    def generate(self, text: TextFeatures, seeds: Sequence[int], *, stage: int) -> Tensor:
        """Draw a batch from text features.

        Args:
            text: features of one caption per picture.
            seeds: one per picture.
            stage: 1 or 2.

        Returns:
            Pictures (batch, 3, resolution, resolution) in [-1, 1].
        """
        with self.machine.autocast():
            images = self._stage1(self._noise(self._stage1.noise_width, seeds, 1), text).images
            if stage == 1 or self._stage2 is None:
                return images
            return self._stage2(images, self._noise(self._stage2.noise_width, seeds, 2), text).images

    def check(self, request: Request) -> None:
        """Refuse what cannot be drawn.

        Raises:
            UsageError: the prompt is empty or unreadable, or the seed is out of range.
        """
        if not request.prompt.strip():
            raise UsageError("The prompt is empty.", hint='stackgan generate "a small red bird"')
        if not 0 <= request.seed <= LARGEST_SEED:
            raise UsageError(f"The seed {request.seed} is not between 0 and {LARGEST_SEED}.", hint="--seed 7")
        if self.coverage(request.prompt) == 0.0:
            raise UsageError(
                f"Nothing in the prompt {request.prompt[:40]!r} can be read by the model's text encoder.",
                hint='plain words, such as "a small red bird"',
            )

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Text features of captions, on the pipeline's device."""
        with torch.inference_mode():
            return on_device(self._encoder.encode(captions), self.machine.device)

    def _noise(self, width: int, seeds: Sequence[int], stage: int) -> Tensor:
        rows = [torch.randn(width, generator=generator_for(seed, "picture", stage)) for seed in seeds]
        return torch.stack(rows).to(self.machine.device)

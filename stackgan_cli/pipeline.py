"""Sentences in, pictures out: a model folder as a Python object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import CoversCaptions, DrawsCondition, StandsForFeatures
from stackgan_cli.components.results import pictures_fault, range_fault, text_fault
from stackgan_cli.drawing.model_part import ModelPart
from stackgan_cli.drawing.pictures import (
    PipelineOutput,
    Request,
    folder_given,
    own_version,
    prompts_given,
    refuse_no_text,
    seeds_of,
    whole_number,
)
from stackgan_cli.drawing.rows import Drawing
from stackgan_cli.errors import UsageError
from stackgan_cli.models.check import refuse_other_width
from stackgan_cli.models.finding import find_model, find_saved_model
from stackgan_cli.models.folder import STAGES, copy_model, has_another_stage1
from stackgan_cli.models.glossary import read_glossary, reader_of
from stackgan_cli.models.vocabulary import read_vocabulary, unknown_words
from stackgan_cli.pictures.pixels import OutputType, as_output, check_output_type, to_bytes
from stackgan_cli.randomness import LARGEST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from PIL import Image
    from torch import Tensor

    from stackgan_cli.components.protocols import TextFeatures
    from stackgan_cli.drawing.pictures import Drawn
    from stackgan_cli.machine import Machine
    from stackgan_cli.models.folder import ModelFolder

_UNKNOWN_SHOWN = 8
"""Words that the model has never met that are named."""
_SHOWN = 80
"""Letters of a prompt that a note on it shows."""
_MOST_KEPT = 100_000
"""Pictures of one call: 20 GB of them at 256 px."""
_MOST_TRUNCATION = 1e6
"""More than any noise holds."""


class Pipeline:
    """A trained model, ready to draw.

    A picture depends on its prompt, its seed and the model, and on nothing else: not on how many are drawn, nor on
    what is drawn beside it, nor on the number of threads; :mod:`stackgan_cli.drawing.rows` tells how.
    (Another precision or another kind of device rounds differently, by less than one can see.)

    Args:
        model: the folder.
        machine: device and precision to draw with.
        checkpoint: ``best`` or a number of steps: draw a stage with the weights that it had then.
        condition: draw with a ``sample`` of the conditioning distribution or with its ``mean``; by default as the model
            was made for.
        truncation: largest number that the noise may hold; nearer to 0, pictures are more alike and more usual (Brock
            et al. 2019, *BigGAN*, section 3.1). By default the noise is drawn as in training.
        checkpoint_stage: stage that the checkpoint is of, and that is to be drawn with; by default the last one.

    Raises:
        UsageError: the truncation is not above 0, or is more than any noise holds.
        ModelError: a stage or the checkpoint is not there, or a file is damaged.
        ComponentError: the model needs a component that is not installed.
    """

    def __init__(
        self,
        model: ModelFolder,
        machine: Machine,
        checkpoint: str | None = None,
        condition: Literal["sample", "mean"] | None = None,
        truncation: float | None = None,
        checkpoint_stage: int | None = None,
    ) -> None:
        _refuse_ways(condition, truncation)
        from stackgan_cli.generators.folding import fold
        from stackgan_cli.machine import place

        self.model, self.machine, self.checkpoint, self.condition = model, machine, checkpoint, condition
        self.truncation, self._checkpoint_stage = truncation, checkpoint_stage
        self.at_once = machine.pictures_at_once
        """Pictures that go through the networks together."""
        self._vocabulary = read_vocabulary(model.folder)
        self.reading = reader_of(read_glossary(model.folder), self._vocabulary or frozenset())
        """Gives a prompt in the words that the model's glossary has for it, as the text encoder reads it."""
        self._encoder = ModelPart.of(model, Kind.TEXT_ENCODER)
        refuse_other_width(model.folder, model.manifest, int(self._encoder.component.width))
        # Stage-II draws on what Stage-I has drawn, so that one is always there.
        stages = range(1, max([1, *model.stages]) + 1)
        self._generators = [ModelPart.of(model, STAGES[stage]) for stage in stages]
        self._notes_on_model = [
            note for part in (self._encoder, *self._generators) if (note := part.version_note) is not None
        ]
        if checkpoint is not None:
            of = checkpoint_stage or stages[-1]
            model.stage_folder(of)
            self._generators[of - 1].take(model.checkpoint(of, checkpoint) / "averaged.safetensors")
        if (checkpoint_stage or stages[-1]) == 2 and has_another_stage1(model.folder):
            self._notes_on_model.append(
                f"The Stage-II of {model.name} was trained on another Stage-I than the one that is here now, so it may"
                " draw worse than it could; train-stage2 --restart trains one anew."
            )
        for part in self._generators:
            with part.blamed("being made ready"):
                fold(part.component.requires_grad_(False), machine.half)
        for part in (self._encoder, *self._generators):
            place(part.component, machine.device)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        device: str | int | torch.device = "auto",
        precision: str = "auto",
        condition: Literal["sample", "mean"] | None = None,
        truncation: float | None = None,
    ) -> Self:
        """Load a model; without one, that of ``$STACKGAN_MODEL``, the newest that draws sentences, or the bundled one.

        Args:
            model: name, ``package:name``, ``hf:owner/name`` of the Hugging Face Hub, or path, which needs no slash
                where nothing else is called so.
            device: ``cpu``, ``cuda``, ``mps``, the number of a GPU, or ``auto`` for the quickest one here, as
                ``generate`` takes; or one of torch's.
            precision: ``float32``, ``bfloat16``, or ``auto`` for the quicker one on that device.
            condition: what to draw with, as the class has it.
            truncation: of the noise, likewise.

        Raises:
            UsageError: the device or the precision cannot be had here, or there is no such condition or truncation.
            ModelError: there is no such model, or it is damaged.
            ComponentError: the model needs a component that is not installed.
        """
        from stackgan_cli.machine import choose_machine

        folder = find_model(None) if model is None else find_saved_model(model)
        return cls(folder, choose_machine(str(device), precision), condition=condition, truncation=truncation)

    def to(self, device: str | int | torch.device, precision: str = "auto") -> Self:
        """Draw on another device from now on; the weights are read again, because some may have been rounded.

        Raises:
            UsageError: the device or the precision cannot be had here.
        """
        from stackgan_cli.machine import choose_machine

        machine = choose_machine(str(device), precision)
        chosen = self.checkpoint, self.condition, self.truncation, self._checkpoint_stage
        Pipeline.__init__(self, self.model, machine, *chosen)
        return self

    def drawing_with(self, condition: Literal["sample", "mean"] | None = None, truncation: float | None = None) -> Self:
        """The same model, loaded no second time, that draws with another condition and truncation.

        Args:
            condition: what to draw with, as the class has it.
            truncation: of the noise, likewise.

        Raises:
            UsageError: there is no such condition, or the truncation is not above 0 or more than any noise holds.
        """
        _refuse_ways(condition, truncation)
        other = copy(self)
        other.condition, other.truncation = condition, truncation
        return other

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy everything that draws into a folder that must not exist yet, and return it.

        What was kept for training alone is left behind: discriminators, checkpoints, logs.

        Raises:
            UsageError: there is something at the folder already, or that is no folder.
            StackganError: a file cannot be written.
        """
        return copy_model(self.model, folder_given(folder))

    @property
    def stages(self) -> list[int]:
        """Stages that this model has."""
        return self.model.stages

    @property
    def resolution(self) -> int:
        """Side in pixels of the pictures of the last stage."""
        return int(self._generators[-1].component.resolution)

    @property
    def notes(self) -> list[str]:
        """What may make the model draw otherwise than is expected.

        That is a component of another version, another Stage-I than Stage-II learnt from, and :attr:`condition_notes`.
        """
        return [*self._notes_on_model, *self.condition_notes]

    @property
    def condition_notes(self) -> list[str]:
        """Which generators cannot be given the condition that was asked for."""
        return [
            f"{part.described} does not say what noise draws its condition, so it draws as ever."
            for part in self._generators
            if self.condition == "mean" and not isinstance(part.component, DrawsCondition)
        ]

    @property
    def chosen(self) -> dict[str, Any]:
        """What it draws otherwise than the model was made for: ``condition``, ``checkpoint``, ``truncation``."""
        chosen = {"condition": self.condition, "checkpoint": self.checkpoint, "truncation": self.truncation}
        return {key: value for key, value in chosen.items() if value is not None}

    def facts(self, stage: int) -> dict[str, Any]:
        """What the files of everything that it draws with a stage say of it, plain values."""
        return {
            "model": self.model.name,
            "fingerprint": self.model.fingerprint,
            "stage": stage,
            "stackgan": own_version(),
            **self.chosen,
        }

    @property
    def text_width(self) -> int:
        """Width of the sentence vectors that the generators read."""
        return int(self._encoder.component.width)

    @property
    def reads_captions(self) -> bool:
        """Whether the model can read a sentence; not one that learnt from features without their encoder."""
        return not isinstance(self._encoder.component, StandsForFeatures)

    def coverage(self, prompt: str) -> float:
        """Share of a prompt, 0 to 1, that the model's text encoder can read."""
        encoder = self._encoder.component
        if not isinstance(encoder, CoversCaptions):
            return 1.0
        with self._encoder.blamed("reading a prompt"):
            return float(encoder.coverage(self.reading(prompt)))

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of a prompt that no caption of the training held, and that the model's glossary does not know.

        None where the model does not say which words it met.
        """
        return [] if self._vocabulary is None else unknown_words(self.reading(prompt), self._vocabulary)

    def notes_on(self, prompt: str) -> list[str]:
        """Say what of a prompt the model never met in its training, or cannot read; nothing where there is no such."""
        notes: list[str] = []
        if (read := self.reading(prompt)) != prompt:
            notes.append(f"{self.model.name} reads {prompt[:_SHOWN]!r} as {read[:_SHOWN]!r}.")
        unknown = self.unknown_words(prompt)
        if unknown:
            shown = ", ".join(map(repr, unknown[:_UNKNOWN_SHOWN])) + (" ..." if len(unknown) > _UNKNOWN_SHOWN else "")
            notes.append(f"{self.model.name} met no {shown} in its training, and cannot know what to draw there.")
        share = self.coverage(prompt)
        if 0 < share < 0.95:
            notes.append(
                f"Only {share:.0%} of {prompt[:40]!r} can be read by the model's text encoder; the rest is passed over."
            )
        return notes

    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        seed: int | None = None,
        stage: int | None = None,
        output_type: OutputType = "pil",
    ) -> PipelineOutput:
        """Draw pictures of one sentence or of several.

        Args:
            prompt: a sentence, or several.
            num_images_per_prompt: pictures of each.
            generator: that seeds are drawn from; or one for every picture, in their order.
            seed: of each prompt's first picture, whose others have the seeds after it; by default drawn by lot. The
                same seed gives the same picture as ``stackgan generate --seed`` does.
            stage: 1 for the sketch alone; by default the last stage that is trained.
            output_type: ``pil``, ``pt`` or ``np``; see :class:`PipelineOutput`.

        Raises:
            UsageError: no prompt, one that is empty or cannot be read, a number or a seed out of range, more than
                100,000 pictures, both a seed and a generator, or no such output type.
            ModelError: the stage is not trained.
            ComponentError: a component of the model fails, or returns what no such component may.

        Example:
            >>> from stackgan_cli import Pipeline
            >>> pipe = Pipeline.from_pretrained("bundled")
            >>> drawn = pipe("a small red bird", num_images_per_prompt=2, seed=7)
            >>> [image.size for image in drawn.images], drawn.seeds
            ([(256, 256), (256, 256)], [7, 8])
            >>> pipe(["a blue bird", "a gray bird"], stage=1, output_type="np").images.shape
            (2, 64, 64, 3)
        """
        prompts = prompts_given(prompt)
        if not prompts or whole_number("num_images_per_prompt", num_images_per_prompt) < 1:
            raise UsageError("No picture was asked for.", hint="one prompt or more, and one picture or more of each")
        if len(prompts) * num_images_per_prompt > _MOST_KEPT:
            raise UsageError(
                f"A call keeps all its pictures, and {len(prompts) * num_images_per_prompt:,} are too many.",
                hint=f"{_MOST_KEPT:,} at most, or draw_all(), which gives one after the other and keeps none",
            )
        check_output_type(output_type)
        seeds = seeds_of(len(prompts), num_images_per_prompt, generator, seed)
        texts = [text for text in prompts for _ in range(num_images_per_prompt)]
        requests = [Request(text, number) for text, number in zip(texts, seeds, strict=True)]
        drawn = list(self.draw_all(requests, stage=stage))
        sketches = [each.sketch or each.picture for each in drawn]
        pictures = [each.picture for each in drawn]
        return PipelineOutput(as_output(pictures, output_type), as_output(sketches, output_type), drawn)

    def draw(self, prompt: str, *, seed: int = 0, stage: int | None = None) -> Image.Image:
        """Draw one picture.

        Args:
            prompt: a sentence.
            seed: 0 or more; the same seed gives the same picture.
            stage: 1 for the sketch alone, 2 for the refined picture; by default the last stage that is trained.

        Raises:
            UsageError: the prompt is empty or holds nothing that the text encoder reads, or the seed is negative.
            ModelError: the stage is not trained.
            ComponentError: a component of the model fails, or returns what no such component may.
        """
        return next(self.draw_all([Request(prompt, seed)], stage=stage)).picture

    def draw_all(self, requests: Iterable[Request], *, stage: int | None = None) -> Iterator[Drawn]:
        """Draw pictures, each as it is asked for; arguments and errors are those of :meth:`draw`.

        Nothing is kept of a picture that is given, so there may be any number of them. Requests that are a sequence are
        all looked at before the first is drawn; of others, some are drawn ahead.
        """
        stage = self.stages[-1] if stage is None else whole_number("The stage", stage)
        if stage not in STAGES:
            raise UsageError(f"There is no stage {stage}.", hint="1 for the sketch, 2 for the refined picture")
        self.model.stage_folder(stage)
        for request in requests if isinstance(requests, Sequence) else ():
            self.check(request)
        yield from Drawing(self, stage).all(requests)

    def generate(self, text: TextFeatures, seeds: Sequence[int], *, stage: int) -> Tensor:
        """Draw a batch from text features.

        Args:
            text: features of one caption per picture.
            seeds: one per picture.
            stage: 1 or 2.

        Returns:
            Pictures (batch, 3, resolution, resolution) in [-1, 1], on the pipeline's device; whether their numbers are
            in that range is not looked at, because that would wait for the device.

        Raises:
            ComponentError: a generator fails, or returns something else than pictures of its size.
        """
        import torch

        with torch.inference_mode():
            return self._drawn(text, self.noises(seeds, stage=stage))[-1]

    def pixels(self, text: TextFeatures, seeds: Sequence[int], *, stage: int) -> Tensor:
        """Draw a batch as :meth:`generate` does, as uint8 on the processor; errors as of :meth:`pixels_of_stages`."""
        return self.pixels_of_stages(text, self.noises(seeds, stage=stage))[-1]

    def pixels_of_stages(self, text: TextFeatures, noises: Sequence[Tensor]) -> list[Tensor]:
        """Draw a batch, and give the pictures of every stage as uint8 on the processor.

        Args:
            text: features of one caption per picture.
            noises: of every stage up to the one that is wanted, as :meth:`noises` gives them.

        Raises:
            ComponentError: as of :meth:`generate`; or a generator draws NaN, or something outside [-1, 1].
        """
        import torch

        with torch.inference_mode():
            drawn = self._drawn(text, noises)
            # These are sent ahead of the pictures, so whoever has waited for the pictures has waited for them.
            ranges = [torch.stack(torch.aminmax(images)).to("cpu", non_blocking=True) for images in drawn]
            pixels = [to_bytes(images).cpu() for images in drawn]
        for part, ends in zip(self._generators, ranges, strict=False):
            part.refuse(range_fault(*ends.tolist()))
        return pixels

    def _drawn(self, text: TextFeatures, noises: Sequence[Tensor]) -> list[Tensor]:
        """Pictures of every stage up to the one that is wanted."""
        drawn: list[Tensor] = []
        for noise, part in zip(noises, self._generators, strict=False):
            generator = part.component
            with part.blamed("drawing"), self.machine.autocast():
                made = generator(*drawn, noise, text)
            side = generator.resolution
            part.refuse(pictures_fault(made, (len(noise), 3, side, side)))
            drawn.append(made.images)
        return drawn

    def check(self, request: Request) -> None:
        """Refuse what cannot be drawn.

        Raises:
            UsageError: the prompt is empty or unreadable, or the seed is out of range.
        """
        if not 0 <= whole_number("The seed", request.seed) <= LARGEST_SEED:
            raise UsageError(
                f"The seed {request.seed} is not between 0 and {LARGEST_SEED}.", hint="one between, such as 7"
            )
        self.check_prompt(request.prompt)

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt that is empty, unreadable, or far longer than a sentence.

        Raises:
            UsageError: it is.
        """
        refuse_no_text(prompt)
        if not prompt.strip():
            raise UsageError("The prompt is empty.", hint='a sentence, such as "a small red bird"')
        if self.coverage(prompt) == 0.0:
            raise UsageError(
                f"Nothing in the prompt {prompt[:40]!r} can be read by the model's text encoder.",
                hint='plain words, such as "a small red bird"',
            )

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Text features of captions, on the pipeline's device.

        Raises:
            ComponentError: the text encoder fails, or returns something else than features of its width.
        """
        import torch

        from stackgan_cli.dataset.caption_features import on_device

        encoder = self._encoder.component
        with torch.inference_mode():
            with self._encoder.blamed("encoding captions"):
                features: TextFeatures = encoder.encode([self.reading(each) for each in captions])
            self._encoder.refuse(text_fault(features, len(captions), encoder.width))
            return on_device(features, self.machine.device)

    def noises(self, seeds: Sequence[int], *, stage: int) -> list[Tensor]:
        """Noise of every stage up to one; see :meth:`noise`."""
        return [self.noise(number, seeds) for number in range(1, stage + 1)]

    def noise(self, stage: int, seeds: Sequence[int]) -> Tensor:
        """Noise (seeds, noise_width) of a stage's generator, zero where it is to draw the condition's mean."""
        from stackgan_cli.generators.noise import noise_of

        rows = noise_of(self.generator(stage), stage, seeds, mean=self.draws_mean(stage), truncation=self.truncation)
        return rows.to(self.machine.device)

    def generator(self, stage: int) -> Any:
        """The generator of a stage, folded for drawing: it can be neither trained nor saved.

        Raises:
            ModelError: the stage is not trained.
        """
        self.model.stage_folder(stage)
        return self._generators[stage - 1].component

    def draws_mean(self, stage: int) -> bool:
        """Whether a stage draws with the mean of the conditioning distribution."""
        return (self.condition or self.model.stage_record(stage).condition) == "mean"


def _refuse_ways(condition: str | None, truncation: float | None) -> None:
    if condition not in (None, "sample", "mean"):
        raise UsageError(f"Nothing is drawn with the condition {condition!r}.", hint='"sample" or "mean"')
    number = isinstance(truncation, int | float) and not isinstance(truncation, bool)
    if truncation is not None and not (number and 0 < truncation <= _MOST_TRUNCATION):
        raise UsageError(f"Noise cannot be truncated at {truncation!r}.", hint="a number above 0, such as 1.5")

"""A model as one graph that other programs run: text features and noise in, a picture out."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.protocols import DrawsCondition, TextFeatures
from stackgan_cli.errors import ModelError, SettingsError, StackganError, UsageError
from stackgan_cli.files import atomic_folder, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stackgan_cli.pipeline import Pipeline

FORMATS: Mapping[str, str] = {"onnx": "model.onnx", "torch": "model.pt2"}
"""Formats, and what the file of each is called."""
DESCRIPTION = "model.json"
TOLERANCE = 1e-4
"""Largest difference from the pipeline's picture, whose numbers are in [-1, 1]."""
_CHECKED = (1, 3)
"""Batches on which they are compared."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a model was exported to, and how far its pictures are from the pipeline's."""

    folder: Path
    difference: float


class WholeModel(nn.Module):
    """All stages in a row, as one function of tensors.

    Args:
        generators: of Stage-I and perhaps Stage-II.
    """

    def __init__(self, generators: Sequence[Any]) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)
        self.widths = [int(generator.noise_width) for generator in generators]

    def forward(self, sentence: Tensor, noise: Tensor) -> Tensor:
        """Draw pictures.

        Args:
            sentence: (batch, text_width) sentence vectors.
            noise: (batch, noise_width) from N(0, I), that of Stage-I before that of Stage-II.

        Returns:
            (batch, 3, resolution, resolution) in [-1, 1].
        """
        drawn: list[Tensor] = []
        for generator, part in zip(self.generators, torch.split(noise, self.widths, dim=1), strict=True):
            drawn.append(generator(*drawn[-1:], part, TextFeatures(sentence)).images)
        return drawn[-1]


def export(pipeline: Pipeline, folder: Path, *, form: str, stage: int, prompts: Sequence[str] = ()) -> Exported:
    """Write a model as one graph, and a description of it, into a folder that must not exist yet.

    What was written is loaded again and compared with the pipeline before the folder gets its name.

    Args:
        pipeline: the model, on the processor and in float32.
        folder: to write.
        form: ``onnx``, or ``torch`` for a program of ``torch.export``.
        stage: the last stage that the graph holds.
        prompts: sentences whose text features the description holds, for programs that have no text encoder.

    Raises:
        UsageError: there is something at the folder already, a prompt cannot be read, or there is no such format.
        SettingsError: packages are missing, or the model reads words one by one.
        ModelError: the model cannot be exported, or the graph draws something else.
        StackganError: a file cannot be written, or something comes to be at the folder meanwhile.
    """
    if form not in FORMATS:
        raise UsageError(f"There is no format {form!r}.", hint=f"--format {' or '.join(FORMATS)}")
    if folder.exists():
        raise UsageError(f"There is something at {folder} already, and it stays.", hint="--output with another folder")
    _refuse_missing(form)
    if any("word_width" in pipeline.model.stage_record(number).generator.shapes for number in range(1, stage + 1)):
        raise SettingsError(
            f"{pipeline.model.name} reads words one by one, and only sentence vectors can be exported.",
            hint="a model whose generators read sentence vectors",
        )
    for prompt in prompts:
        pipeline.check_prompt(prompt)
    whole = WholeModel([pipeline.generator(number) for number in range(1, stage + 1)]).eval()
    with atomic_folder(folder, new=True) as place:
        difference = _write(pipeline, whole, place / FORMATS[form], form, stage)
        described = describe(pipeline, whole, form, stage, prompts, difference)
        write_text(place / DESCRIPTION, json.dumps(described, ensure_ascii=False, indent=1) + "\n")
    return Exported(folder, difference)


def describe(
    pipeline: Pipeline, whole: WholeModel, form: str, stage: int, prompts: Sequence[str], difference: float
) -> dict[str, Any]:
    """Everything that a program needs to draw with the graph; plain values."""
    zero: list[int] = []
    for number, (start, width) in enumerate(zip([0, *whole.widths[:-1]], whole.widths, strict=True), 1):
        generator = pipeline.generator(number)
        if pipeline.draws_mean(number) and isinstance(generator, DrawsCondition):
            zero += [start + column for column in range(width)[generator.condition_noise]]
    return {
        "format": 1,
        "file": FORMATS[form],
        "model": pipeline.model.name,
        "stage": stage,
        "resolution": int(pipeline.generator(stage).resolution),
        "inputs": {"sentence": ["batch", pipeline.text_width], "noise": ["batch", sum(whole.widths)]},
        "outputs": {"images": ["batch", 3, "resolution", "resolution"]},
        "range": [-1, 1],
        "zero_noise": zero,
        "largest_difference": difference,
        "prompts": [{"prompt": each, "sentence": pipeline.encode([each]).sentence[0].tolist()} for each in prompts],
    }


def _refuse_missing(form: str) -> None:
    if form != "onnx":
        return
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise SettingsError(
            f"ONNX needs a package that is not here: {error.name}.", hint='pip install "stackgan-cli[onnx]"'
        ) from error
    del onnx, onnxruntime, onnxscript


@torch.inference_mode(False)
def _write(pipeline: Pipeline, whole: WholeModel, file: Path, form: str, stage: int) -> float:
    """Write the graph, load it again, and return its largest difference from the pipeline."""
    examples = [_example(pipeline, count, stage) for count in _CHECKED]
    try:
        with _Quiet():
            program = _program(whole, examples[-1])
            if form == "torch":
                torch.export.save(program, file)
            else:
                _save_onnx(program, file)
            drawn = [_run(file, form, example) for example in examples]
    except (StackganError, OSError, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{pipeline.model.name} cannot be exported: {type(error).__name__}: {text}.",
            hint="the built-in generators can be; report it to the authors of others",
        ) from error
    with torch.no_grad():
        difference = max(
            float((images - whole(*example)).abs().max()) for images, example in zip(drawn, examples, strict=True)
        )
    if not difference <= TOLERANCE:
        raise ModelError(
            f"The exported graph draws something else than {pipeline.model.name}: {difference:.2g} away.",
            hint="--format torch, and report it",
        )
    return difference


def _example(pipeline: Pipeline, count: int, stage: int) -> tuple[Tensor, Tensor]:
    """Sentence vectors and noise of some pictures; the vectors are random, as any that an encoder may give."""
    seeds = range(count)
    sentence = torch.randn(count, pipeline.text_width, generator=torch.Generator().manual_seed(0))
    return sentence, torch.cat(pipeline.noises(seeds, stage=stage), dim=1)


def _program(whole: WholeModel, example: tuple[Tensor, Tensor]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch")
    shapes = {"sentence": {0: batch}, "noise": {0: batch}}
    program: torch.export.ExportedProgram = torch.export.export(whole, example, dynamic_shapes=shapes)
    erfinv: Any = torch.ops.aten.erfinv.default
    simpler: torch.export.ExportedProgram = program.run_decompositions({erfinv: inverse_error_function})
    return simpler


def _save_onnx(program: torch.export.ExportedProgram, file: Path) -> None:
    names = {"input_names": ["sentence", "noise"], "output_names": ["images"]}
    exported = torch.onnx.export(program, (), dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
    assert exported is not None
    exported.save(file)


def _run(file: Path, form: str, example: tuple[Tensor, Tensor]) -> Tensor:
    sentence, noise = example
    if form == "torch":
        images: Tensor = torch.export.load(file).module()(sentence, noise)
        return images.detach()
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["images"], {"sentence": sentence.numpy(), "noise": noise.numpy()})[0])


class _Quiet:
    """Keep what exporters print and warn of from the person, who is told what comes of it."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._output = redirect_stdout(StringIO())
        self._output.__enter__()
        self._level = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *failed: Any) -> None:
        logging.disable(self._level)
        self._output.__exit__(*failed)
        self._warnings.__exit__(*failed)


_CENTRE = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 2.1858087e-04),
    *(-1.25372503e-03, -4.17768164e-03, 0.246640727, 1.50140941),
)
_TAILS = (
    *(-2.00214257e-04, 1.00950558e-04, 1.34934322e-03, -3.67342844e-03, 5.73950773e-03),
    *(-7.6224613e-03, 9.43887047e-03, 1.00167406, 2.83297682),
)


def inverse_error_function(value: Tensor) -> Tensor:
    """``erfinv`` by arithmetic that ONNX has (Giles 2010, *Approximating the erfinv function*, single precision).

    Args:
        value: in (-1, 1).
    """
    distance = -torch.log((1 - value) * (1 + value))
    centre = _polynomial(_CENTRE, distance - 2.5)
    tails = _polynomial(_TAILS, distance.clamp(min=5.0).sqrt() - 3.0)
    return torch.where(distance < 5.0, centre, tails) * value


def _polynomial(coefficients: Sequence[float], value: Tensor) -> Tensor:
    result = torch.full_like(value, coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * value + coefficient
    return result

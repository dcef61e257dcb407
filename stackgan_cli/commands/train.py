"""``stackgan train-stage1`` and ``train-stage2``: two commands with the same options."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.completing import (
    complete_discriminator,
    complete_encoder_of_data,
    complete_generator,
    complete_model,
    complete_recipe,
)
from stackgan_cli.commands.options import Data, Device, Json, Precision, Seed, Set
from stackgan_cli.errors import INTERRUPTED
from stackgan_cli.interrupts import INTERRUPTS, SIGNALS, this_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stackgan_cli.training.request import TrainRequest, TrainResult

STAGE1_EPILOG = """Examples:

stackgan train-stage1 --data drawn-birds

stackgan train-stage1 --data flowers --steps 200

stackgan train-stage1 --data cub --recipe mine.toml --set batch_size=32"""

STAGE2_EPILOG = STAGE1_EPILOG.replace("train-stage1", "train-stage2").replace("--steps 200", "--steps 50")

Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="Name of the model; by default the data's.", autocompletion=complete_model, show_default=False
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="A recipe's name (stackgan recipes list) or a .toml file.",
        autocompletion=complete_recipe,
        show_default="the model's so far, else what suits the data",
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="Text encoder, one that the data was prepared with.",
        autocompletion=complete_encoder_of_data,
        show_default="the model's, else the data's",
    ),
]
Generator = Annotated[
    str | None,
    typer.Option("--generator", help="Generator component.", autocompletion=complete_generator, show_default=False),
]
GeneratorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--generator-option", metavar="KEY=VALUE", help="Option of the generator; repeatable.", show_default=False
    ),
]
Discriminator = Annotated[
    str | None,
    typer.Option(
        "--discriminator", help="Discriminator component.", autocompletion=complete_discriminator, show_default=False
    ),
]
DiscriminatorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--discriminator-option",
        metavar="KEY=VALUE",
        help="Option of the discriminator; repeatable.",
        show_default=False,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps to train in all.", show_default=False)]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs to train in all.", show_default=False)]
Resolution = Annotated[
    int | None,
    typer.Option(
        "--resolution",
        min=8,
        max=2048,
        help="Side of the pictures in pixels; Stage-II goes by its Stage-I.",
        show_default="what recipe and data have",
    ),
]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Pictures a step.", show_default=False)]
Stream = Annotated[
    str | None,
    typer.Option(
        "--stream",
        metavar="PLACE",
        help="Read the pictures as a stream of shards from this folder or address (see prepare --shards).",
        show_default=False,
    ),
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the networks with torch.compile.")]
CudaGraphs = Annotated[bool, typer.Option("--cuda-graphs", help="Compile, and record CUDA graphs.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Begin with the weights of this model, a name or a path.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Restart = Annotated[bool, typer.Option("--restart", help="Begin anew; the old run is kept beside the new one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Build everything, try a step, show the plan, save nothing.")]


class OnNan(StrEnum):
    """What to do when a loss is no number any more."""

    STOP = "stop"
    ROLLBACK = "rollback"


OnNanOption = Annotated[
    OnNan,
    typer.Option(
        "--on-nan",
        help="A loss that is no number: stop, or go back to the last good checkpoint and halve the learning rate.",
    ),
]


def _command(stage: int, help_text: str) -> Callable[..., None]:
    """Make the command that trains a stage."""

    def train(
        data: Data,
        name: Name = None,
        recipe: RecipeName = None,
        encoder: Encoder = None,
        generator: Generator = None,
        generator_option: GeneratorOption = None,
        discriminator: Discriminator = None,
        discriminator_option: DiscriminatorOption = None,
        resolution: Resolution = None,
        steps: Steps = None,
        epochs: Epochs = None,
        batch_size: BatchSize = None,
        stream: Stream = None,
        device: Device = "auto",
        precision: Precision = "auto",
        compile_: Compile = False,
        cuda_graphs: CudaGraphs = False,
        seed: Seed = None,
        set_: Set = None,
        on_nan: OnNanOption = OnNan.STOP,
        from_: From = None,
        restart: Restart = False,
        dry_run: DryRun = False,
        json: Json = False,
    ) -> None:
        from stackgan_cli.console import hush, patience

        if os.environ.get("RANK", "0") != "0":
            # What the main process of a distributed run says is enough.
            hush()
        with patience("Loading torch, which takes longest the first time ..."):
            from stackgan_cli.training.request import TrainRequest

        changes = {
            "generator.name": generator,
            "discriminator.name": discriminator,
            "resolution": resolution,
            "steps": steps,
            "epochs": epochs,
            "batch_size": batch_size,
            "stream": stream,
            "seed": seed,
        }
        options = [f"generator.options.{each}" for each in generator_option or ()]
        options += [f"discriminator.options.{each}" for each in discriminator_option or ()]
        request = TrainRequest(
            stage=1 if stage == 1 else 2,
            data=data,
            name=name,
            recipe=recipe,
            encoder=encoder,
            changes=changes,
            settings=(*options, *(set_ or ())),
            device=device,
            precision=precision,
            on_nan=on_nan.value,
            compile=compile_,
            cuda_graphs=cuda_graphs,
            start=from_,
            restart=restart,
            dry_run=dry_run,
        )
        _run(request, json)

    train.__doc__ = help_text
    return train


train_stage1 = _command(1, "Train Stage-I, the generator that sketches small pictures from text.")
train_stage2 = _command(
    2, "Train Stage-II, the generator that corrects and refines the sketches of the model's Stage-I."
)


def _run(request: TrainRequest, json: bool) -> None:
    """Train as asked for, and tell what came of it."""
    INTERRUPTS.promise(_what_is_kept(request))
    from stackgan_cli.console import ConsoleProgress, speak
    from stackgan_cli.errors import StackganError
    from stackgan_cli.training.train import train

    try:
        with _StopRequests() as stopping:
            trained = train(request, ConsoleProgress(), stopping=stopping)
    except StackganError:
        raise
    except Exception:
        # What happens to this process alone nobody else can tell.
        speak()
        raise
    if trained.plan is None and trained.steps < trained.of:
        without = " without --restart" if request.restart else ""
        INTERRUPTS.promise(
            lambda: (
                f"Stopped and saved at step {trained.steps:,}. The same command{without} goes on from here:"
                f" {this_command(['--restart'])}"
            )
        )
        raise typer.Exit(INTERRUPTED)
    _tell(request, trained, json)


def _what_is_kept(request: TrainRequest) -> Callable[[], str]:
    """What to say of a run that could not save before it ended."""
    from stackgan_cli.home import data_folder, model_folder
    from stackgan_cli.models.folder import checkpoints_of

    folder = model_folder(request.name or data_folder(request.data).name)
    run = folder / "training" / f"stage{request.stage}"
    earlier = folder if request.stage == 1 else run
    before = _identity(earlier)

    def words() -> str:
        if request.dry_run:
            return f"Interrupted; a dry run changes nothing, and this begins it again: {this_command()}"
        if request.restart and _identity(earlier) == before:
            return f"Interrupted before anything was changed; this begins again: {this_command()}"
        command = this_command(["--restart"])
        steps = next(iter(checkpoints_of(run)), None)
        if steps is None:
            return f"Interrupted before anything was saved; this begins again: {command}"
        return f"Interrupted; what was trained until step {steps:,} is kept, and this goes on from there: {command}"

    return words


def _identity(folder: Path) -> int | None:
    """A number that a folder keeps when it is renamed; None where there is none."""
    return folder.stat().st_ino if folder.exists() else None


def _tell(request: TrainRequest, trained: TrainResult, json: bool) -> None:
    from stackgan_cli.console import print_json, say, suggest

    if trained.plan is not None:
        _show_plan(trained.folder.name, trained.plan, json)
        return
    say(f"The model is in {trained.folder}.")
    if json:
        print_json({"model": str(trained.folder), "stage": trained.stage, "steps": trained.steps})
        return
    if (side := trained.lacks_resolution) is not None:
        say(f"For a Stage-II the data lacks pictures of {side} px; they are added to those that it has.")
    suggest("stackgan", *_next(request, trained))


def _next(request: TrainRequest, trained: TrainResult) -> list[str]:
    """The command that follows on a stage that is trained."""
    from stackgan_cli.models.folder import has_another_stage1

    name = request.name or trained.folder.name
    if trained.stage == 1:
        if (side := trained.lacks_resolution) is not None:
            return ["prepare", "--data", request.data, "--resolution", str(side)]
        named = ["--name", request.name] if request.name else []
        anew = ["--restart"] if has_another_stage1(trained.folder) else []
        return ["train-stage2", "--data", request.data, *named, *anew]
    if not trained.reads_captions:
        return ["evaluate", "--data", request.data, "--model", name]
    # Behind two dashes, a caption that begins with one is no option.
    sentence = ["--", trained.caption] if trained.caption.startswith("-") else [trained.caption]
    return ["generate", "--model", name, *sentence]


class _StopRequests:
    """Takes SIGINT and SIGTERM: before training has begun they interrupt, then they ask it to save and stop.

    A second one of a kind interrupts, too, and costs no more than what was to be saved. Calling the object asks whether
    to stop, and says that training has begun.
    """

    def __init__(self) -> None:
        self._received = self._begun = False
        self._before = {int(number): signal.getsignal(number) for number in SIGNALS}

    def __call__(self) -> bool:
        self._begun = True
        return self._received

    def __enter__(self) -> _StopRequests:
        for number in self._before:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:  # noqa: ARG002
        # Where a library passes over the interrupt, the first step is the last one.
        self._received = True
        if not self._begun:
            INTERRUPTS.take()
        signal.signal(number, self._before[number])


def _show_plan(name: str, plan: Mapping[str, Any], json: bool) -> None:
    from stackgan_cli.console import page, print_json

    if json:
        print_json(plan)
    else:
        rows = [[key.replace("_", " "), _plain(value)] for key, value in plan.items()]
        page(f"Plan for {name}", rows)


def _plain(value: Any) -> str:
    """A value of the plan as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(number)}" for name, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What both training commands do: settle the settings, run, show progress, save, and stop well when asked to."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.options import Data, Device, Json, Precision, Seed, Set
from stackgan_cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.run import TrainingRun

Name = Annotated[
    str | None, typer.Option("--name", help="Name of the model; by default the data's.", show_default=False)
]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="paper, port, quick, or a .toml file.", show_default="what suits the data"),
]
Encoder = Annotated[
    str | None, typer.Option("--encoder", help="Text encoder, as the data was prepared with.", show_default=False)
]
Generator = Annotated[str | None, typer.Option("--generator", help="Generator component.", show_default=False)]
Discriminator = Annotated[
    str | None, typer.Option("--discriminator", help="Discriminator component.", show_default=False)
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps to train in all.", show_default=False)]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs to train in all.", show_default=False)]
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    stage: int
    data: str
    name: str | None
    recipe: str | None
    encoder: str | None
    changes: dict[str, Any]
    options: Sequence[str]
    device: str
    precision: str
    on_nan: OnNan
    compile: bool
    cuda_graphs: bool
    restart: bool
    dry_run: bool
    json: bool


def command(stage: int, help_text: str) -> Callable[..., None]:
    """Make the command that trains a stage; both take the same options."""

    def train(
        data: Data,
        name: Name = None,
        recipe: RecipeName = None,
        encoder: Encoder = None,
        generator: Generator = None,
        discriminator: Discriminator = None,
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
        restart: Restart = False,
        dry_run: DryRun = False,
        json: Json = False,
    ) -> None:
        from stackgan_cli.errors import UsageError

        if steps is not None and epochs is not None:
            raise UsageError("--steps and --epochs both say how long to train.", hint="one of the two")
        changes = {
            "generator.name": generator,
            "discriminator.name": discriminator,
            "steps": steps,
            "epochs": epochs,
            "batch_size": batch_size,
            "stream": stream,
            "seed": seed,
        }
        asked = (stage, data, name, recipe, encoder, changes, set_ or [], device, precision)
        run(Asked(*asked, on_nan, compile_, cuda_graphs, restart, dry_run, json))

    train.__doc__ = help_text
    return train


def run(asked: Asked) -> None:
    """Train a stage as asked for, from the start or from where an earlier run stopped."""
    from stackgan_cli.console import hush, speak
    from stackgan_cli.errors import StackganError
    from stackgan_cli.ranks import join_ranks, leave_ranks, lost_another

    ranks = join_ranks()
    if not ranks.main:
        hush()
    try:
        _run(asked, ranks)
    except (StackganError, typer.Exit):
        # A process that ends while its group is still there may be aborted by the group's threads.
        leave_ranks()
        raise
    except Exception as error:
        if ranks.count > 1 and lost_another(error):
            raise StackganError(
                "Another process of this run has ended, so this one cannot go on.",
                hint="the same command goes on from the last checkpoint, on any number of processes",
            ) from error
        # What happens to this process alone nobody else can tell.
        speak()
        raise
    leave_ranks()


def _run(asked: Asked, ranks: Ranks) -> None:
    from stackgan_cli.console import print_json, say

    training = ranks.in_turn(lambda: _build(asked, ranks))
    for note in training.take_notes():
        say(note)
    if asked.dry_run:
        _show_plan(training, asked.json)
        return
    if training.step >= training.steps:
        say(f"This run is done: {training.step:,} of {training.steps:,} steps. More with --steps or --epochs.")
        _save_if_needed(training)
    else:
        _train(training)
    if asked.json:
        print_json({"model": str(training.folder), "stage": asked.stage, "steps": training.step})
    elif asked.stage == 1:
        say(f"Next: stackgan train-stage2 --data {asked.data}" + (f" --name {asked.name}" if asked.name else ""))
    else:
        say(f'Next: stackgan generate "{training.samples.captions[0]}" --model {asked.name or training.folder.name}')


def _build(asked: Asked, ranks: Ranks) -> TrainingRun:
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.home import existing_data, model_folder
    from stackgan_cli.machine import choose_machine
    from stackgan_cli.training.run import How, TrainingRun

    data = PreparedData(existing_data(asked.data))
    recipe, encoder, settings = _settle(asked, data)
    machine = choose_machine(asked.device, asked.precision, ranks.local_rank if ranks.count > 1 else None)
    compiled, graphs = _compiler(asked, machine.device.type)
    return TrainingRun(
        asked.stage,
        settings,
        data,
        encoder=encoder,
        folder=model_folder(asked.name or data.name),
        how=How(machine, ranks, asked.on_nan.value, compiled, graphs),
        recipe=recipe,
        restart=asked.restart and not asked.dry_run,
    )


def _compiler(asked: Asked, device: str) -> tuple[bool, bool]:
    """Whether to compile, and to record CUDA graphs: as asked for, where this machine can."""
    from stackgan_cli.console import warn
    from stackgan_cli.machine import missing_compiler

    graphs = asked.cuda_graphs and device == "cuda"
    if asked.cuda_graphs and not graphs:
        warn(f"CUDA graphs need an NVIDIA GPU, and this run is on {device}; it goes on without them.")
    if not (asked.compile or graphs):
        return False, False
    if missing := missing_compiler(device):
        warn(f"--compile needs {missing}, which is not here; the run goes on uncompiled.")
        return False, False
    return True, graphs


def _settle(asked: Asked, data: PreparedData) -> tuple[str, str | None, StageSettings]:
    """Recipe, text encoder and settings: what was asked for, over the recipe, over what suits the data."""
    from stackgan_cli.recipes.loading import load_recipe, stage_settings

    name = asked.recipe or data.manifest.get("recipe") or "paper"
    recipe = load_recipe(name)
    return name, asked.encoder or recipe.encoder, stage_settings(recipe, asked.stage, asked.changes, asked.options)


def _train(training: TrainingRun) -> None:
    from stackgan_cli.console import ProgressReport, say

    _announce(training)
    ranks, first = training.how.ranks, training.step
    with (
        _stop_requests() as stop,
        ProgressReport(f"Stage-{'I' * training.stage}", training.steps, unit="steps", start=first) as bar,
    ):
        for step in training.go():
            for note in training.take_notes():
                say(note)
            bar.update(step, words=_words(training))
            if ranks.any(bool(stop)):
                break
        _save_if_needed(training)
    if training.step < training.steps:
        say(f"Stopped and saved at step {training.step:,}. The same command goes on from here.")
        raise typer.Exit(INTERRUPTED)
    say(f"The model is in {training.folder}.")


def _words(training: TrainingRun) -> str:
    """Speed and losses, as last read."""
    speed = f"{training.images_per_second:,.1f} images/s" if training.images_per_second else ""
    return "  ".join(filter(None, [speed, *(f"{name} {value:.3f}" for name, value in training.losses.items())]))


def _save_if_needed(training: TrainingRun) -> None:
    ranks = training.how.ranks
    if ranks.any(ranks.main and not training.saved):
        training.save()


def _announce(training: TrainingRun) -> None:
    from stackgan_cli.console import say

    settings, how = training.settings, training.how
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in training.parameters().items())
    shared = f" shared by {how.ranks.count} processes" if how.ranks.count > 1 else ""
    say(
        f"Training Stage-{'I' * training.stage} of {training.folder.name} ({training.recipe}) at "
        f"{settings.resolution} px on {training.data.name}, {training.data.manifest['counts']['train']:,} pictures: "
        f"{sizes}; {how.machine.device}, {how.machine.precision}; {training.steps:,} steps of {settings.batch_size}"
        f"{shared}."
    )


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them; a second one of a kind acts as it always did."""
    received: list[int] = []
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        received.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_plan(training: TrainingRun, json: bool) -> None:
    from stackgan_cli.console import print_json, table
    from stackgan_cli.training.planning import plan

    found = plan(training)
    if json:
        print_json(found)
    else:
        rows = [[key.replace("_", " "), _plain(value)] for key, value in found.items()]
        table(f"Plan for {training.folder.name}", ["", ""], rows)


def _plain(value: Any) -> str:
    """A value of the plan as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(number)}" for name, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What both training commands do: settle the settings, run, show progress, save, and stop well when asked to."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stackgan_cli.data.prepared import PreparedData
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
Restart = Annotated[bool, typer.Option("--restart", help="Begin anew; the old run is kept beside the new one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Build everything, try one step, show the plan, save nothing.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    stage: int
    data: str
    name: str | None
    recipe: str | None
    encoder: str | None
    generator: str | None
    discriminator: str | None
    steps: int | None
    epochs: int | None
    batch_size: int | None
    seed: int | None
    options: Sequence[str]


def run(asked: Asked, *, device: str, precision: str, restart: bool, dry_run: bool, json: bool) -> None:
    """Train a stage as asked for, from the start or from where an earlier run stopped."""
    from stackgan_cli.console import print_json, say
    from stackgan_cli.data.prepared import PreparedData
    from stackgan_cli.home import existing_data, model_folder
    from stackgan_cli.machine import choose_machine
    from stackgan_cli.training.run import TrainingRun

    data = PreparedData(existing_data(asked.data))
    recipe, encoder, settings = _settle(asked, data)
    training = TrainingRun(
        asked.stage,
        settings,
        data,
        encoder=encoder,
        folder=model_folder(asked.name or data.name),
        machine=choose_machine(device, precision),
        recipe=recipe,
        restart=restart and not dry_run,
    )
    for note in training.notes:
        say(note)
    if dry_run:
        _show_plan(training, json)
        return
    if training.step >= training.steps:
        say(f"This run is done: {training.step:,} of {training.steps:,} steps. More with --steps or --epochs.")
    else:
        _train(training)
    if json:
        print_json({"model": str(training.folder), "stage": asked.stage, "steps": training.step})
    elif asked.stage == 1:
        say(f"Next: stackgan train-stage2 --data {asked.data}" + (f" --name {asked.name}" if asked.name else ""))
    else:
        say(f'Next: stackgan generate "{training.samples.captions[0]}" --model {asked.name or training.folder.name}')


def _settle(asked: Asked, data: PreparedData) -> tuple[str, str | None, StageSettings]:
    """Recipe, text encoder and settings: what was asked for, over the recipe, over what suits the data."""
    from stackgan_cli.errors import UsageError
    from stackgan_cli.recipes.loading import load_recipe, stage_settings

    if asked.steps is not None and asked.epochs is not None:
        raise UsageError("--steps and --epochs both say how long to train.", hint="one of the two")
    name = asked.recipe or data.manifest.get("recipe") or "paper"
    recipe = load_recipe(name)
    changes = {
        "generator.name": asked.generator,
        "discriminator.name": asked.discriminator,
        "steps": asked.steps,
        "epochs": asked.epochs,
        "batch_size": asked.batch_size,
        "seed": asked.seed,
    }
    return name, asked.encoder or recipe.encoder, stage_settings(recipe, asked.stage, changes, asked.options)


def _train(training: TrainingRun) -> None:
    from stackgan_cli.console import ProgressReport, say

    _announce(training)
    settings, words, saved = training.settings, "", training.step
    with (
        _stop_requests() as stop,
        ProgressReport(f"Stage-{'I' * training.stage}", training.steps, unit="steps", start=training.step) as bar,
    ):
        for progress in training.go():
            if training.due(settings.log_every):
                words = "  ".join(f"{name} {value:.3f}" for name, value in training.read(progress).items())
            bar.update(training.step, words=words)
            if training.due(settings.sample_every):
                training.sample()
            if training.due(settings.checkpoint_every):
                training.save()
                saved = training.step
            if stop:
                break
    if saved != training.step:
        training.save()
    if training.step < training.steps:
        say(f"Stopped and saved at step {training.step:,}. The same command goes on from here.")
        raise typer.Exit(INTERRUPTED)
    say(f"The model is in {training.folder}.")


def _announce(training: TrainingRun) -> None:
    from stackgan_cli.console import say

    settings = training.settings
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in training.parameters().items())
    say(
        f"Training Stage-{'I' * training.stage} of {training.folder.name} ({training.recipe}) at "
        f"{settings.resolution} px on {training.data.name}, {len(training.data.train):,} pictures: {sizes}; "
        f"{training.machine.device}, {training.machine.precision}; {training.steps:,} steps of {settings.batch_size}."
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
    """Time a few steps on copies that are thrown away, and print what training would be."""
    import time

    from stackgan_cli.console import print_json, table

    losses: dict[str, float] = {}
    seconds: list[float] = []
    for step in range(3):
        started = time.perf_counter()
        losses = {name: float(value) for name, value in training.task.step(step, training.batches.at(step)).items()}
        seconds.append(time.perf_counter() - started)
    left = training.steps - training.step
    plan: dict[str, Any] = {
        "stage": training.stage,
        "recipe": training.recipe,
        "generator": training.settings.generator.name,
        "discriminator": training.settings.discriminator.name,
        "parameters": training.parameters(),
        "resolution": training.settings.resolution,
        "batch_size": training.settings.batch_size,
        "steps": training.steps,
        "from_step": training.step,
        "steps_per_epoch": training.batches.steps_per_epoch,
        "device": str(training.machine.device),
        "precision": training.machine.precision,
        "seconds_per_step": round(min(seconds), 4),
        "hours": round(min(seconds) * left / 3600, 2),
        "losses": losses,
    }
    if json:
        print_json(plan)
    else:
        table(
            f"Plan for {training.folder.name}", ["", ""], [[key.replace("_", " "), str(v)] for key, v in plan.items()]
        )

"""``stackgan train-stage2``: train Stage-II on top of Stage-I."""

from __future__ import annotations

from stackgan_cli.commands import training
from stackgan_cli.commands.options import Data, Device, Json, Precision, Seed, Set

EPILOG = """Examples:

stackgan train-stage2 --data drawn-birds

stackgan train-stage2 --data flowers --recipe quick --steps 50

stackgan train-stage2 --data cub --recipe paper --set batch_size=32"""


def train_stage2(
    data: Data,
    name: training.Name = None,
    recipe: training.RecipeName = None,
    encoder: training.Encoder = None,
    generator: training.Generator = None,
    discriminator: training.Discriminator = None,
    steps: training.Steps = None,
    epochs: training.Epochs = None,
    batch_size: training.BatchSize = None,
    device: Device = "auto",
    precision: Precision = "auto",
    seed: Seed = None,
    set_: Set = None,
    restart: training.Restart = False,
    dry_run: training.DryRun = False,
    json: Json = False,
) -> None:
    """Train Stage-II, the generator that corrects and refines the sketches of the model's Stage-I."""
    asked = training.Asked(
        2, data, name, recipe, encoder, generator, discriminator, steps, epochs, batch_size, seed, set_ or []
    )
    training.run(asked, device=device, precision=precision, restart=restart, dry_run=dry_run, json=json)

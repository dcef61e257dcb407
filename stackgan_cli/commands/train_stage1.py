"""``stackgan train-stage1``: train Stage-I."""

from __future__ import annotations

from stackgan_cli.commands import training
from stackgan_cli.commands.options import Data, Device, Json, Precision, Seed, Set

EPILOG = """Examples:

stackgan train-stage1 --data drawn-birds

stackgan train-stage1 --data flowers --recipe quick --steps 200

stackgan train-stage1 --data cub --recipe paper --set batch_size=32"""


def train_stage1(
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
    """Train Stage-I, the generator that sketches small pictures from text."""
    asked = training.Asked(
        1, data, name, recipe, encoder, generator, discriminator, steps, epochs, batch_size, seed, set_ or []
    )
    training.run(asked, device=device, precision=precision, restart=restart, dry_run=dry_run, json=json)

"""``stackgan train-stage2``: train Stage-II on top of Stage-I."""

from __future__ import annotations

from stackgan_cli.commands import training

EPILOG = """Examples:

stackgan train-stage2 --data drawn-birds

stackgan train-stage2 --data flowers --recipe quick --steps 50

stackgan train-stage2 --data cub --recipe paper --set batch_size=32"""


train_stage2 = training.command(
    2, "Train Stage-II, the generator that corrects and refines the sketches of the model's Stage-I."
)

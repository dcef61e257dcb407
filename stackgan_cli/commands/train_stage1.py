"""``stackgan train-stage1``: train Stage-I."""

from __future__ import annotations

from stackgan_cli.commands import training

EPILOG = """Examples:

stackgan train-stage1 --data drawn-birds

stackgan train-stage1 --data flowers --recipe quick --steps 200

stackgan train-stage1 --data cub --recipe paper --set batch_size=32"""


train_stage1 = training.command(1, "Train Stage-I, the generator that sketches small pictures from text.")

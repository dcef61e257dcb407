"""Draw pictures of sentences from Python: the same seed gives the same picture, here and on the command line."""

import sys
from pathlib import Path

from stackgan_cli import Pipeline

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
pipeline = Pipeline.load("bundled")
for seed in range(3):
    pipeline.draw("a small red bird", seed=seed).save(folder / f"red-{seed}.png")
sketch = pipeline.draw("a small red bird", seed=0, stage=1)
refined = pipeline.draw("a small red bird", seed=0)
print(f"Stage-I {sketch.size}, Stage-II {refined.size}")

"""How long recipes take to good pictures: seconds of training until Stage-I reaches marks, one recipe after the other.

    python -m tests.benchmarks.time_to_quality --data drawn-birds --recipe quick=60 --recipe paper=30 --sheets sheets

A mark is a Fréchet distance, or a share of drawings on which everything that the caption states is right, by the
extractor that suits the data. Every few minutes training pauses to be measured; the pauses do not count, and neither
does what comes before the first step (reading, and what an objective fits once beside the data), which is told by
itself. With ``--sheets`` each measurement leaves a sheet of pictures, too, of the captions of ``docs/captions.txt``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stackgan_cli import TrainRequest, train
from stackgan_cli.evaluation.evaluate import evaluate
from stackgan_cli.evaluation.request import EvaluateRequest
from stackgan_cli.pictures.picture_files import slug
from stackgan_cli.progress import IGNORED, Report

JOINT, DISTANCE = "attribute-accuracy", "frechet-distance"
SHARES, DISTANCES = (0.3, 0.5, 0.7, 0.85), (1000.0, 500.0, 250.0)
CAPTIONS = Path(__file__).parents[2] / "docs" / "captions.txt"


@dataclass
class Course:
    """What a recipe has come to so far; also the progress that training tells when its first step begins."""

    recipe: str
    seconds: float
    """Of training that it is given."""
    before: float = 0.0
    """Seconds until the first step: reading, fitting, building."""
    trained: float = 0.0
    """Seconds of steps."""
    measured: list[tuple[float, int, float | None, float | None]] = field(default_factory=list)
    """Seconds of steps, their number, the share that is right, the Fréchet distance."""
    _began: float = 0.0

    @classmethod
    def named(cls, text: str, minutes: float) -> Course:
        """Read ``RECIPE`` or ``RECIPE=MINUTES``; a recipe is a name or the path of a file."""
        recipe, _, own = text.partition("=")
        return cls(recipe, 60 * float(own or minutes))

    @property
    def model(self) -> str:
        """The name that it trains under."""
        return f"time-to-quality-{slug(Path(self.recipe).stem)}"

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None:
        print(f"{self.recipe}: {message}")

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Report]:
        if title.startswith("Stage-"):
            self._began = time.monotonic()
        yield IGNORED

    def train(self, options: argparse.Namespace, seconds: float) -> int:
        """Train so many seconds more; returns the steps that are done."""
        started = time.monotonic()
        result = train(
            TrainRequest(
                stage=1,
                data=options.data,
                name=self.model,
                recipe=self.recipe,
                encoder=options.encoder,
                restart=not self.measured,
            ),
            self,
            stopping=lambda: time.monotonic() - self._began >= seconds,
        )
        self.before += self._began - started
        self.trained += time.monotonic() - self._began
        return result.steps

    def measure(self, options: argparse.Namespace, steps: int) -> None:
        """Evaluate the stage as it is now."""
        results = evaluate(EvaluateRequest(data=options.data, model=self.model, num_images=options.pictures))
        (row,) = [row for row in results.rows if row.pictures == "Stage-I"]
        values = [row.metrics[name].value if name in row.metrics else None for name in (JOINT, DISTANCE)]
        self.measured.append((self.trained, steps, values[0], values[1]))
        told = "  ".join(
            f"{name} {value:.3f}" for name, value in zip((JOINT, DISTANCE), values, strict=True) if value is not None
        )
        print(f"{self.recipe}: {self.trained:7,.0f} s  {steps:6,} steps  {told}", flush=True)

    def show(self, folder: Path) -> None:
        """Draw two pictures of each caption as the stage is now, ``MODEL-MINUTES.png``."""
        sheet = folder / f"{self.model}-{self.trained / 60:.0f}.png"
        command = [sys.executable, "-m", "stackgan_cli", "generate", "--model", self.model, "--from", str(CAPTIONS)]
        subprocess.run([*command, "-n", "2", "--seed", "1", "--grid-only", "-o", str(sheet)], check=True)

    def seconds_until(self, column: int, mark: float, *, rising: bool) -> str:
        """When a measurement first was as good as a mark."""
        for row in self.measured:
            value = row[column]
            if value is not None and (value >= mark if rising else value <= mark):
                return f"{row[0]:,.0f}"
        return "not yet"


def table(courses: Sequence[Course]) -> Iterator[str]:
    """Rows of marks, columns of recipes."""
    yield "| seconds until | " + " | ".join(course.recipe for course in courses) + " |"
    yield "| --- |" + " ---: |" * len(courses)
    for mark in SHARES:
        cells = [course.seconds_until(2, mark, rising=True) for course in courses]
        yield f"| {mark:.0%} with all stated right | " + " | ".join(cells) + " |"
    for mark in DISTANCES:
        cells = [course.seconds_until(3, mark, rising=False) for course in courses]
        yield f"| Fréchet distance {mark:g} | " + " | ".join(cells) + " |"
    yield "| the first step | " + " | ".join(f"{course.before:,.0f}" for course in courses) + " |"


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="drawn-birds", help="prepared data")
    parser.add_argument("--encoder", help="text encoder that all recipes read by; by default each its own")
    parser.add_argument("--recipe", action="append", dest="recipes", help="RECIPE, or RECIPE=MINUTES of training")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, for each recipe that names none")
    parser.add_argument("--every", type=float, default=5.0, help="minutes from one measurement to the next")
    parser.add_argument("--pictures", type=int, default=1000, help="drawn for a measurement")
    parser.add_argument("--sheets", type=Path, help="a folder for sheets of pictures")
    options = parser.parse_args()
    courses = [Course.named(recipe, options.minutes) for recipe in options.recipes or ("quick", "paper")]
    for course in courses:
        steps = -1
        while course.trained < course.seconds:
            done = course.train(options, min(60 * options.every, course.seconds - course.trained))
            if done == steps:
                break
            steps = done
            course.measure(options, steps)
            if options.sheets:
                course.show(options.sheets)
    print(*table(courses), sep="\n")


if __name__ == "__main__":
    main()

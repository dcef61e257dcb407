"""How long recipes take to good pictures: seconds of training until Stage-I reaches marks, one recipe after the other.

    python -m tests.benchmarks.time_to_quality --data drawn-birds --recipe quick --recipe paper --minutes 60

A mark is a Fréchet distance, or a share of drawings on which everything that the caption states is right, by the
extractor that suits the data. Every few minutes training pauses to be measured; the pauses do not count, and neither
does what comes before the first step (reading, and what an objective fits once beside the data), which is told by
itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from stackgan_cli import TrainRequest, train
from stackgan_cli.evaluation.evaluate import evaluate
from stackgan_cli.evaluation.request import EvaluateRequest
from stackgan_cli.progress import IGNORED, Report

JOINT, DISTANCE = "attribute-accuracy", "frechet-distance"
SHARES, DISTANCES = (0.3, 0.5, 0.7, 0.85), (100.0, 50.0, 25.0)


@dataclass
class Course:
    """What a recipe has come to so far; also the progress that training tells when its first step begins."""

    recipe: str
    before: float = 0.0
    """Seconds until the first step: reading, fitting, building."""
    trained: float = 0.0
    """Seconds of steps."""
    measured: list[tuple[float, int, float | None, float | None]] = field(default_factory=list)
    """Seconds of steps, their number, the share that is right, the Fréchet distance."""
    _began: float = 0.0

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
                name=f"time-to-quality-{self.recipe}",
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
        results = evaluate(
            EvaluateRequest(data=options.data, model=f"time-to-quality-{self.recipe}", num_images=options.pictures)
        )
        (row,) = [row for row in results.rows if row.pictures == "Stage-I"]
        values = [row.metrics[name].value if name in row.metrics else None for name in (JOINT, DISTANCE)]
        self.measured.append((self.trained, steps, values[0], values[1]))
        told = "  ".join(
            f"{name} {value:.3f}" for name, value in zip((JOINT, DISTANCE), values, strict=True) if value is not None
        )
        print(f"{self.recipe}: {self.trained:7,.0f} s  {steps:6,} steps  {told}", flush=True)

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
    parser.add_argument("--recipe", action="append", dest="recipes")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, for each recipe")
    parser.add_argument("--every", type=float, default=5.0, help="minutes from one measurement to the next")
    parser.add_argument("--pictures", type=int, default=1000, help="drawn for a measurement")
    options = parser.parse_args()
    courses = [Course(recipe) for recipe in options.recipes or ("quick", "paper")]
    for course in courses:
        steps = -1
        while course.trained < 60 * options.minutes:
            done = course.train(options, 60 * min(options.every, options.minutes - course.trained / 60))
            if done == steps:
                break
            steps = done
            course.measure(options, steps)
    print(*table(courses), sep="\n")


if __name__ == "__main__":
    main()

"""Ways of doing one thing, timed in turn, so that a noisy machine is as noisy for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def quickest(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the quickest of some rounds of each way, after one round that warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:
                found[name].append(time.perf_counter() - started)
    return {name: min(times) for name, times in found.items()}


def show(title: str, seconds: Mapping[str, float], count: int, unit: str) -> None:
    """Print the rate of each way, and how many times that of the first one it is."""
    print(title)
    first = next(iter(seconds.values()))
    for name, time_taken in seconds.items():
        print(f"  {name:28} {count / time_taken:12,.1f} {unit}   x {first / time_taken:.2f}")

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stackgan_cli.console import ConsoleProgress
from stackgan_cli.progress import SILENT, Phases, Progress


class Listed:
    """Lists what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def say(self, message: str) -> None:
        self.heard.append(message)

    warn = say

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Any]:
        self.heard.append(f"{title} begins")
        try:
            yield lambda *done: self.heard.append(done)
        except ValueError:
            self.heard.append(f"{title} fails")
            raise
        self.heard.append(f"{title} ends")


def test_reports_that_name_their_phase_become_one_phase_after_the_other() -> None:
    listed = Listed()

    def work() -> None:
        with Phases(listed) as phases:
            phases.report("one.zip", 1, 2)
            phases.report("one.zip", 2, 2)
            phases.report("two.zip", 1, None, "slowly")
            raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        work()
    one, two = [(1, 2, ""), (2, 2, "")], [(1, None, "slowly")]
    assert listed.heard == ["one.zip begins", *one, "one.zip ends", "two.zip begins", *two, "two.zip fails"]


@pytest.mark.parametrize("progress", [ConsoleProgress(), SILENT])
def test_a_person_hears_what_nobody_else_does(progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
    progress.say("reading")
    progress.warn("one is missing")
    with progress.phase("Pictures", 10, "pictures", start=2) as report:
        report(5)
        report(9, 9, "the last ones")
    seen = capsys.readouterr()
    assert seen.out == ""
    expected = ["reading", "Note: one is missing", "Pictures: 9 pictures in 0.0 s."]
    assert seen.err.splitlines() == ([] if progress is SILENT else expected)

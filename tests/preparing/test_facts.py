"""What is left out is counted by reason, however it is told."""

from __future__ import annotations

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.preparing.facts import MOST_REASONS, Reasons
from stackgan_cli.readers.left_out import LeftOut, Notes, Tally


def counted(*items: Skipped) -> tuple[int, dict[str, int]]:
    reasons = Reasons()
    for item in items:
        reasons.add(item)
    return reasons.total, dict(reasons.commonest(10))


def test_one_line_for_many_counts_as_many() -> None:
    tally, notes, left_out = Tally("pictures", "not there"), Notes(), LeftOut()
    lines = []
    for number in range(30):
        tally.add(f"{number:02d}.jpg")
        notes.add(f"{number:02d}.txt", "texts", "no text")
        lines += left_out.add(f"{number:02d}.png", "no such file", f"metadata.csv line {number + 2}")
    lines += [*tally.lines(), *notes.lines(), *left_out.rest()]
    assert len(lines) == 20 + 3
    assert counted(*lines) == (90, {"not there": 30, "no text": 30, "no such file": 30})


def test_the_only_thing_of_its_kind_is_named() -> None:
    tally = Tally("pictures", "not there")
    tally.add("a.jpg")
    assert list(tally.lines()) == [Skipped("a.jpg", "not there")]
    assert counted(*tally.lines()) == (1, {"not there": 1})


def test_reasons_without_end_are_counted_but_not_all_kept() -> None:
    total, kept = counted(*(Skipped("x", f"reason {number}") for number in range(MOST_REASONS + 50)))
    assert total == MOST_REASONS + 50
    assert len(kept) == 10

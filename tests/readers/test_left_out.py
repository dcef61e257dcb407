"""What is left out is counted by reason, however it is told."""

from __future__ import annotations

import tracemalloc

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.readers.left_out import MOST_REASONS, LeftOut


def counted_again(left_out: LeftOut) -> dict[str, int]:
    """What somebody counts who has nothing but the lines."""
    again = LeftOut()
    for line in left_out.lines():
        again.take(line)
    assert again.total == left_out.total
    return dict(again.commonest(10))


def test_up_to_twenty_things_are_named_and_more_take_one_line_that_counts_them_all() -> None:
    left_out = LeftOut()
    for number in range(20):
        left_out.add(f"{number:02d}.jpg", "pictures", f"it cannot be opened (error {number})")
    for number in range(24):
        left_out.add(f"{number:02d}.png", "rows", f"my data/metadata.csv line {number + 2}: no such file")
    *named, together = left_out.lines()
    assert named == [Skipped(f"{number:02d}.jpg", f"it cannot be opened (error {number})") for number in range(20)]
    assert (together.name, together.count) == ("24 rows", 24)
    assert together.reason.startswith(
        "no such file (the first: my data/metadata.csv line 2; my data/metadata.csv line 3; "
    )
    assert counted_again(left_out) == {"no such file": 24, "it cannot be opened": 20}
    assert (
        left_out.in_short()
        == "00.png, the first of 24: no such file; 00.jpg, the first of 20: it cannot be opened (error 0)"
    )


def test_remarks_stay_with_the_first_of_many() -> None:
    left_out = LeftOut()
    for number in range(24):
        left_out.add(f"{number}.png", "rows", f"list.csv line {number}: no such file (but there is x/{number}.png)")
    (together,) = left_out.lines()
    assert together.reason.startswith(
        "no such file (the first: list.csv line 0 (but there is x/0.png); list.csv line 1 ("
    )
    again = LeftOut()
    again.take(together)
    assert again.in_short() == "24 rows: no such file (the first: list.csv line 0 (but there is x/0.png))"
    assert left_out.in_short() == "0.png, the first of 24: no such file (but there is x/0.png)"


def test_a_remark_that_all_share_and_the_only_thing_of_its_kind_are_told_in_full() -> None:
    left_out = LeftOut()
    left_out.add("a.txt", "files", "it cannot be opened (no permission)")
    left_out.add("b.txt", "files", "it cannot be opened (no permission)")
    left_out.add("c.txt", "files", "its name is too long (300 letters)")
    counts = {"it cannot be opened (no permission)": 2, "its name is too long (300 letters)": 1}
    assert dict(left_out.commonest(2)) == counts
    assert left_out.in_short(1) == "a.txt, the first of 2: it cannot be opened (no permission)"
    assert counted_again(left_out) == counts


def test_lines_for_many_things_count_as_many() -> None:
    left_out = LeftOut()
    left_out.take(Skipped("2,000 pictures", "not there (the first: a.jpg; b.jpg)", 2000))
    left_out.take(Skipped("c.jpg", "no caption"))
    assert left_out.total == 2001
    assert left_out.in_short() == "2,000 pictures: not there (the first: a.jpg); c.jpg: no caption"
    assert counted_again(left_out) == {"not there": 2000, "no caption": 1}


def test_reasons_and_things_without_end_take_little_memory() -> None:
    left_out = LeftOut()
    tracemalloc.start()
    for number in range(200_000):
        left_out.add(f"picture {number}", "pictures", f"reason {number % (MOST_REASONS + 500)}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert left_out.total == 200_000
    assert peak < 10 << 20
    assert sum(counted_again(left_out).values()) < 200_000
    assert sum(line.count for line in left_out.lines()) == 200_000


def test_a_long_name_is_whole_in_its_line_and_short_in_a_message() -> None:
    left_out = LeftOut()
    left_out.add("x" * 5000, "pictures", "no caption")
    assert [line.name for line in left_out.lines()] == ["x" * 5000]
    assert len(left_out.in_short()) < 400

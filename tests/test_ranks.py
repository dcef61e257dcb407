from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from stackgan_cli.errors import DataError
from stackgan_cli.ranks import ALONE, Ranks

BEGINNING = """
import torch
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.ranks import join_ranks, leave_ranks

ranks = join_ranks()
main = ranks.rank == 0
"""


@pytest.fixture
def on_two_ranks(fork_ranks: Callable[..., Any]) -> Callable[[str], None]:
    """Run a script, whose assertions must all hold, in two processes that can reach each other."""

    def run(script: str) -> None:
        ended = fork_ranks(script=f"{BEGINNING}{script}\nleave_ranks()\n")
        assert ended.code == 0, ended.err

    return run


def test_the_parts_of_all_ranks_together_are_the_batch() -> None:
    rows = torch.arange(12).view(6, 2)
    assert torch.equal(torch.cat([Ranks(rank, 3).own(rows) for rank in range(3)]), rows)
    assert torch.equal(Ranks(1, 3).own(rows), rows[2:4])


def test_one_rank_alone_hears_itself() -> None:
    rows = torch.arange(6).view(3, 2)
    assert ALONE.main
    assert torch.equal(ALONE.own(rows), rows)
    assert torch.equal(ALONE.all_rows(rows), rows)
    assert (ALONE.any(True), ALONE.any(False)) == (True, False)
    assert ALONE.in_turn(lambda: 7) == 7


def test_what_fails_alone_fails_as_it_is() -> None:
    def fail() -> None:
        raise DataError("Es gibt keine Vögel.", hint="Prepare some.")

    with pytest.raises(DataError) as caught:
        ALONE.in_turn(fail)
    assert (caught.value.message, caught.value.hint) == ("Es gibt keine Vögel.", "Prepare some.")


def test_two_ranks_exchange_rows_flags_and_words(on_two_ranks: Callable[[str], None]) -> None:
    on_two_ranks(
        """
mine = torch.arange(6.0).view(3, 2) + 10 * ranks.rank
both = ranks.all_rows(mine)
assert both.tolist() == [[0, 1], [2, 3], [4, 5], [10, 11], [12, 13], [14, 15]], both
assert torch.equal(ranks.own(both), mine)
# Rows that lie across in memory arrive as what they are.
assert torch.equal(ranks.all_rows(mine.T), torch.cat([mine.T % 10, mine.T % 10 + 10]))
for here, there in ((False, False), (True, False), (False, True), (True, True)):
    assert ranks.any(here if main else there) == (here or there)
assert ranks.in_turn(lambda: ranks.rank + 5) == ranks.rank + 5
""",
    )


def test_a_rank_may_work_alone_for_hours(on_two_ranks: Callable[[str], None]) -> None:
    """The library gives up after half an hour, which fitting an extractor takes on a slow processor."""
    on_two_ranks(
        """
from torch import distributed
waits = distributed.group.WORLD._get_backend(torch.device("cpu")).options._timeout
assert waits.total_seconds() >= 12 * 3600, waits
""",
    )


def test_an_error_of_one_rank_is_an_error_of_all(on_two_ranks: Callable[[str], None]) -> None:
    """Whichever rank it is, with umlauts, several lines, no hint, or more text than is exchanged."""
    on_two_ranks(
        """
texts = [("Es gibt keine Vögel.", "Prepare größere."), ("One line.\\nAnother line.", "This.\\nOr that."),
         ("No hint.", None), ("", None), ("ü" * 9000, "Shorter."), ("a" * 8191, None), ("Short.", "é" * 9000)]
for failing in (0, 1):
    for message, hint in texts:
        worked = []

        def work():
            worked.append(True)
            if ranks.rank == failing:
                raise DataError(message, hint)

        try:
            ranks.in_turn(work)
        except StackganError as error:
            assert error.exit_code == DataError.exit_code
            if ranks.rank == failing:
                assert (error.message, error.hint) == (message, hint)
            else:
                # Of a long text the beginning is enough.
                assert error.message.startswith(f"Rank {failing} failed: {message}"[:800])
                assert (error.hint or "")[:200] == (hint or "")[:200]
        else:
            raise AssertionError("nothing failed")
        # The others only begin when all went well on the main rank.
        assert bool(worked) == (main or failing == 1)
# Nobody is out of step afterwards.
assert ranks.any(main)
""",
    )


def test_after_an_error_of_the_other_rank_the_main_one_can_go_on(on_two_ranks: Callable[[str], None]) -> None:
    on_two_ranks(
        """
def work():
    if not main:
        raise DataError("Mine.")
    return 3

try:
    ranks.in_turn(work)
except StackganError as error:
    assert error.message == ("Rank 1 failed: Mine." if main else "Mine.")
else:
    raise AssertionError("nothing failed")
assert ranks.in_turn(lambda: "well") == "well"
""",
    )


def test_content_of_any_length_goes_from_the_main_rank_and_to_it(on_two_ranks: Callable[[str], None]) -> None:
    on_two_ranks(
        """
long = bytes(range(256)) * 1000
for content in (b"", b"a", long):
    assert ranks.from_main(content if main else b"other") == content
    assert ranks.to_main(content if main else b"other") == ([content, b"other"] if main else [])
assert ranks.to_main(b"") == ([b"", b""] if main else [])
""",
    )
    assert (ALONE.from_main(b"a"), ALONE.to_main(b"a")) == (b"a", [b"a"])


def test_what_fails_on_one_rank_while_all_work_fails_on_all(on_two_ranks: Callable[[str], None]) -> None:
    on_two_ranks(
        """
def work():
    if not main:
        raise DataError("The disk is full.", hint="Make room.")
    return 7

try:
    ranks.at_once(work)
except StackganError as error:
    assert "The disk is full." in error.message and error.exit_code == 3
else:
    raise AssertionError
assert ranks.at_once(lambda: 7) == 7
""",
    )

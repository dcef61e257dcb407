from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from stackgan_cli.drawing.single_threads import in_order


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_whoever_is_done_first(three_threads: None) -> None:
    def piece(number: int) -> tuple[int, int]:
        time.sleep(0.02 * (3 - number % 4))
        return number, torch.get_num_threads()

    assert list(in_order(partial(piece, number) for number in range(10))) == [(number, 1) for number in range(10)]


def test_there_may_be_pieces_without_end_and_whoever_had_enough_leaves(three_threads: None) -> None:
    begun: list[int] = []
    before = threading.active_count()
    results = in_order(partial(begun.append, number) for number in itertools.count())
    for _ in range(5):
        next(results)
    results.close()
    assert 5 <= len(begun) <= 5 + 2 * 3 + 1
    assert threading.active_count() == before


def test_what_fails_fails_in_its_place(three_threads: None) -> None:
    def piece(number: int) -> int:
        return 6 // (number - 3)

    results = in_order(partial(piece, number) for number in range(6))
    assert [next(results) for _ in range(3)] == [-2, -3, -6]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_other_threads_count_as_before(three_threads: None) -> None:
    counts: list[int] = []
    list(in_order([lambda: None] * 4))
    counts.append(torch.get_num_threads())
    later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert counts == [3, 3]

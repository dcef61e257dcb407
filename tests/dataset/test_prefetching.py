from __future__ import annotations

import threading
from typing import Any

import pytest

from stackgan_cli.dataset.prefetching import batches_ahead


class Source:
    """Numbers for batches; one of them may fail."""

    steps_per_epoch = 5

    def __init__(
        self, *, resident: bool = False, broken: int | None = None, how: type[BaseException] = ValueError
    ) -> None:
        self.resident, self._broken, self._how = resident, broken, how
        self.threads: set[str] = set()

    def at(self, step: int) -> Any:
        self.threads.add(threading.current_thread().name)
        if step == self._broken:
            raise self._how(f"step {step} is broken")
        return step


def working() -> bool:
    return any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_batches_come_in_order_from_a_thread_that_ends_with_them() -> None:
    source = Source()
    assert list(batches_ahead(source, 3, 40)) == list(range(3, 40))
    assert source.threads == {"batches_0"}
    assert not working()


def test_what_lies_in_memory_needs_no_thread() -> None:
    source = Source(resident=True)
    assert list(batches_ahead(source, 0, 4)) == [0, 1, 2, 3]
    assert source.threads == {threading.current_thread().name}


@pytest.mark.parametrize("how", [ValueError, SystemExit])
def test_an_error_is_raised_in_its_place(how: type[BaseException]) -> None:
    made = batches_ahead(Source(broken=6, how=how), 4, 100)
    assert [next(made), next(made)] == [4, 5]
    with pytest.raises(how, match="step 6 is broken"):
        next(made)
    assert not working()


def test_a_run_that_stops_early_leaves_no_thread() -> None:
    made = batches_ahead(Source(), 0, 1_000_000)
    assert next(made) == 0
    assert working()
    made.close()  # type: ignore[attr-defined]
    assert not working()

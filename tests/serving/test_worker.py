"""One thread draws: in order, one at a time, and nobody who asks goes without an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError

import pytest

from stackgan_cli.serving.refusals import RefusalError
from stackgan_cli.serving.worker import Worker


def test_jobs_are_done_in_their_order_by_one_thread(worker: Worker, let_go: threading.Event) -> None:
    done: list[tuple[int, int]] = []
    jobs = [worker.submit(lambda _, each=each: done.append((each, threading.get_ident()))) for each in (1, 2)]
    let_go.set()
    for job in jobs:
        job.future.result(30)
    assert [each for each, _ in done] == [1, 2]
    assert len({thread for _, thread in done} - {threading.get_ident()}) == 1


def test_a_full_queue_says_when_to_come_again(worker: Worker, let_go: threading.Event) -> None:
    kept = [worker.submit(lambda _: "done") for _ in range(2)]
    with pytest.raises(RefusalError, match="3 requests are before this one") as refused:
        worker.submit(lambda _: "never")
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1
    let_go.set()
    assert [job.future.result(30) for job in kept] == ["done", "done"]
    assert worker.submit(lambda _: "later").future.result(30) == "later"


def test_what_nobody_waits_for_is_not_done_and_leaves_room(worker: Worker, let_go: threading.Event) -> None:
    done: list[int] = []
    jobs = [worker.submit(lambda _, each=each: done.append(each)) for each in (1, 2)]
    worker.abandon(jobs[0])
    jobs.append(worker.submit(lambda _: done.append(3)))
    let_go.set()
    jobs[2].future.result(30)
    assert done == [2, 3]


def test_a_job_that_is_abandoned_while_it_is_done_ends_where_it_looks(worker: Worker) -> None:
    begun, abandoned, steps = threading.Event(), threading.Event(), []

    def work(go_on: Callable[[], None]) -> None:
        for step in range(9):
            steps.append(step)
            begun.set()
            abandoned.wait(30)
            go_on()

    job = worker.submit(work)
    assert begun.wait(30)
    worker.abandon(job)
    abandoned.set()
    with pytest.raises(CancelledError):
        job.future.result(30)
    assert steps == [0]


def test_a_stop_finishes_what_is_being_done_and_refuses_what_waits(worker: Worker, let_go: threading.Event) -> None:
    waiting = worker.submit(lambda _: "never")
    worker.stop()
    with pytest.raises(RefusalError, match="stopping") as refused:
        waiting.future.result(30)
    assert refused.value.status == 503
    with pytest.raises(RefusalError, match="stopping"):
        worker.submit(lambda _: "never")
    let_go.set()
    worker.join()
    assert worker.done == 1


def test_what_takes_too_long_after_a_stop_is_refused_and_ends_where_it_looks(worker: Worker) -> None:
    busy, let_go, steps = threading.Event(), threading.Event(), []

    def work(go_on: Callable[[], None]) -> None:
        for step in range(9):
            steps.append(step)
            busy.set()
            let_go.wait(30)
            go_on()

    job = worker.submit(work)
    assert busy.wait(30)
    worker.stop()
    worker.give_up()
    with pytest.raises(RefusalError, match="stopping"):
        job.future.result(30)
    let_go.set()
    worker.join()
    assert steps == [0]


def test_a_job_that_fails_takes_nothing_with_it(worker: Worker) -> None:
    def fail(_: Callable[[], None]) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        worker.submit(fail).future.result(30)
    assert worker.submit(lambda _: 7).future.result(30) == 7

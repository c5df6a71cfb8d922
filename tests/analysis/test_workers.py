"""Work split over processes: the same results in the same order, whatever becomes of the processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from bench.analysis import workers
from bench.analysis.workers import mapped
from bench.contracts import BenchError


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> int:
    """Three processes, also where a test runner has threads of its own. The id of this one."""
    monkeypatch.setattr(workers, "processors", lambda: 3)
    monkeypatch.setattr(workers, "_may_fork", lambda: True)
    return os.getpid()


def who(item: int) -> tuple[int, int]:
    return item, os.getpid()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 30])
def test_results_come_in_the_order_of_the_items(several: int, count: int) -> None:
    base = np.arange(5.0)
    found = mapped(lambda item: base + item, list(range(count)), least=1)
    assert [values.tolist() for values in found] == [(base + item).tolist() for item in range(count)]


def test_every_process_has_a_share_and_this_one_too(several: int) -> None:
    found = mapped(who, range(9), least=1)
    assert len({process for _, process in found}) == 3
    assert found[0][1] == several


@pytest.mark.parametrize(("items", "least"), [(9, 5), (1, 1), (9, 100)])
def test_few_items_stay_in_this_process(several: int, items: int, least: int) -> None:
    assert mapped(who, range(items), least) == [(item, several) for item in range(items)]


def test_no_process_is_copied_that_has_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "processors", lambda: 3)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert {process for _, process in mapped(who, range(9), least=1)} == {os.getpid()}
    finally:
        done.set()
        thread.join()


def test_an_error_is_raised_as_if_there_were_one_process(several: int) -> None:
    def refused(item: int) -> int:
        if item == 4:
            raise BenchError(f"item {item} is refused", code="refused")
        return item

    with pytest.raises(BenchError) as error:
        mapped(refused, range(9), least=1)
    assert error.value.code == "refused"
    assert str(error.value) == "item 4 is refused"


def test_the_share_of_a_process_that_dies_is_done_here(several: int) -> None:
    def dies(item: int) -> int:
        if os.getpid() != several and item == 5:
            os._exit(0)
        return 2 * item

    assert mapped(dies, range(9), least=1) == [2 * item for item in range(9)]


def test_what_cannot_be_sent_is_made_here(several: int) -> None:
    found = mapped(lambda item: lambda: item, range(6), least=1)
    assert [each() for each in found] == list(range(6))


def test_a_process_that_hangs_is_given_up(several: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.01)

    def hangs(item: int) -> int:
        if os.getpid() != several:
            time.sleep(600)
        return item

    assert mapped(hangs, range(6), least=1) == list(range(6))


def test_an_interruption_ends_the_other_processes(several: int) -> None:
    def interrupted(item: int) -> int:
        if os.getpid() == several:
            raise KeyboardInterrupt
        time.sleep(600)
        return item

    with pytest.raises(KeyboardInterrupt):
        mapped(interrupted, range(6), least=1)

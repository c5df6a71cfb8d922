"""Work split over processes: the same results in the same order, whatever becomes of the processes."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

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


def blas_threads(_: int) -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.mark.parametrize("items", [1, 9])
def test_blas_has_one_thread_in_every_process(several: int, items: int) -> None:
    """Also where one process does all, so that the last bits are the same."""
    with threadpool_limits(3, user_api="blas"):
        found = mapped(blas_threads, range(items), least=1)
        assert {count for counts in found for count in counts} == {1}
        assert set(blas_threads(0)) == {3}


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


@pytest.mark.parametrize(
    ("said", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("", 8), (None, 8)],
)
def test_a_container_s_share_of_time_limits_the_processes(
    said: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(workers, "CPU_MAX", tmp_path / "cpu.max")
    if said is not None:
        (tmp_path / "cpu.max").write_text(said)
    assert workers.processors() == expected


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


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_no_more_processes_are_allowed_their_shares_are_done_here(
    several: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, asked = ForkProcess.start, 0

    def limited(process: ForkProcess) -> None:
        nonlocal asked
        asked += 1
        if asked > allowed:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        start(process)

    monkeypatch.setattr(ForkProcess, "start", limited)
    open_before = _descriptors()
    found = mapped(who, range(9), least=1)
    assert [item for item, _ in found] == list(range(9))
    assert len({process for _, process in found}) == 1 + allowed
    assert asked == allowed + 1
    assert _descriptors() == open_before


def _descriptors() -> int:
    gc.collect()  # what other tests have left
    return len(os.listdir("/dev/fd"))


def test_an_interruption_while_processes_start_ends_those_that_have(
    several: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`none_left` looks for the processes."""
    start = ForkProcess.start

    def interrupted(process: ForkProcess) -> None:
        start(process)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ForkProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mapped(lambda item: time.sleep(0 if os.getpid() == several else 600), range(6), least=1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


SENT_TO_NOBODY = """
import os, time
from bench.analysis import workers

workers.processors = lambda: 3
{change}
here = os.getpid()

def work(item):
    if os.getpid() == here:
        time.sleep(600)
    os.write(1, b"does a share\\n")
    return bytes(1_000_000)

workers.mapped(work, range(3), least=1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one process")
@pytest.mark.parametrize("change", ["", "workers._end_with = lambda parent: None"], ids=["system", "pipe"])
def test_processes_end_with_a_parent_that_is_killed(change: str) -> None:
    """By the system; without that, because nobody is left who could read what they send."""
    program = SENT_TO_NOBODY.format(change=change)
    parent = subprocess.Popen([sys.executable, "-P", "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        for _ in range(2):
            assert parent.stdout.readline() == "does a share\n"
        time.sleep(0.3)  # both now wait for a reader
    finally:
        parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # its end: no process holds the stream any more


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one process")
def test_a_program_of_one_thread_has_the_work_done_by_several_processes() -> None:
    program = (
        "import os; from bench.analysis import workers; workers.processors = lambda: 2; "
        "print(*workers.mapped(lambda item: os.getpid(), range(4), least=1))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    found = done.stdout.split()
    assert found == 2 * found[:2]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("items", "least", "processes"), [(6, 3, 2), (5, 3, 1), (2, 1, 2), (9, 3, 3), (12, 3, 3), (6, 0, 3)]
)
def test_a_process_has_its_least_share_of_the_items(
    several: int, items: int, least: int, processes: int
) -> None:
    found = mapped(who, range(items), least)
    assert [item for item, _ in found] == list(range(items))
    assert len({process for _, process in found}) == processes


def test_there_are_eight_processes_at_most(several: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "processors", lambda: 20)
    assert len({process for _, process in mapped(who, range(20), least=1)}) == 8


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_without_affinity_all_processors_count(
    count: int | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CPU_MAX", tmp_path / "none")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert workers.processors() == expected


def test_a_copy_is_safe_on_linux_alone_and_not_in_a_process_that_ends_with_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(threading, "current_thread", threading.main_thread)
    assert workers._may_fork() == (sys.platform == "linux")
    monkeypatch.setattr(sys, "platform", "linux")
    assert workers._may_fork()
    with monkeypatch.context() as patch:
        patch.setattr(multiprocessing, "current_process", lambda: SimpleNamespace(daemon=True))
        assert not workers._may_fork()
    monkeypatch.setattr(threading, "current_thread", lambda: None)
    assert not workers._may_fork()
    monkeypatch.setattr(threading, "current_thread", threading.main_thread)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not workers._may_fork()

"""Speeds, serving, clocks and memory on scripted clocks and machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from bench.engine import memory, prefix, serving, speeds
from bench.engine.activation_store import ActivationStore
from bench.engine.laps import Laps
from bench.engine.machine import Device, free_memory, total_memory
from bench.engine.memory import Budget, Memory, Share, cache_budget, is_out_of_memory
from bench.engine.prefix import Stopwatch
from bench.engine.serving import Timer, _parts, _served
from bench.engine.speeds import Speeds

CPU = Device(torch.device("cpu"), torch.float32)


# --------------------------------------------------------------------------------------------------
# Speeds and serving


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests share (tests/conftest.py) is measured here."""
    for name in ("_time_gemm", "_time_attention"):
        measure = getattr(Speeds, name)
        monkeypatch.setattr(Speeds, name, getattr(measure, "__wrapped__", measure))


@pytest.mark.usefixtures("measuring")
def test_the_rate_is_the_operations_of_the_fastest_product_over_its_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speeds, "_seconds", lambda self, action: [3.0, 0.5, 1.0])
    found = Speeds(CPU, tmp_path)
    assert found.gemm() == 2 * 1024**3 / 0.5
    assert found._time_attention("plain", 32) == 1.0


def test_attention_is_the_faster_one_at_the_next_known_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def timed(self: Speeds, name: str, length: int) -> float:
        asked.append((name, length))
        return float((name == "plain") == (length > 64))

    monkeypatch.setattr(Speeds, "_time_attention", timed)
    found = Speeds(CPU, tmp_path)
    assert [found.attention(length) for length in (1, 32, 33, 64.5, 512, 900)] == ["plain"] * 3 + ["sdpa"] * 3
    assert asked == [(name, length) for length in (32, 64, 128, 512) for name in ("plain", "sdpa")]


def test_every_pass_but_the_first_is_timed(tmp_path: Path) -> None:
    class Slow(Device):
        now = 0.0

        def clock(self) -> float:
            return Slow.now

    taken = iter([90.0, *range(1, 10)])

    def action() -> None:
        Slow.now += next(taken)

    assert Speeds(Slow(torch.device("cpu"), torch.float32), tmp_path)._seconds(action) == list(range(1, 10))
    assert speeds.REPEATS == 9


def test_whole_batches_alone_are_served() -> None:
    order = np.arange(10)
    assert [[part.tolist() for part in _parts(order, size)] for size in (4, 5, 8, 10, 11)] == [
        [[0, 1, 2, 3], [4, 5, 6, 7]],
        [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]],
        [list(range(8))],
        [list(range(10))],
        [],
    ]


def test_latency_and_rates_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """130 sequences of 65 texts, so many batches of each size: 16 of 8, 4 of 32, 1 of 128."""
    times = {
        130: np.array([0.01, 0.02, 0.03, 0.04]),
        16: np.full(3, 0.04),
        4: np.full(2, 0.1),
        1: np.full(1, 0.5),
    }
    monkeypatch.setattr(Timer, "times", lambda self, work, most: times[most])
    model: Any = None
    found = _served(model, model, np.arange(130), 2.0, Timer(CPU))
    assert (found.p50, found.p95, found.single, found.best) == pytest.approx((2 * 0.025, 2 * 0.0385, 20, 160))
    assert found.batch == 32
    slow = {**times, 16: np.full(3, 0.4), 4: np.full(2, 1.0), 1: np.full(1, 4.0)}
    monkeypatch.setattr(Timer, "times", lambda self, work, most: slow[most])
    assert _served(model, model, np.arange(130), 1.0, Timer(CPU)).batch == 1


@pytest.mark.parametrize(("most", "passes", "expected"), [(3, 10, 3), (30, 10, 10)])
def test_fast_passes_are_as_many_as_there_may_be(most: int, passes: int, expected: int) -> None:
    class Still:
        def clock(self) -> float:
            return 0.0

    numbers: list[int] = []
    timer = Timer(Still(), passes=passes)  # type: ignore[arg-type]
    assert len(timer.times(numbers.append, most)) == expected
    assert numbers == [0, *range(expected)]
    assert (serving.PASSES, serving.LEAST, serving.SECONDS) == (200, 5, 0.5)


# --------------------------------------------------------------------------------------------------
# Clocks and memory


@dataclass(frozen=True)
class Scripted(Device):
    """A device whose clock shows these seconds, one at each look."""

    shown: Iterator[float] = field(default_factory=lambda: iter(()))

    def clock(self) -> float:
        return next(self.shown)


def scripted(*seconds: float) -> Scripted:
    return Scripted(torch.device("cpu"), torch.float32, shown=iter(seconds))


def test_a_stopwatch_adds_its_blocks_and_counts_compiling_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = iter([1.0, 1.0, 1.0, 3.0])
    monkeypatch.setattr(prefix, "compile_seconds", lambda: next(compiled))
    watch = Stopwatch(scripted(10, 15, 20, 28))
    for _ in range(2):
        with watch:
            pass
    assert (watch.seconds, watch.compiling) == (5 + 8 - 2, 2)


def test_the_parts_of_a_pass_add_up() -> None:
    laps = Laps(scripted(0, 1, 3, 10, 14, 22))
    for _ in range(2):
        laps.begin()
        laps.end(2)
        laps.end(5)
    assert laps.seconds() == {2: 1 + 4, 5: 2 + 8}


def test_memory_is_what_the_system_says() -> None:
    assert total_memory() == psutil.virtual_memory().total
    assert 0 < free_memory() <= total_memory()
    CPU.reset_peak_memory()
    before = CPU.peak_memory()
    held = np.ones(60 * 2**20, np.uint8)
    assert 40 * 2**20 < CPU.peak_memory() - before < 200 * 2**20
    assert len(held)
    assert before % 1024 == 0


def test_a_deterministic_run_gives_each_part_its_share_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "is_deterministic", lambda: True)
    monkeypatch.setattr(memory, "total_memory", lambda: 1000)
    budget = cache_budget(Memory(), CPU, 3, tmp_path)
    assert [budget.place(size) for size in (100, 100, 101, 0)] == ["memory", "memory", None, "memory"]
    assert cache_budget(Memory(tiers=("memory", "file"), given_up=1), CPU, 3, tmp_path).place(1) is None


def test_other_runs_share_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2000))
    budget = cache_budget(Memory(), CPU, 3, tmp_path)
    assert [budget.place(size) for size in (200, 101, 100, 500, 0)] == [
        "memory",
        "file",
        "memory",
        None,
        "memory",
    ]
    budget.release("memory", 200)
    assert budget.place(200) == "memory"
    assert budget.place(1) == "file"


def test_a_share_gives_back_what_its_parts_took() -> None:
    budget = Budget({"memory": 10})
    share = Share(budget)
    assert [share.place(("train", block), 5) for block in (1, 2, 3)] == ["memory", "memory", None]
    share.release(("train", 3))
    assert budget.place(1) is None
    share.release(("train", 1))
    share.release(("train", 1))
    assert [budget.place(5), budget.place(1)] == ["memory", None]
    budget.release("memory", 5)
    del share
    assert budget.place(10) == "memory"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Memory(8, 8, ("memory", "file")), ()),
        (Memory(8, 4, ("memory", "file")), ("micro-batch 4 of 8, accumulated, for lack of memory",)),
        (Memory(8, 8, ("device", "memory", "file"), 1), ("prefix cache in main memory, for lack of memory",)),
        (Memory(8, 8, ("memory", "file"), 1), ("prefix cache in a memory-mapped file, for lack of memory",)),
        (Memory(8, 8, ("memory", "file"), 2), ("prefix cache given up, for lack of memory",)),
    ],
)
def test_what_is_given_up_is_said(given: Memory, said: tuple[str, ...]) -> None:
    assert given.adaptations == said


def test_other_errors_are_no_lack_of_memory() -> None:
    assert is_out_of_memory(RuntimeError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("not enough memory: you tried to allocate"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(("limit", "kept"), [(40, True), (39, False)])
def test_a_tensor_as_large_as_the_store_is_kept(limit: int, kept: bool, tmp_path: Path) -> None:
    store = ActivationStore(tmp_path, limit)
    store.save("a", torch.ones(10), 2.5)
    found = store.load("a")
    assert (found is not None) is kept
    if found is not None:
        assert (found[0].tolist(), found[1]) == ([1.0] * 10, 2.5)

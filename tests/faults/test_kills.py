"""SIGKILL to the worker and to the parent, and Ctrl-C, at random moments of a grid, then the same command again.

No finished record is lost, none is damaged, and the final scores and predictions are those of an undisturbed run,
to the bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.runs.folder import Store
from bench.runs.integrity import verify
from tests.support.made_runs import MOMENTS, ToySuite, results
from tests.support.nasty import FOLDER

FAST = 3  # moments in `make test`
VICTIMS = ("parent", "worker", "ctrl-c")
LATEST = 8.0  # seconds into a launch, where none was timed


def worker_of(parent: subprocess.Popen[str]) -> int | None:
    """The id of the parent's worker process, or None before it has one."""
    try:
        children = psutil.Process(parent.pid).children()
    except psutil.NoSuchProcess:
        return None
    found = [child.pid for child in children if "bench.executors.worker" in " ".join(child.cmdline())]
    return found[0] if found else None


def has_torch(process: subprocess.Popen[str]) -> bool:
    """Whether torch's library is mapped into a process; False once it has ended."""
    with suppress(psutil.Error):
        return any("libtorch" in part.path for part in psutil.Process(process.pid).memory_maps())
    return False


def gone(pid: int | None) -> bool:
    """Whether a process has ended (within a few seconds)."""
    for _ in range(100):
        if pid is None or not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def disturb(process: subprocess.Popen[str], moment: float, victim: str) -> tuple[int | None, bool]:
    """Strike once there is a worker and `moment` seconds have passed; the worker's id, and whether the run had not
    ended by itself."""
    worker = None
    while process.poll() is None and worker is None:
        worker = worker_of(process)
        time.sleep(0.05)
    assert not has_torch(process), "the parent has loaded torch"
    until = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll() is not None:
        return worker, False
    if victim == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    else:
        target = process.pid if victim == "parent" else worker_of(process)
        if target is not None:
            os.kill(target, signal.SIGKILL)
    return worker, True


def spread(rng: random.Random, count: int, until: float) -> list[float]:
    """Random moments, one in each of `count` equal parts of the time, in random order."""
    moments = [until * (number + rng.random()) / count for number in range(count)]
    rng.shuffle(moments)
    return moments


def test_a_grid_that_is_killed_at_random_moments_gives_what_an_undisturbed_one_gives(
    grid: ToySuite, undisturbed: dict[str, tuple[Any, str]], tmp_path: Path
) -> None:
    """Parent, worker and Ctrl-C take turns; a grid that gets finished in between starts over in a new folder, and a
    moment after its end is drawn again."""
    rng = random.Random(20260101)
    latest = LATEST
    if MOMENTS:
        began = time.monotonic()
        assert grid.finish(tmp_path / "whole").returncode == 0
        latest = time.monotonic() - began
    moments = spread(rng, MOMENTS or FAST, latest)
    run, number, struck = tmp_path / "run0", 0, 0
    while moments:
        before = results(run) if run.exists() else {}
        began = time.monotonic()
        process = grid.start(run)
        worker, hit = disturb(process, moments[-1], VICTIMS[struck % len(VICTIMS)])
        _, shown = process.communicate(timeout=300)
        if hit:
            moments.pop()
            struck += 1
        else:
            took = time.monotonic() - began
            if not before and took < latest:  # the machine is less busy than when the time was taken
                moments = [moment * took / latest for moment in moments]
                latest = took
            moments[-1] = rng.uniform(0, latest)
        assert gone(worker), "the worker outlived its parent"
        assert "Traceback" not in shown
        if process.returncode == 130:
            assert "stopped; finished cells are kept" in shown
        after = results(run) if run.exists() else {}  # raises where a file is damaged
        assert {cell: after[cell] for cell in before} == before
        assert after == {cell: undisturbed[cell] for cell in after}
        if len(after) == len(undisturbed):
            run, number = tmp_path / f"run{number + 1}", number + 1
    done = grid.finish(run)
    assert done.returncode == 0, done.stderr
    assert results(run) == undisturbed
    assert verify(Store(run)).damaged == {}


@pytest.mark.skipif(not MOMENTS, reason="part of `make faults`")
def test_four_concurrent_runs_on_one_folder_run_each_cell_once(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`counts` leaves a line each time it is run, in whichever process; every run sees all cells finished."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("counts", "frozen"), seeds=12)
    run = tmp_path / "run"
    processes = [suite.start(run) for _ in range(4)]
    shown = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], shown
    assert len(results(run)) == 24
    lines = (tmp_path / "counts").read_text().split()
    assert len(lines) == 12
    assert len(set(lines)) > 1, "one process did everything: nothing was shown"


@pytest.mark.skipif(not MOMENTS, reason="part of `make faults`")
def test_deterministic_predictions_are_the_same_bits_whatever_the_executor_and_resumed(
    grid: ToySuite, tmp_path: Path
) -> None:
    """Inline in one go, and in workers of which the first is killed on the way."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert grid.finish(whole, "--deterministic", "--executor", "inline").returncode == 0
    process = grid.start(resumed, "--deterministic")
    while process.poll() is None and not list((resumed / "records").rglob("*.json")):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert 0 < len(results(resumed)) < 12
    assert grid.finish(resumed, "--deterministic").returncode == 0
    assert results(resumed) == results(whole)
    notes = {record.adaptations for record in Store(whole).records()}
    assert notes == {("deterministic kernels",)}

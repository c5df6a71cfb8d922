"""The process executor, on one run of cells that crash, hang, are killed, lack memory, raise, diverge and work."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from bench import suite as suites
from bench.cli.display import Display
from bench.data.sources import Sources
from bench.executors import process
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.record import Record
from tests.support.made_runs import MOMENTS, NASTY, TOYS, ToySuite, results
from tests.support.nasty import FOLDER, GROUP

EXPECTED = {
    "frozen": "done",
    "killed-once": "done",
    "allocates": "oom",
    "raises": "failed",
    "exits": "failed",
    "diverges": "diverged",
    "full": "done",
}
LONG = {
    "crashes": "killed",
    "vanishes": "killed",
    "hangs": "timeout",
}  # each costs a start of a worker, or the time-out
long = pytest.mark.skipif(not MOMENTS, reason="part of `make faults`")


class Survived(NamedTuple):
    run: Path
    status: int
    stdout: str
    stderr: str

    def record(self, strategy: str) -> Record:
        found = [r for r in Store(self.run).records() if r.cell.strategy == strategy]
        return found[0]


@pytest.fixture(scope="module")
def survived(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """The grid of every nasty strategy between two good ones, run once."""
    folder = tmp_path_factory.mktemp("nasty")
    suite = ToySuite.write(folder / "nasty.toml", tiny_encoder, [*(LONG if MOMENTS else ()), *EXPECTED])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        done = suite.finish_warm(folder / "run", "--timeout", "30")
    return Survived(folder / "run", done.returncode, done.stdout, done.stderr)


def test_every_cell_has_a_record_and_the_run_says_no(survived: Survived) -> None:
    statuses = {r.cell.strategy: r.status for r in Store(survived.run).records()}
    assert statuses == {**(LONG if MOMENTS else {}), **EXPECTED}, survived.stderr
    assert survived.status == 1


def test_a_plug_in_that_exits_has_failed_and_says_so(survived: Survived) -> None:
    assert "SystemExit: 0 (nasty.py:" in survived.record("exits").reason


@long
def test_a_worker_that_ends_without_a_word_is_not_taken_for_done(survived: Survived) -> None:
    assert "the worker ended with exit status 0, 2 times" in survived.record("vanishes").reason


@long
def test_a_crash_says_which_signal_and_quotes_its_log(survived: Survived) -> None:
    reason = survived.record("crashes").reason
    assert "the worker was ended by SIGSEGV, 2 times" in reason
    assert "last lines of logs/toy-sentiment/crashes/" in reason


@long
def test_the_log_of_a_crash_holds_what_was_printed_and_the_stack(survived: Survived) -> None:
    text = Store(survived.run).log_path(survived.record("crashes").cell.id).read_text()
    assert "about to crash" in text
    assert "Segmentation fault" in text
    assert "nasty.py" in text


def test_a_killed_worker_gets_a_second_attempt_that_the_record_shows(survived: Survived) -> None:
    assert survived.record("killed-once").adaptations == (
        "second attempt, after the worker was ended by SIGKILL",
    )


@long
def test_a_hanging_cell_says_its_limit(survived: Survived) -> None:
    reason = survived.record("hangs").reason
    assert reason.startswith("it took longer than 30 s; last lines of logs/")
    assert reason.endswith("waiting for nothing")


def test_a_cell_that_cannot_get_memory_says_what_was_tried(survived: Survived) -> None:
    record = survived.record("allocates")
    assert record.reason.startswith("out of memory")
    assert record.adaptations == (
        "micro-batch 1 of 8, accumulated, for lack of memory",
        "prefix cache given up, for lack of memory",
    )


def test_a_failed_cell_names_the_file_with_its_traceback(survived: Survived) -> None:
    record = survived.record("raises")
    log = record.reason.split("traceback in ")[1].rstrip(")")
    assert "RuntimeError: no such layer" in record.reason
    assert "Traceback" in (survived.run / log).read_text()


def test_divergence_names_its_step(survived: Survived) -> None:
    assert " at step " in survived.record("diverges").reason


def test_the_table_is_printed_all_the_same_and_then_what_failed(survived: Survived) -> None:
    assert "Transfer strategies" in survived.stdout
    assert "cells did not finish" in survived.stderr


def test_terminal_escapes_in_a_reason_do_not_reach_the_terminal(survived: Survived) -> None:
    assert "no such layer: [bold]" in survived.stderr
    assert "\x1b" not in survived.stderr + survived.stdout


def test_results_are_those_of_the_inline_executor(
    survived: Survived, undisturbed: dict[str, tuple[Any, str]]
) -> None:
    """Also after crashes between the cells, and without a shared prefix where a worker was restarted."""
    good = {
        cell: found
        for cell, found in results(survived.run).items()
        if cell.split("/")[1] in ("frozen", "full")
    }
    assert len(good) == 2
    assert good == {cell: undisturbed[cell] for cell in good}


def test_nothing_is_left_running_or_claimed(survived: Survived) -> None:
    assert list(Store(survived.run).running()) == []
    assert not [path for path in (survived.run / "claims").rglob("*") if path.is_file()]


def test_the_parent_imports_no_torch(tiny_encoder: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "import bench.cli.app, bench.executors.launch, bench.cli.display\n"
        "from bench.analysis.tables import formats, terminal\n"
        "from bench.registry import discover\nfrom bench.data.sources import Sources\n"
        "from bench.models.catalog import depth\n"
        "discover([Path('tests/support/toy_tasks.py')])\n"
        f"assert depth({str(tiny_encoder)!r}, Sources()) == 4\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@long
def test_a_worker_that_the_kernel_kills_for_memory_is_oom_and_not_tried_again(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is really killed; that the kernel counts it as an out-of-memory kill is simulated."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(process, "oom_kills", itertools.count().__next__)
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("killed-once",))
    plugins = discover([TOYS, NASTY])
    cells = suites.cells(suites.load(str(suite.path)), plugins)
    options = Options(device="cpu", threads=1, plugin_files=(TOYS, NASTY))
    display = Display(Console(file=io.StringIO()))
    [record] = launch(
        cells, Registry(plugins, Sources(cache=tmp_path / "cache")), tmp_path / "run", options, display
    )
    assert record.status == "oom"
    assert record.reason == "the kernel killed the worker for want of memory"
    assert record.adaptations == ()


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group that may hold 256 MiB; skips the test where this user may not make one."""
    root = Path("/sys/fs/cgroup")
    old = root / "memory"
    group = (old if old.is_dir() else root) / f"transferbench-{os.getpid()}"
    limits = {"memory.limit_in_bytes": 2**28, "memory.memsw.limit_in_bytes": 2**28}
    if not old.is_dir():
        limits = {"memory.max": 2**28, "memory.swap.max": 0}
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group: {error}")
    try:
        for name, limit in limits.items():
            if (group / name).exists():
                (group / name).write_text(str(limit))
        if not (group / next(iter(limits))).exists():
            pytest.skip("control groups here do not limit memory")
        yield group
    finally:
        for _ in range(50):
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


@long
def test_a_worker_that_allocates_until_the_kernel_kills_it_is_oom(
    little_memory: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is simulated: the kernel's out-of-memory killer ends the worker, and the next cell gets a new one."""
    monkeypatch.setenv(GROUP, str(little_memory))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("eats-all", "frozen"))
    done = suite.finish(tmp_path / "run")
    assert done.returncode == 1, done.stderr
    eaten, frozen = Store(tmp_path / "run").records()
    assert (eaten.status, frozen.status) == ("oom", "done")
    assert eaten.reason.startswith("the kernel killed the worker for want of memory")

"""How busy a machine was while a cell ran: in its record, and in a footnote where it mattered."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.analysis.groups import gather
from bench.analysis.tables.footnotes import warnings
from bench.cli.run import _warm_up
from bench.contracts import Cell, Recipe
from bench.runs import load
from bench.runs.load import BUSY, Moment, between
from bench.runs.record import Load, Machine, Record

CORES = os.cpu_count() or 1


def moment(clock: float, busy: float | None, own: float) -> Moment:
    return Moment(clock, 0.5, busy, own)


@pytest.mark.parametrize(
    ("busy", "own", "others"),
    [
        (10.0 * CORES, 10.0 * CORES, 0.0),  # the cell had the machine for itself
        (10.0 * CORES, 5.0 * CORES, 0.5),
        (3.0, 4.0, 0.0),  # ticks are coarse
        (None, 4.0, None),
    ],
)
def test_the_share_of_others_is_what_this_process_did_not_use(
    busy: float | None, own: float, others: float | None
) -> None:
    start = moment(100.0, None if busy is None else 50.0, 1.0)
    end = moment(110.0, None if busy is None else 50.0 + busy, 1.0 + own)
    assert between(start, end) == Load(start=0.5, end=0.5, others=others)


def test_a_moment_is_too_short_to_tell_what_others_took() -> None:
    """The record of the cell before it is being written then, by another process of this very run."""
    start = moment(100.0, 50.0, 1.0)
    assert between(start, moment(100.9, 51.0, 1.0)).others is None
    assert between(start, moment(101.0, 50.0, 1.0)).others == 0.0


@pytest.mark.skipif(load.now().busy is None, reason="the system does not count")
def test_another_process_is_seen_and_ones_own_work_is_not() -> None:
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        start = load.now()
        time.sleep(1.1)
        found = between(start, load.now())
    finally:
        other.kill()
        other.wait()
    assert found.others is not None
    assert found.others > 0.3 / CORES
    start = load.now()
    assert start.busy is not None
    assert between(start, start).others is None


def test_what_a_worker_computes_is_ones_own_also_when_it_has_ended() -> None:
    before = load.with_children().own
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        during, until = before, time.monotonic() + 60  # under load it may wait for its turn
        while during - before < 0.2 and time.monotonic() < until:
            time.sleep(0.05)
            during = load.with_children().own
    finally:
        worker.kill()
        worker.wait()
    assert during - before > 0.1
    assert load.with_children().own >= during - 0.05


def record(seed: int, others: float | None, warm_up: float = 0.0) -> Record:
    machine = Machine(
        device="cpu",
        dtype="float32",
        threads=1,
        processor="p",
        system="s",
        warm_up=warm_up,
        load=Load(start=0.1, end=0.2, others=others),
    )
    return Record(
        cell=Cell("s", "t", "full", "tiny", seed, Recipe()),
        fingerprint="f",
        status="done",
        machine=machine,
        started=f"2026-01-0{seed + 1}T00:00:00+00:00",
    )


def test_a_footnote_names_the_cells_that_others_disturbed() -> None:
    quiet, busy, unknown = record(0, BUSY), record(1, 0.6), record(2, None)
    notes = [note for note in warnings(gather([quiet, busy, unknown])) if note.startswith("Busy")]
    assert len(notes) == 1
    assert "t/full/tiny/seed1)" in notes[0]
    assert "60%" in notes[0]
    assert not any(note.startswith("Busy") for note in warnings(gather([quiet, unknown])))


def test_a_run_tells_the_warm_up_of_its_own_cells() -> None:
    records = [record(0, 0.0, 7.0), record(1, 0.0, 3.0), record(2, 0.0, 0.25)]
    assert _warm_up(records, begun="2026-01-02T00:00:00+00:00") == 3.25

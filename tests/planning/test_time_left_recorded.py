"""The time left of a run as it happened: 66 cells of suite `quick` in fp32 on two cores that nothing else used.

The machine is slow at matrix products, unlike that of the committed baseline. The run begins with twelve cells of
word vectors that take next to nothing."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from bench.cli import display
from bench.cli.display import Display
from bench.models.catalog import kind_of
from bench.planning.estimates import Estimator
from bench.planning.progress import remaining_seconds
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from tests.support.recorded_runs import load

RUN = load("quick-fp32-2-cores")
WORKLOAD = Workload(Registry(discover()))
TOLD = re.compile(r"about (?:(\d+) h )?(\d+) (s|min) left")
ROUNDED = {"s": 0.5, "min": 30.0}
"""Seconds by which what is printed may differ from what was estimated, by its unit."""


def estimator(assumed: float) -> Estimator:
    return Estimator(WORKLOAD.operations, assumed, WORKLOAD.prefix)


def printed(monkeypatch: pytest.MonkeyPatch, assumed: float) -> list[tuple[float, float]]:
    """The seconds left that the screen showed after each cell but the last, and those lost in rounding."""
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    monkeypatch.setattr(display, "load_per_core", lambda: 0.0)
    output = io.StringIO()
    screen = Display(Console(file=output, width=10_000))
    screen.begin([item.record.cell for item in RUN], [], estimator(assumed))
    screen.say("waiting for the worker process to import torch ...")
    for item in RUN:
        now = item.start
        screen.cell_started(item.record.cell)
        now = item.end
        screen.cell_done(item.record)
    lines = [line for line in output.getvalue().splitlines() if " cold" in line]
    assert len(lines) == len(RUN)
    return [seconds(line) for line in lines[:-1]]


def seconds(line: str) -> tuple[float, float]:
    found = TOLD.search(line)
    assert found, line
    hours, number, unit = found.groups()
    told = 3600.0 * int(hours or 0) + int(number) * (60.0 if unit == "min" else 1.0)
    return told, ROUNDED[unit]


@pytest.mark.parametrize("assumed", [3e10, 1e11, 4e11])
def test_the_screen_is_within_two_after_the_first_cell_and_1_3_after_a_third(
    monkeypatch: pytest.MonkeyPatch, assumed: float
) -> None:
    """Whatever was assumed of the machine before anything had run."""
    left = [RUN[-1].end - item.end for item in RUN[:-1]]
    third = -(-len(RUN) // 3)
    for number, ((told, rounded), true) in enumerate(
        zip(printed(monkeypatch, assumed), left, strict=True), 1
    ):
        factor = 1.3 if number >= third else 2.0
        assert true / factor - rounded <= told <= true * factor + rounded, f"after {number} cells"


def test_tiny_cells_move_the_estimate_by_what_they_stand_for() -> None:
    """Word vectors take a thousandth of the run; once the rate of the machine is known they change next to
    nothing."""
    vectors = [item for item in RUN if kind_of(item.record.cell.backbone) == "vectors"]
    others = [item.record.cell for item in RUN if item not in vectors]
    model = estimator(1e11)
    told = []
    for item in vectors:
        model.observe(item.record, item.wall, item.first)
        told.append(model.total(others))
    assert len(told) == 12
    assert max(told) < 1.02 * min(told)


def test_what_a_group_prepares_once_is_not_extrapolated() -> None:
    """A first cell that waits a minute for its rows and weights says nothing of the seconds of other cells."""
    first = next(item for item in RUN if item.record.cell.backbone == "minilm")
    quick, slow = estimator(1e11), estimator(1e11)
    quick.observe(first.record, first.wall, first=True)
    slow.observe(first.record, first.wall + 60, first=True)
    for item in RUN:
        assert quick.cell(item.record.cell) == slow.cell(item.record.cell)


def test_a_status_says_nothing_of_encoders_after_word_vectors_alone() -> None:
    records = [item.record for item in RUN if item.record.cell.backbone == "glove"]
    missing = [item.record.cell.id for item in RUN if item.record.cell.backbone == "minilm"]
    assert remaining_seconds(missing, records) is None
    more = [*records, *(item.record for item in RUN[12:16])]
    assert remaining_seconds(missing, more) is not None


def test_the_recorded_run_is_whole() -> None:
    assert len(RUN) == 66
    assert all(0 < item.wall < 120 for item in RUN if item.first or item.record.cell.strategy != "frozen")
    assert sum(item.first for item in RUN) == 8

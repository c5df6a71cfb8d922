"""The time left of recorded runs, told as it would have been while they ran.

The seconds are real: those of the committed baseline. What is told is compared with what then remained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.contracts import Cell
from bench.executors.groups import Groups
from bench.planning.estimates import Estimator
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.runs.record import Record, record_of

BASELINE = Path(__file__).parents[2] / "tests" / "fixtures" / "quick-amx.jsonl"
REGISTRY = Registry(discover())
WORKLOAD = Workload(REGISTRY)
ASSUMED = (
    5e10  # operations a second that a plan assumes before anything has run: a tenth of what is true there
)


def recorded() -> dict[str, Record]:
    """The records of the baseline, with the rate of their machine, as a worker measures it."""
    lines = BASELINE.read_text(encoding="utf-8").splitlines()
    records = [record_of(json.loads(line)["record"], "baseline") for line in lines]
    learnt = (r for r in records if r.utilisation and not r.seconds.prefix)
    rate = max(r.flops / r.utilisation / r.seconds.train for r in learnt)
    machines = [r.machine.model_copy(update={"rate": rate}) for r in records if r.machine]
    changed = (
        r.model_copy(update={"machine": machine}) for r, machine in zip(records, machines, strict=True)
    )
    return {record.cell.id: record for record in changed}


RECORDS = recorded()


def jobs(tasks: Sequence[str], backbones: Sequence[str]) -> list[list[Cell]]:
    """The cells in the order in which one worker runs them; those that train together in one list."""
    cells = [r.cell for r in RECORDS.values() if r.cell.task in tasks and r.cell.backbone in backbones]
    groups = Groups(cells, {cell.id for cell in cells if REGISTRY.trains_together(cell)})
    found: list[list[Cell]] = []
    while (key := groups.choose(found[-1][0].group_key if found else None)) is not None:
        found.append(groups.pop_together(key))
    return found


def walls(order: Sequence[Sequence[Cell]]) -> list[tuple[Record, float, bool]]:
    """Each cell's record, the seconds that it took there, and whether it was the first of its group.

    The first cell of a group pays for preparing, the first seed for the prefix, and the first of those that train
    together for training."""
    found: list[tuple[Record, float, bool]] = []
    groups: set[object] = set()
    strategies: set[object] = set()
    for job in order:
        for number, cell in enumerate(job):
            took, key = RECORDS[cell.id].seconds, (cell.task, cell.backbone)
            wall = took.evaluate + (0.0 if number else took.train)
            wall += 0.0 if (key, cell.strategy) in strategies else took.prefix
            wall += 0.0 if key in groups else took.prepare
            found.append((RECORDS[cell.id], wall, key not in groups))
            groups.add(key)
            strategies.add((key, cell.strategy))
    return found


def told(order: Sequence[Sequence[Cell]], factor: float) -> list[float]:
    """After each cell, the time left that is told, as a multiple of what then remained. factor: by how much the
    measured rate of the machine is wrong."""
    ran = walls(order)
    estimator = Estimator(WORKLOAD.operations, ASSUMED, WORKLOAD.prefix)
    begun: set[tuple[str, str]] = set()
    ratios = []
    for number, (record, wall, first) in enumerate(ran[:-1], 1):
        assert record.machine is not None
        machine = record.machine.model_copy(update={"rate": record.machine.rate * factor})
        begun.add((record.cell.task, record.cell.backbone))
        estimator.observe(record.model_copy(update={"machine": machine}), wall, first)
        remaining = sum(seconds for _, seconds, _ in ran[number:])
        ratios.append(estimator.total((later.cell for later, _, _ in ran[number:]), begun) / remaining)
    return ratios


ALL = ("movie-sentiment", "reuters-r8", "financial-ner", "squad")
RUNS = {
    "the whole suite": (ALL, ("glove", "minilm")),
    "one encoder": (ALL, ("minilm",)),
    "short texts": (("movie-sentiment",), ("minilm",)),
    "topics": (("reuters-r8",), ("minilm",)),
    "entities": (("financial-ner",), ("minilm",)),
    "questions": (("squad",), ("minilm",)),
    "two tasks": (("financial-ner", "squad"), ("minilm",)),
}


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("run", RUNS)
def test_the_time_left_is_within_two_after_the_first_cell_and_1_3_after_a_third(
    run: str, factor: float
) -> None:
    order = jobs(*RUNS[run])
    ratios = told(order, factor)
    off = [max(ratio, 1 / ratio) for ratio in ratios]
    third = -(-(len(ratios) + 1) // 3)
    assert max(off[:third]) < 2
    assert max(off[third - 1 :]) < 1.3


def test_word_vectors_say_nothing_about_an_encoder() -> None:
    estimator = Estimator(WORKLOAD.operations, 1e11, WORKLOAD.prefix)
    cell = next(r.cell for r in RECORDS.values() if r.cell.backbone == "minilm")
    before = estimator.cell(cell)
    estimator.learn(
        r.model_copy(update={"machine": None}) for r in RECORDS.values() if r.cell.backbone == "glove"
    )
    assert estimator.cell(cell) == before


def test_the_measured_rate_of_the_machine_replaces_the_assumed_one() -> None:
    estimator = Estimator(WORKLOAD.operations, 1.0, WORKLOAD.prefix)
    full = RECORDS["squad/full/minilm/seed0"]
    glove = RECORDS["squad/frozen/glove/seed0"]
    estimator.observe(glove, 1.0, True)
    assert full.seconds.cold / 2 < estimator.cell(full.cell).seconds < full.seconds.cold * 2

"""From a task to the findings: the contest, the choice, and one look at the test rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.resampling import Source, resample
from bench.contracts import Cell
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.recommend.evidence import Standing, growth, standing
from bench.recommend.page import Findings
from bench.recommend.successive_halving import FEW, SEEDS, Contest, measured, race, sizes_for
from bench.recommend.views import Selection
from bench.registry import Registry
from bench.runs.folder import Store
from bench.runs.listeners import Screen

STRATEGIES = ("frozen", "top-layers", "lp-ft", "lora", "gradual", "full")
"""What is compared by default, cheapest first: all that can be exported."""


@dataclass(frozen=True)
class Terms:
    """What was asked: strategies (cheapest first), backbone, goal, seconds, and the command line."""

    strategies: tuple[str, ...]
    backbone: str
    goal: str
    budget: float
    command: str


def answer(cell: Cell, terms: Terms, registry: Registry, where: tuple[Path, Options, Screen]) -> Findings:
    """Compare the strategies on the task of `cell` with its recipe, choose, and score the choice once on the
    test rows.

    where: the run folder, how to run, and the screen for progress. Raises BenchError."""
    folder, options, screen = where
    began = time.monotonic()
    view = Selection(cell.task).name
    splits = registry.task(view).splits(registry.sources)
    labels = registry.task(view).labels(splits.train)
    contest = Contest(cell.task, view, terms.strategies, terms.backbone, cell.recipe, terms.budget, folder)
    sizes = sizes_for(len(splits.train), len(labels))
    outcome = race(contest, sizes, registry, options, screen)
    run = measured(contest, outcome.sizes, registry)
    last = _last_full(run, view, outcome.sizes, min(2, len(terms.strategies)))
    choice = last.choice(terms.goal)
    left = terms.budget - (time.monotonic() - began)
    final = None
    if not last.degenerate:
        chosen = replace(cell, strategy=choice)
        final = _final(chosen, last, left, registry, where)
    return Findings(
        task=cell.task,
        goal=terms.goal,
        choice=choice,
        round=last,
        outcome=replace(outcome, seconds=time.monotonic() - began),
        growth=growth(run, view, outcome.sizes, choice, terms.backbone),
        final=final,
        test_rows=len(registry.task(cell.task).splits(registry.sources).test),
        command=terms.command,
        folder=str(folder),
        strategies=terms.strategies,
        measured=frozenset(record.cell.strategy for record in run.records if record.status == "done"),
        ended=frozenset(record.cell.strategy for record in run.records),
        all_strategies=tuple(registry.plugins.strategies),
        backbone=terms.backbone,
    )


def _last_full(run: Run, view: str, sizes: Sequence[int], least: int) -> Standing:
    """The standing at the largest size at which `least` strategies have FEW seeds, else that of the first round."""
    for size in reversed(sizes):
        task = f"{view}@{size}"
        done = [record for record in run.records if record.cell.task == task and record.status == "done"]
        whole = [key for key, group in gather(done).items() if len(group.done) >= FEW]
        if len(whole) >= least:
            names = {key.strategy for key in whole}
            found = standing(run, task)
            return found if set(found.means) == names else standing(run, task, names)
    return standing(run, f"{view}@{sizes[0]}")


def _final(
    cell: Cell,
    last: Standing,
    left: float,
    registry: Registry,
    where: tuple[Path, Options, Screen],
) -> Interval | None:
    """The choice on the test rows, trained on all training rows: with as many seeds as the time allows, one
    at least where a third of what is expected is left."""
    folder, options, screen = where
    sizes = next((record.data.sizes for record in last.records if record.data), {})
    rows = len(registry.task(cell.task).splits(registry.sources).train)
    expected = last.expected(cell.strategy, rows / max(sizes.get("train", rows), 1))
    seeds = max(1 if left > expected / 3 else 0, min(SEEDS, int(left / max(expected, 0.1))))
    if not seeds:
        return None
    cells = [replace(cell, seed=seed) for seed in range(seeds)]
    launch(cells, registry, folder, options, screen)
    records = [record for record in Store(folder).records() if record.cell.id in {cell.id for cell in cells}]
    group = next(iter(gather(records).values()))
    scores = resample(group, group.headline, Source(Store(folder).predictions)) if group.done else None
    return intervals({cell.strategy: scores.components()})[cell.strategy] if scores is not None else None

"""From a task to the findings: rounds of successive halving, the choice, and one look at the test rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.statistics.error_bars import seeds_apart
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.resampling import Source, resample
from bench.analysis.statistics.unequal import one_document
from bench.contracts import LARGEST, BenchError, Cell
from bench.executors.contract import Options
from bench.executors.launch import launching
from bench.models.catalog import kind_of
from bench.recommend.budget import Budgeted, BudgetSpent, until, written
from bench.recommend.choice import choose, last_full
from bench.recommend.evidence import Standing, growth
from bench.recommend.findings import TIME_UP, Findings, failures
from bench.recommend.floor import Floor, floor
from bench.recommend.forecast import Pace, reach
from bench.recommend.reserve import Reserve
from bench.recommend.successive_halving import (
    SEEDS,
    Bracket,
    measured,
    sizes_for,
    successive_halving,
)
from bench.recommend.views import Selection
from bench.recommend.weaknesses import confusions, weaknesses
from bench.registry import Registry
from bench.runs.folder import Store
from bench.runs.listeners import Screen
from bench.runs.record import Record

STRATEGIES = ("probe", "frozen", "top-layers", "lp-ft", "lora", "gradual", "full")
"""What is compared by default, cheapest first: all that can be exported."""

MARGIN = 0.02
"""How much a cheaper strategy may score below the best and still be as good."""

SLOW = 1.95
"""From this slowness on, other programs are named as a reason."""

ONE_GROUP = "they are all of one group, which tells nothing of other groups"
UNSEEN = "not all seeds have predictions of them"
"""Why test rows give no score."""


@dataclass(frozen=True)
class Terms:
    """What was asked: strategies (cheapest first), backbone, goal with its margin in units of the score, seconds,
    and the command line. began: when the budget did, on time.monotonic(); None: when the answer does."""

    strategies: tuple[str, ...]
    backbone: str
    goal: str
    budget: float
    command: str
    margin: float = MARGIN
    began: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.margin <= LARGEST:
            raise BenchError(f"a margin of {100 * self.margin:g} points: give a positive one", "wrong-margin")


@dataclass(frozen=True)
class OnTestRows:
    """The choice on the test rows: its score, or why there is none; and the records of its seeds, which say what it
    costs to use."""

    score: Interval | None = None
    records: Sequence[Record] = ()
    why_not: str = TIME_UP

    @classmethod
    def of(cls, run: Run) -> OnTestRows:
        """What a run of the choice alone says."""
        group = next(iter(gather(run.records).values()), None)
        if group is None:
            return cls()
        name = group.key.strategy
        if not group.done:
            reason = group.failures[0].reason
            return cls(why_not=f"the training of {name} on all training rows failed ({reason})")
        source = Source(run.predictions)
        scores = resample(group, group.headline, source)
        if scores is None:
            return cls(None, group.done, ONE_GROUP if one_document([group], source) else UNSEEN)
        return cls(intervals({name: scores.components()})[name], group.done)


@contextmanager
def reading(began: float, budget: float) -> Iterator[None]:
    """What reads the user's rows. BenchError where it takes the whole budget."""
    try:
        with until(lambda: began + budget):
            yield
    except BudgetSpent:
        raise BenchError(
            f"the budget of {written(budget)} was spent while the rows were read: give a larger --budget",
            "too-small-budget",
        ) from None


def answer(cell: Cell, terms: Terms, registry: Registry, where: tuple[Path, Options, Screen]) -> Findings:
    """Compare the strategies on the task of `cell` with its recipe, choose, and score the choice once on the
    test rows.

    where: the run folder, how to run, and the screen for progress. Raises BenchError."""
    folder, options, screen = where
    began = time.monotonic() if terms.began is None else terms.began
    view = Selection(cell.task).name
    reserve = Reserve(terms.budget, began + terms.budget)
    with reading(began, terms.budget):
        unfit = left_out(cell, terms, registry)
        splits = registry.task(view).splits(registry.sources)
        labels = registry.task(view).labels(splits.train)
    strategies = tuple(name for name in terms.strategies if name not in unfit)
    reserve.needed = min(reserve.needed, len(strategies))
    bracket = Bracket(cell.task, view, strategies, terms.backbone, cell.recipe, terms.budget, folder)
    sizes = sizes_for(len(splits.train), len(labels))
    pace = Pace(options.device, reserve.slowness(), time.monotonic() - began)
    screen.note(reach(bracket, sizes, splits, registry, pace).sentence(terms.budget))
    outcome = successive_halving(bracket, sizes, registry, (options, screen), reserve)
    run = measured(bracket, outcome.sizes, registry)
    if not any(record.status == "done" for record in run.records) and outcome.stopped:
        now = replace(pace, slowness=reserve.slowness())
        advice = reach(bracket, sizes, splits, registry, now).advice(terms.budget)
        spent = f"the budget of {written(terms.budget)} was spent before any strategy finished"
        raise BenchError(f"{spent}{_busy(reserve)}: {advice}", "too-small-budget")
    last = last_full(run, view, outcome.planned, min(2, len(strategies)))
    chosen_by = choose(last, terms.goal, terms.margin)
    choice = chosen_by.strategy
    chosen = [record for record in last.records if record.cell.strategy == choice]
    beside = _floor(last, run, registry, screen, reserve.last_cell())
    final = OnTestRows()
    if not last.degenerate:
        used = replace(cell.recipe, serving=True)
        final = _final(replace(cell, strategy=choice, recipe=used), last, reserve, registry, where)
    scored = final.records
    return Findings(
        task=cell.task,
        goal=terms.goal,
        margin=terms.margin,
        choice=choice,
        basis=chosen_by.basis,
        round=last,
        outcome=replace(outcome, seconds=time.monotonic() - began),
        growth=growth(run, view, outcome.sizes, choice, terms.backbone),
        floor=beside,
        weak=weaknesses(chosen, run.predictions),
        final=final.score,
        final_seeds=next((seeds_apart(group, group.headline) for group in gather(scored).values()), ()),
        unscored=final.why_not,
        test_rows=next((record.data.sizes.get("test", 0) for record in scored if record.data), 0),
        training_rows=len(registry.task(cell.task).splits(registry.sources).train),
        command=terms.command,
        folder=str(folder),
        strategies=strategies,
        measured=frozenset(record.cell.strategy for record in run.records if record.status == "done"),
        failed=failures(run, view, outcome.sizes),
        unfit=unfit,
        all_strategies=tuple(registry.plugins.strategies),
        backbone=terms.backbone,
        budget=terms.budget,
        serving=scored[0] if scored else None,
        confused=confusions(scored, Store(folder).predictions)
        if scored
        else confusions(chosen, run.predictions),
    )


def _busy(reserve: Reserve) -> str:
    """What an answer blames where other programs have most of the cores."""
    slowness = reserve.slowness()
    return f" (other programs make this machine {slowness:.0f} times slower)" if slowness >= SLOW else ""


def _floor(last: Standing, run: Run, registry: Registry, screen: Screen, deadline: float) -> Floor | None:
    """The floor beside the last round, in at most half of the time that is left: the rest is for the test rows.
    None where the task has none, or the time is up."""
    now = time.monotonic()
    found = None
    try:
        with until(lambda: now + max(deadline - now, 0.0) / 2):
            found = floor(last.records[0].cell, run, registry)
    except BudgetSpent:
        screen.note("no time was left for the floor, a linear model on TF-IDF on the same rows")
    return found


def left_out(cell: Cell, terms: Terms, registry: Registry) -> dict[str, str]:
    """Why strategies do not fit the encoder. BenchError where none fits."""
    if kind_of(terms.backbone) == "counts":
        raise BenchError(
            f"recommend compares ways to use an encoder, and '{terms.backbone}' has none: it is always measured "
            "beside them; name an encoder with --backbone",
            "no-strategy-fits",
        )
    registry.depth(terms.backbone)
    reasons = {name: registry.incompatible(replace(cell, strategy=name)) for name in terms.strategies}
    unfit = {name: reason for name, reason in reasons.items() if reason}
    if len(unfit) == len(terms.strategies):
        raise BenchError(
            f"no strategy fits {terms.backbone}: {next(iter(unfit.values()))}", "no-strategy-fits"
        )
    return unfit


def _final(
    cell: Cell,
    last: Standing,
    reserve: Reserve,
    registry: Registry,
    where: tuple[Path, Options, Screen],
) -> OnTestRows:
    """The choice on the test rows, trained on all training rows, with as many seeds as the time allows. It stops
    when only the reserve is left; there is no score where no seed has finished then, or the time allows less than a
    third of what one takes once a worker has started."""
    folder, options, screen = where
    sizes = next((record.data.sizes for record in last.records if record.data), {})
    rows = len(registry.task(cell.task).splits(registry.sources).train)
    expected = last.expected(cell.strategy, rows / max(sizes.get("train", rows), 1))
    left = reserve.last_cell() - reserve.starting() - time.monotonic()
    seeds = max(1 if left > expected / 3 else 0, min(SEEDS, int(left / max(expected, 0.1))))
    if not seeds:
        return OnTestRows()
    cells = [replace(cell, seed=seed) for seed in range(seeds)]
    end = reserve.last_cell
    watched = Budgeted(screen, end)
    with launching(cells, registry, folder, options, watched) as run, suppress(BudgetSpent), until(end):
        run(cells)
    prints = {cell.id: registry.fingerprint(cell) for cell in cells}
    records = [
        record for record in Store(folder).records() if prints.get(record.cell.id) == record.fingerprint
    ]
    return OnTestRows.of(Run(cell.suite, records, Store(folder).predictions))

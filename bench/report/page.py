"""The content of the report of a run, in reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis import convergence, shift
from bench.analysis import curves as analysis_curves
from bench.analysis.groups import is_degenerate
from bench.analysis.loading import Run
from bench.analysis.regression import history
from bench.analysis.sizes import largest, task_name
from bench.analysis.statistics.uncertainty_notes import by_document
from bench.analysis.tables import pairs
from bench.analysis.tables import ranks as ranks_table
from bench.analysis.tables.build import title
from bench.analysis.tables.footnotes import provenance, warnings
from bench.analysis.tables.model import Table
from bench.report import charts, classes, reproduce
from bench.report.answer import Answer, answers
from bench.report.classes import ByClass, Confusion
from bench.report.curves import curves
from bench.report.examples import Hard, hardest
from bench.report.forgetting import by_layers
from bench.report.forgetting import table as forgetting_table
from bench.report.ledger import ledger
from bench.report.ledger import table as ledger_table
from bench.report.overall import overall
from bench.report.pareto import pareto
from bench.report.ranks import ranking, ranks
from bench.report.rates import rates
from bench.report.reading import REFERENCE, Reading, read
from bench.report.reliability import reliability
from bench.report.serving import table as serving_table
from bench.report.sizes import sizes
from bench.report.vega import Chart
from bench.runs.folder import MANY
from bench.runs.record import Record

OF_SIZES = "Of a task that ran at several sizes this is the largest."


@dataclass(frozen=True)
class Errors:
    """The errors of a task's strategies."""

    task: str
    words: bool  # whether confusions count words, because every word has a tag
    by_class: ByClass | None
    confusions: tuple[Confusion, ...]
    hardest: tuple[Hard, ...]


@dataclass(frozen=True)
class Problem:
    """A cell that did not finish, learned nothing, or was adapted."""

    cell: str
    strategy: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Reproduction:
    """suite: a suite file with these cells. departures: what of them it cannot say. notes: recipe, data, machines
    and versions, one line each."""

    suite: str
    departures: tuple[str, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Page:
    """A report. Each section has one chart per task, and none where the run has nothing for it."""

    name: str
    title: str
    made: str  # ISO 8601, UTC
    strategies: tuple[str, ...]
    overall: str
    answers: tuple[Answer, ...]
    pareto: tuple[Chart, ...]
    scores: Table
    pairs: Table | None
    ranks: tuple[Chart, ...]
    ranks_table: Table | None
    seeds: tuple[Chart, ...]
    by_step: tuple[Chart, ...]
    by_seconds: tuple[Chart, ...]
    convergence: Table | None
    rates: tuple[Chart, ...]
    ledger: tuple[Chart, ...]
    ledger_table: Table
    steps: Table | None
    serving: Table | None
    forgetting: tuple[Chart, ...]
    forgetting_table: Table | None
    sizes: tuple[Chart, ...]
    sizes_table: Table | None
    reliability: tuple[Chart, ...]
    shift: tuple[Chart, ...]
    shift_table: Table | None
    errors: tuple[Errors, ...]
    selection: str  # what the section on errors leaves out of a large run, and how to get it
    problems: tuple[Problem, ...]
    missing: tuple[str, ...]  # ids of planned cells without a record
    history: Table | None
    reproduction: Reproduction


def build(
    run: Run,
    cache: Path,
    past: Sequence[history.Line] = (),
    steps: Table | None = None,
    development: Sequence[Record] = (),
) -> Page:
    """The page of a run. cache: the folder with the rows of tasks, for the texts of examples. past: the history.
    steps: the times of a training step (bench.profiling.step_ledger), where they were measured. development: of the
    run in which the suite's rates were tried, where the run itself tried none.

    BenchError where the run has no records, or a file of it is damaged."""
    reading = read(run)
    found, seconds = tuple(answers(reading)), ledger(reading)
    tasks, records, sized = reading.tasks, reading.run.records, sizes(reading)
    ranked = ranking(reading)
    reading.resampled.clear()  # a hundred megabytes of a large run
    return Page(
        name=run.name,
        title=title(records),
        made=datetime.now(UTC).isoformat(timespec="minutes"),
        strategies=reading.strategies,
        overall=_overall(found, reading),
        answers=found,
        pareto=_present([pareto(reading, task) for task in tasks]),
        scores=reading.table,
        pairs=_pairs(reading),
        ranks=(ranks(reading, ranked),) if ranked else (),
        ranks_table=ranks_table.table(ranked, _documents(reading)) if ranked else None,
        seeds=_present([charts.seeds(reading, task) for task in tasks]),
        by_step=_present([curves(reading, task, "step") for task in tasks]),
        by_seconds=_present([curves(reading, task, "seconds") for task in tasks]),
        convergence=convergence.build(records) if any(r.curve for r in records if _done(r)) else None,
        rates=tuple(rates(reading, records) or rates(reading, development)),
        ledger=_present([charts.ledger(seconds, reading, task) for task in tasks]),
        ledger_table=ledger_table(seconds),
        steps=steps,
        serving=serving_table(reading.groups),
        forgetting=_present([by_layers(reading, task) for task in tasks]),
        forgetting_table=forgetting_table(reading.groups),
        sizes=tuple(sized),
        sizes_table=analysis_curves.build(records, reading.run.predictions) if sized else None,
        reliability=_present([reliability(reading, task) for task in tasks]),
        shift=_present([charts.shift(reading, task) for task in tasks]),
        shift_table=_shift(reading),
        errors=tuple(item for task in tasks if (item := _errors(reading, task, cache))),
        selection=_selection(reading),
        problems=tuple(_problems(records)),
        missing=reading.run.missing(),
        history=_history(past, reading),
        reproduction=_reproduction(reading),
    )


def _overall(found: Sequence[Answer], reading: Reading) -> str:
    """The answer over all tasks, as ranks are: the sizes of one task are not several tasks."""
    whole = {key.task for key in largest(reading.groups)}
    kept = [answer for answer in found if answer.task in whole] or found
    return f"{overall(kept)} {OF_SIZES}" if len(kept) < len(found) else overall(kept)


def _present(found: Sequence[Chart | None]) -> tuple[Chart, ...]:
    return tuple(item for item in found if item is not None)


def _done(record: Record) -> bool:
    return record.status == "done"


def _documents(reading: Reading) -> list[str]:
    """What was resampled in place of single examples."""
    return by_document({task_name(item.first.task): item.clusters for item in reading.comparisons})


def _pairs(reading: Reading) -> Table | None:
    """The tests behind the ties, by each task's headline."""
    found = [item for task in reading.tasks for item in reading.compared(task)]
    return pairs.table(found, reading.groups) if found else None


def _shift(reading: Reading) -> Table | None:
    if not any(len(record.scores) > 1 for record in reading.run.records):
        return None
    return shift.build(reading.run.records, reading.run.predictions)


def _errors(reading: Reading, task: str, cache: Path) -> Errors | None:
    found = Errors(
        task,
        any(group.done[0].adapter == "ner" for group in reading.examined(task)),
        classes.by_class(reading, task),
        tuple(classes.confusions(reading, task)),
        tuple(hardest(reading, task, cache)),
    )
    return found if found.by_class or found.confusions or found.hardest else None


def _selection(reading: Reading) -> str:
    if not reading.selective:
        return ""
    option = "--task TASK" if len(reading.tasks) > 1 else "--strategy STRATEGY"
    unmarked = [task for task in reading.tasks if reading.of_task(task) and reading.best(task) is None]
    first = f" (the first of {', '.join(unmarked)}, where none is marked best)" if unmarked else ""
    return (
        f"This run has {reading.finished:,} finished cells. For each task this section shows the best strategy"
        f"{first} and {REFERENCE} on the same backbone; “every strategy” means these. A page of a part of the run "
        f"with at most {MANY:,} finished cells shows all of that part: report RUN {option}"
    )


def _problems(records: Sequence[Record]) -> list[Problem]:
    found = []
    for record in records:
        cell, strategy = record.cell.id, record.cell.strategy
        if not _done(record):
            found.append(Problem(cell, strategy, record.status, record.reason or "no reason recorded"))
        elif is_degenerate(record):
            reason = "its score is within noise of chance or the majority label"
            found.append(Problem(cell, strategy, "degenerate", reason))
        found += [Problem(cell, strategy, "adapted", change) for change in record.adaptations]
    return found


def _history(past: Sequence[history.Line], reading: Reading) -> Table | None:
    """The trend over runs of this suite with the recipes of this run, where there are at least two."""
    recipes = {str(key): history.recipe_digest(group.records[-1]) for key, group in reading.groups.items()}
    lines = [line for line in past if line.suite == reading.suite]
    alike = [line.model_copy(update={"cells": _alike(line.cells, recipes)}) for line in lines]
    kept = [line for line in alike if line.cells]
    return history.trend(kept, reading.suite, every=past) if len(kept) > 1 else None


def _alike(cells: Mapping[str, history.Measured], recipes: Mapping[str, str]) -> dict[str, history.Measured]:
    """The cells of an earlier run whose recipe is that of this run."""
    return {name: cell for name, cell in cells.items() if recipes.get(name) == cell.recipe}


def _reproduction(reading: Reading) -> Reproduction:
    records = tuple(reading.run.records)
    suite = records[0].cell.suite
    return Reproduction(
        suite=reproduce.suite_file(records, reading.run.given),
        departures=tuple(reproduce.departures(records)),
        commands=tuple(reproduce.commands(records, suite, reading.run.given)),
        notes=(*provenance(reading.groups), *warnings(reading.groups)),
        records=records,
    )

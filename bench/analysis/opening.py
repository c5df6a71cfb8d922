"""Opens what a command names: a run folder, a baseline file, or the baseline of a git revision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.analysis.loading import Run, Sums
from bench.analysis.regression.baseline import read, read_revision
from bench.analysis.tables.model import Table
from bench.contracts import BenchError
from bench.runs import run_inputs
from bench.runs.folder import MANY, open_run

UNVERIFIED = f"More than {MANY:,} records: checksums were not verified (`status RUN --check` verifies them)."


def open_source(name: str, suite: str = "") -> Run:
    """A run, a baseline file, or, where `suite` is given, the baseline at a git revision.

    Raises BenchError where `name` is none of them."""
    path = Path(name)
    if path.suffix == ".jsonl":
        return read(path)
    try:
        store = open_run(path)
    except BenchError:
        if not suite or path.exists():
            raise
        return read_revision(name, suite)
    planned = tuple(store.planned())
    few = len(planned) <= MANY
    return Run(
        str(store.path),
        store.seen_records(),
        store.predictions,
        verified=few,
        given=run_inputs.read(store.path),
        planned=planned,
        sums=Sums(store.stated_sum, store.check_predictions),
    )


def noted(table: Table, *runs: Run) -> Table:
    """The table, with a note where the checksums of a run were not verified."""
    return table if all(run.verified for run in runs) else replace(table, notes=(*table.notes, UNVERIFIED))

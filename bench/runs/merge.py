"""Merges run folders: parts of a suite that ran on several machines become one run. Contradictions are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts import BenchError
from bench.runs import planned_work, run_inputs
from bench.runs.cell_files import CellFiles
from bench.runs.folder import Store
from bench.runs.record import Record
from bench.runs.terms import check_terms, contradiction


@dataclass(frozen=True)
class Found:
    """A cell's record, and the run that holds it."""

    record: Record
    store: Store

    @property
    def cell(self) -> str:
        return self.record.cell.id


def merge(runs: Sequence[Store], into: Store) -> None:
    """Add the cells of `runs` to `into`. A finished record wins over one that did not finish.

    Nothing is written where a file is damaged (Damaged) or two runs contradict each other (BenchError)."""
    folders = [into, *runs] if into.planned() else list(runs)
    folders = list({run.path.resolve(): run for run in folders}.values())
    for other in folders[1:]:
        if other.suite() != folders[0].suite():
            suites = (
                f"{folders[0].path} is of suite '{folders[0].suite()}', {other.path} of '{other.suite()}'"
            )
            raise BenchError(f"{suites}: merge runs of one suite", code="other-suite")
    chosen = _chosen(Found(record, run) for run in folders for record in run.records())
    check_terms((found.record, str(found.store.path)) for found in chosen.values())
    for found in chosen.values():
        found.store.verified(found.cell)
    into.begin(folders[0].suite(), [cell for run in folders for cell in run.grid()])
    for run in folders:
        run_inputs.add(into.path, run_inputs.read(run.path))
        planned_work.copy(run.path, into.path)
    for found in chosen.values():
        if found.store.path.resolve() != into.path.resolve():
            CellFiles.pack(found.store, found.cell).unpack(into)


def _chosen(every: Iterable[Found]) -> dict[str, Found]:
    """One record a cell: the finished one, else the last."""
    chosen: dict[str, Found] = {}
    for found in every:
        other = chosen.get(found.cell)
        if other and other.record.status == found.record.status == "done":
            _check_same(other, found)
        elif other is None or other.record.status != "done":
            chosen[found.cell] = found
    return chosen


def _check_same(one: Found, other: Found) -> None:
    """BenchError where two runs contradict each other on a cell. Seconds and machines may differ."""
    views: dict[str, Callable[[Found], Any]] = {
        "fingerprints": lambda found: found.record.fingerprint,
        "scores": lambda found: found.record.scores,
        "predictions": lambda found: found.store.predictions(found.cell),
    }
    for what, view in views.items():
        if view(one) != view(other):
            raise contradiction(f"{one.cell} has other {what}", str(one.store.path), str(other.store.path))

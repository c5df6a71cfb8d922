"""Two runs of a suite: what regressed, what improved, and what cannot be compared.

Quality is tested at two levels under one error budget: every cell, and every strategy over all its tasks, so that a
single deep drop and a broad shallow one are both found. Holm's correction (1979) covers all of these tests. A drop
below `min_drop` is not reported however certain it is: one example that another library version rounds differently
is no regression.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Run
from bench.analysis.regression.conditions import (
    changed_conditions,
    changed_predictions,
    not_asked,
    repeatable,
)
from bench.analysis.regression.costs import Cost, compare_costs
from bench.analysis.regression.matching import (
    STATUSES,
    Finding,
    Status,
    sorted_out,
    unfinished,
    without_unfinished,
)
from bench.analysis.regression.quality import Change, changes, mean_change
from bench.analysis.statistics.familywise import holm
from bench.analysis.statistics.resampling import Source
from bench.analysis.workers import mapped
from bench.contracts import BenchError
from bench.text import json_text

Gate = Literal["quality", "time", "memory", "missing", "changed"]
COSTS = {"time": "seconds", "memory": "memory"}
"""The gates on costs, each with the quantity that it judges."""
ALL_TASKS = "all tasks"
WORTH = 20
"""Strategies whose mean changes are worth a process."""


@dataclass(frozen=True)
class CompareOptions:
    """alpha: the error budget of all tests of quality, of time, and of memory. Unchanged code should be reported as
    regressed at most once in 100 comparisons, unless seeds collapse. The nominal budget is half of that: seeds are
    not quite normal, and the tails of an estimated noise are not quite known (measured by
    bench.analysis.regression.power).
    min_drop: the smallest drop that counts, in units of the score. slower, larger: the smallest growth of time and
    of memory that counts. time_noise: the relative standard deviation between repeated runs on one machine.
    power: of the smallest detectable drop. fail_on: the gates that make the exit code 1."""

    alpha: float = 0.005
    min_drop: float = 0.005
    slower: float = 0.25
    larger: float = 0.10
    time_noise: float = 0.05
    power: float = 0.9
    fail_on: tuple[str, ...] = ("quality", "missing")

    def __post_init__(self) -> None:
        for gate in self.fail_on:
            if gate not in get_args(Gate):
                raise BenchError(
                    f"cannot fail on '{gate}' (gates: {', '.join(get_args(Gate))})", code="unknown-gate"
                )


@dataclass(frozen=True)
class RunComparison:
    """The findings, worst first: strategies, then cells; and the costs where machines are the same.

    changed: cells whose predictions differ although seeds and conditions do not. unasked: cells with other seeds,
    or other predictions under other conditions, which say nothing of the code, or whose predictions one of the runs
    does not hold."""

    baseline: str
    run: str
    strategies: tuple[Finding, ...]
    cells: tuple[Finding, ...]
    costs: tuple[Cost, ...]
    options: CompareOptions
    notes: tuple[str, ...] = ()
    changed: int = 0
    unasked: int = 0

    def count(self, status: Status) -> int:
        """How many cells have this status."""
        return sum(item.status == status for item in self.cells)

    @property
    def failures(self) -> tuple[str, ...]:
        """The requested gates that did not hold."""
        found = {
            "quality": any(
                item.status in ("regressed", "failed") for item in (*self.strategies, *self.cells)
            ),
            "missing": any(item.status == "missing" for item in self.cells),
            **{gate: any(item.grew for item in self._judged(gate)) for gate in COSTS},
            "changed": self.changed > 0,
        }
        return tuple(gate for gate in self.options.fail_on if found[gate])

    @property
    def exit_code(self) -> int:
        """0: nothing regressed; 1: a gate did not hold; 2: something, or everything, cannot be compared."""
        if self.failures:
            return 1
        compared = any(
            item.status in ("improved", "unchanged", "identical", "regressed")
            and item.before is not None  # it has a score in both, and did not fail in both
            for item in self.cells
        )
        unasked = self.unasked and "changed" in self.options.fail_on
        blind = any(
            gate in self.options.fail_on and not self._judged(gate) for gate in COSTS
        )  # a note says why
        return 2 if self.count("incomparable") or unasked or blind or not compared else 0

    def _judged(self, gate: str) -> list[Cost]:
        """What a gate of COSTS judged."""
        return [item for item in self.costs if item.quantity == COSTS[gate]]

    def to_json(self) -> str:
        """Everything, for machines."""
        value = {**_fields(self), "options": _fields(self.options)}
        for level in ("strategies", "cells", "costs"):
            value[level] = [
                {**_fields(item), "key": item.key._asdict(), "change": item.change}
                for item in getattr(self, level)
            ]
        counts = {status: self.count(status) for status in STATUSES}
        outcome = {"exit_code": self.exit_code, "failures": self.failures, "counts": counts}
        return json_text({**outcome, **value}) + "\n"


def _fields(item: Any) -> dict[str, Any]:
    """The fields of a dataclass, as they are."""
    return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}


def compare(baseline: Run, run: Run, options: CompareOptions | None = None) -> RunComparison:
    """The run against the baseline. Cells are matched by task, strategy and backbone; seeds need not be the same,
    but as many must have finished.

    BenchError where one of them has no records, or holds predictions that cannot be read."""
    options = options or CompareOptions()
    for side in (baseline, run):
        if not side.records:
            raise BenchError(f"{side.name} has no records: nothing can be compared", code="no-records")
    old, new = gather(baseline.records), gather(run.records)
    sources = [Source.of(side) for side in (baseline, run)]
    settled, samples = sorted_out(old, new, *sources)
    settled, samples = without_unfinished(settled, samples, unfinished(run, baseline.records))
    cells = changes(samples)
    by_strategy: dict[Key, list[Change]] = {}
    for item in cells.values():
        by_strategy.setdefault(item.key._replace(task=ALL_TASKS), []).append(item)
    several = [(key, items) for key, items in by_strategy.items() if len(items) > 1]
    strategies = mapped(lambda found: mean_change(*found), several, WORTH)
    findings = judge([*strategies, *cells.values()], options)
    pairs = {key: (old[key], new[key]) for key in samples}
    costs, notes = compare_costs(pairs, options)
    conditions = changed_conditions(pairs.values())
    repeated = repeatable(cells.values(), samples, pairs)
    unasked = len(cells) - len(repeated)
    if "changed" in options.fail_on:
        notes = (*not_asked(unasked, len(cells)), *notes)
    return RunComparison(
        baseline.name,
        run.name,
        _worst_first(findings[: len(strategies)]),
        _worst_first([*findings[len(strategies) :], *settled]),
        costs,
        options,
        (*conditions, *changed_predictions(repeated), *notes),
        changed=sum(not item.identical for item in repeated),
        unasked=unasked,
    )


def judge(tested: Sequence[Change], options: CompareOptions) -> list[Finding]:
    """A verdict on each change, all tested together."""
    down, up = (holm([item.p(direction) for item in tested]) for direction in (-1, 1))
    findings = []
    for item, fell, rose in zip(tested, down, up, strict=True):
        large = abs(item.difference) >= options.min_drop - 1e-12
        status: Status = "identical" if item.identical else "unchanged"
        if large and fell < options.alpha:
            status = "regressed"
        elif large and rose < options.alpha:
            status = "improved"
        limit = item.detectable(options.alpha / len(tested), options.power)
        limit = limit if item.same_scores else max(limit, options.min_drop)
        p = fell if item.difference < 0 else rose
        findings.append(Finding(item.key, status, item.before, item.after, p, limit, item.note))
    return findings


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(findings, key=lambda item: (STATUSES.index(item.status), item.change or 0.0, item.key))
    )

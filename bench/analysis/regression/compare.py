"""Two runs of a suite: what regressed, what improved, and what cannot be compared.

Quality is tested at two levels under one error budget: every cell, and every strategy over all its tasks, so
that a single deep drop and a broad shallow one are both found. Holm's correction (1979) is over all of these
tests. A drop below
`min_drop` is not reported however certain it is: one example that another library version rounds differently
is no regression.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.regression.costs import Cost, compare_costs
from bench.analysis.regression.quality import Change, Sample, changes, mean_change, sample
from bench.analysis.statistics.paired import holm
from bench.analysis.statistics.resampling import Source
from bench.contracts import BenchError
from bench.text import json_text

Status = Literal["regressed", "failed", "missing", "incomparable", "improved", "unchanged", "new"]
Gate = Literal["quality", "time", "memory", "missing"]
STATUSES: tuple[Status, ...] = get_args(Status)
ALL_TASKS = "all tasks"


@dataclass(frozen=True)
class CompareOptions:
    """alpha: the error budget of all tests of quality; of time; of memory. Comparing unchanged code is to report a
    regression once in 100 times at most; the nominal budget is half of that, since seeds are not quite normal and
    the tails of a noise that is itself estimated not quite known (measured: bench.analysis.regression.power).
    min_drop: the smallest drop that counts, in units of the score. slower, larger: the smallest growth of time
    and of memory that counts. time_noise: relative standard deviation between repeated runs on one machine.
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
                raise BenchError(f"cannot fail on '{gate}' (gates: {', '.join(get_args(Gate))})")


@dataclass(frozen=True)
class Finding:
    """What became of one cell, or of one strategy over all tasks (key.task is ALL_TASKS).

    before, after: mean scores. p: Holm's, of a change in the direction found. detectable: the smallest drop
    that this comparison would have found. reason: why it is what it is, in words."""

    key: Key
    status: Status
    before: float | None = None
    after: float | None = None
    p: float | None = None
    detectable: float | None = None
    reason: str = ""

    @property
    def change(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """The findings, worst first: strategies, then cells; and the costs where machines are the same."""

    baseline: str
    run: str
    strategies: tuple[Finding, ...]
    cells: tuple[Finding, ...]
    costs: tuple[Cost, ...]
    options: CompareOptions
    notes: tuple[str, ...] = ()

    def count(self, status: Status) -> int:
        """How many cells have this status."""
        return sum(item.status == status for item in self.cells)

    @property
    def failures(self) -> tuple[str, ...]:
        """The gates that did not hold, of those that are asked for."""
        found = {
            "quality": any(
                item.status in ("regressed", "failed") for item in (*self.strategies, *self.cells)
            ),
            "missing": any(item.status == "missing" for item in self.cells),
            "time": any(item.quantity == "seconds" and item.grew for item in self.costs),
            "memory": any(item.quantity == "memory" and item.grew for item in self.costs),
        }
        return tuple(gate for gate in self.options.fail_on if found[gate])

    @property
    def exit_code(self) -> int:
        """0 nothing regressed; 1 a gate did not hold; 2 something, or everything, cannot be compared."""
        if self.failures:
            return 1
        compared = any(item.status in ("improved", "unchanged", "regressed") for item in self.cells)
        return 2 if self.count("incomparable") or not compared else 0

    def to_json(self) -> str:
        """Everything, for machines."""
        value = dataclasses.asdict(self)
        for level in ("strategies", "cells", "costs"):
            for item, shown in zip(getattr(self, level), value[level], strict=True):
                shown["key"] = item.key._asdict()
                shown["change"] = item.change
        counts = {status: self.count(status) for status in STATUSES}
        outcome = {"exit_code": self.exit_code, "failures": self.failures, "counts": counts}
        return json_text({**outcome, **value}) + "\n"


def compare(baseline: Run, run: Run, options: CompareOptions | None = None) -> Comparison:
    """The run against the baseline. Cells are matched by task, strategy and backbone; seeds need not be equal.

    BenchError where one of them has no records, or holds predictions that cannot be read."""
    options = options or CompareOptions()
    for side in (baseline, run):
        if not side.records:
            raise BenchError(f"{side.name} has no records: nothing can be compared")
    old, new = gather(baseline.records), gather(run.records)
    settled, samples = _sorted_out(old, new, Source(baseline.predictions), Source(run.predictions))
    cells = changes(samples)
    by_strategy: dict[Key, list[Change]] = {}
    for item in cells.values():
        by_strategy.setdefault(item.key._replace(task=ALL_TASKS), []).append(item)
    strategies = [mean_change(key, items) for key, items in by_strategy.items() if len(items) > 1]
    findings = judge([*strategies, *cells.values()], options)
    costs, notes = compare_costs({key: (old[key], new[key]) for key in samples}, options)
    return Comparison(
        baseline.name,
        run.name,
        _worst_first(findings[: len(strategies)]),
        _worst_first([*findings[len(strategies) :], *settled]),
        costs,
        options,
        notes,
    )


def judge(tested: Sequence[Change], options: CompareOptions) -> list[Finding]:
    """A verdict on each change, all tested together."""
    down, up = (holm([item.p(direction) for item in tested]) for direction in (-1, 1))
    findings = []
    for item, fell, rose in zip(tested, down, up, strict=True):
        large = abs(item.difference) >= options.min_drop - 1e-12
        status: Status = "unchanged"
        if large and fell < options.alpha:
            status = "regressed"
        elif large and rose < options.alpha:
            status = "improved"
        limit = max(item.detectable(options.alpha / len(tested), options.power), options.min_drop)
        p = fell if item.difference < 0 else rose
        findings.append(Finding(item.key, status, item.before, item.after, p, limit, item.note))
    return findings


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(findings, key=lambda item: (STATUSES.index(item.status), item.change or 0.0, item.key))
    )


def _sorted_out(
    old: Mapping[Key, Group], new: Mapping[Key, Group], before: Source, after: Source
) -> tuple[list[Finding], dict[Key, tuple[Sample, Sample]]]:
    """The cells that are settled without a test, and the two samples of each of the others."""
    settled: list[Finding] = []
    samples: dict[Key, tuple[Sample, Sample]] = {}
    for key in dict.fromkeys([*old, *new]):
        finding = _without_test(key, old.get(key), new.get(key))
        if finding is None:
            sides = sample(old[key], before), sample(new[key], after)
            if sides[0] is None or sides[1] is None:
                where = "the baseline" if sides[0] is None else "the run"
                finding = Finding(
                    key, "incomparable", reason=f"{where} lacks predictions of its test examples"
                )
            elif sides[0].ids != sides[1].ids:
                finding = Finding(key, "incomparable", reason="scored on other test examples")
            else:
                samples[key] = (sides[0], sides[1])
        if finding is not None:
            settled.append(finding)
    return settled, samples


def _without_test(key: Key, old: Group | None, new: Group | None) -> Finding | None:
    """The status of a cell that needs no test, or None."""
    if old is None:
        return Finding(key, "new", reason="not in the baseline")
    if new is None:
        return Finding(key, "missing", reason="in the baseline, not in the run")
    if len(new.failures) > len(old.failures):
        first = new.failures[0]
        reason = (
            f"{len(new.failures)} of {len(new.records)} seeds {first.status}: {first.reason or 'no reason'}"
        )
        return Finding(key, "failed", reason=reason)
    if not old.done:
        status: Status = "new" if new.done else "unchanged"
        return Finding(key, status, reason="finished in the run alone" if new.done else "failed in both")
    if not new.done:
        return Finding(key, "failed", reason="no seed finished")
    differing = differences(old, new)
    return Finding(key, "incomparable", reason="; ".join(differing)) if differing else None


def differences(old: Group, new: Group) -> list[str]:
    """In what two groups differ that must be equal, in words: rows, task version, recipe, options, metric."""
    first, second = old.done[0], new.done[0]
    found = []
    if (versions := [side.data.task_version if side.data else 0 for side in (first, second)])[0] != versions[
        1
    ]:
        found.append(f"task version {versions[0]} then, {versions[1]} now")
    elif {r.data.fingerprint for r in old.done if r.data} != {r.data.fingerprint for r in new.done if r.data}:
        found.append("other data (the fingerprint of the rows differs)")
    recipes = [dataclasses.asdict(side.cell.recipe) for side in (first, second)]
    options = [dict(side.cell.options) for side in (first, second)]
    for kind, (then, now) in (("recipe", recipes), ("option", options)):
        for name in dict.fromkeys([*then, *now]):
            if then.get(name) != now.get(name):
                found.append(f"{kind}.{name} {then.get(name)} then, {now.get(name)} now")
    if (first.headline, first.metrics) != (second.headline, second.metrics):
        found.append(f"another metric ({first.headline} then, {second.headline} now)")
    return found

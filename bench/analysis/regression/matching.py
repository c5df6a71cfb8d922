"""The cells of two runs, matched: which need no test, and the samples of those that do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bench.analysis.groups import Group, Key, scoring_rule
from bench.analysis.loading import Run
from bench.analysis.regression.quality import Matched, sample
from bench.analysis.statistics.resampling import Source
from bench.analysis.workers import mapped
from bench.runs.record import Record
from bench.runs.terms import MEASURED
from bench.text import counted

Status = Literal[
    "regressed", "failed", "missing", "incomparable", "improved", "unchanged", "identical", "new"
]
STATUSES: tuple[Status, ...] = get_args(Status)
Samples = dict[Key, Matched]
"""The baseline's and the run's."""
Words = tuple[str, str]
"""What the two sides of a comparison are called."""
THEN_NOW: Words = ("then", "now")
WORTH = 2000
"""Prediction files that are worth a process."""


@dataclass(frozen=True)
class Finding:
    """The verdict on one cell, or on one strategy over all tasks (key.task is ALL_TASKS).

    before, after: mean scores. p: Holm's, of a change in the direction found. detectable: the smallest drop that
    this comparison would have found. reason: the grounds of the verdict in words."""

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


def sorted_out(
    old: Mapping[Key, Group], new: Mapping[Key, Group], before: Source, after: Source
) -> tuple[list[Finding], Samples]:
    """The cells that are settled without a test, and both samples of each other cell."""
    keys, sides = list(dict.fromkeys([*old, *new])), _Sides(old, new, before, after)
    files = sum(len(group.done) for side in (old, new) for group in side.values())
    found = mapped(sides.of, keys, least=-(-WORTH * len(keys) // max(files, 1)))
    settled = [item for item in found if isinstance(item, Finding)]
    samples = {key: item for key, item in zip(keys, found, strict=True) if isinstance(item, Matched)}
    return settled, samples


@dataclass(frozen=True)
class _Sides:
    """Both runs."""

    old: Mapping[Key, Group]
    new: Mapping[Key, Group]
    before: Source
    after: Source

    def of(self, key: Key) -> Finding | Matched:
        """What settles a cell, or its samples."""
        finding = _without_test(key, self.old.get(key), self.new.get(key))
        if finding is not None:
            return finding
        first = sample(self.old[key], self.before)
        again = first is not None and _repeats(self.old[key], self.new[key], self.before, self.after)
        second = first if again else sample(self.new[key], self.after)
        if first is None or second is None:
            where = "the baseline" if first is None else "the run"
            return Finding(key, "incomparable", reason=f"{where} lacks predictions of its test examples")
        if first.ids != second.ids:
            return Finding(key, "incomparable", reason="scored on other test examples")
        return Matched.of(first, second)


def _repeats(old: Group, new: Group, before: Source, after: Source) -> bool:
    """Whether all prediction files of a cell are equal, byte by byte, so that one of the two needs no decoding."""
    if before.sums is None or after.sums is None or len(old.done) != len(new.done):
        return False
    for first, second in zip(old.done, new.done, strict=True):
        stated = before.sums.stated(first.cell.id)
        same = (first.cell.seed, first.headline, first.metrics) == (
            second.cell.seed,
            second.headline,
            second.metrics,
        )
        if not same or not stated or stated != after.sums.stated(second.cell.id):
            return False
    for record in new.done:
        after.sums.verify(record.cell.id)
    return True


def _without_test(key: Key, old: Group | None, new: Group | None) -> Finding | None:
    """The status of a cell that needs no test, or None."""
    if old is None:
        return Finding(key, "new", reason="not in the baseline")
    if new is None:
        return Finding(key, "missing", reason="in the baseline, not in the run")
    if len(new.failures) > len(old.failures):
        first = new.failures[0]
        seeds = counted(len(new.records), "seed")
        reason = f"{len(new.failures)} of {seeds} {first.status}: {first.reason or 'no reason'}"
        return Finding(key, "failed", reason=reason)
    if not old.done:
        status: Status = "new" if new.done else "unchanged"
        return Finding(key, status, reason="finished in the run alone" if new.done else "failed in both")
    if not new.done:
        return Finding(key, "failed", reason="no seed finished")
    if len(new.done) < len(old.done):
        reason = f"{len(new.done)} of the baseline's {counted(len(old.done), 'seed')}"
        return Finding(key, "missing", reason=reason)
    differing = [*differences(old, new), *_lost_tests(old, new)]
    return Finding(key, "incomparable", reason="; ".join(differing)) if differing else None


def _lost_tests(old: Group, new: Group) -> list[str]:
    """The test sets of the baseline on which a seed of the run has no scores, in words: they would pass unseen."""
    known = {test for record in old.done for test in record.scores}
    lost = sorted(test for test in known if any(test not in record.scores for record in new.done))
    return [f"no scores on {', '.join(lost)}, which the baseline has"] if lost else []


def unfinished(run: Run, baseline: Iterable[Record] = ()) -> dict[Key, int]:
    """How many planned seeds of a cell have no record. baseline: its records, which give a cell that never ran its
    key: an id holds another form of an encoder's name."""
    keys = {record.cell.id.rpartition("/")[0]: Key(*_of(record)) for record in (*baseline, *run.records)}
    found: dict[Key, int] = {}
    for cell in run.missing():
        group = cell.rpartition("/")[0]
        key = keys.get(group) or Key(*group.split("/", 2))
        found[key] = found.get(key, 0) + 1
    return found


def _of(record: Record) -> tuple[str, str, str]:
    return record.cell.task, record.cell.strategy, record.cell.backbone


def without_unfinished(
    settled: list[Finding], samples: Samples, lacking: Mapping[Key, int]
) -> tuple[list[Finding], Samples]:
    """What is settled, and what is to be tested, with cells missing that lack planned seeds; one that failed
    stays so."""
    failed = {item.key for item in settled if item.status == "failed"}
    lacking = {key: count for key, count in lacking.items() if key not in failed}
    missing = [
        Finding(key, "missing", reason=f"{count} planned seed{'s' * (count > 1)} not run")
        for key, count in lacking.items()
    ]
    kept = [item for item in settled if item.key not in lacking]
    return [*kept, *missing], {key: pair for key, pair in samples.items() if key not in lacking}


def differences(old: Group, new: Group, words: Words = THEN_NOW) -> list[str]:
    """The differences that make two groups incomparable, in words: rows, task version, recipe, options, metric."""
    first, second = old.done[0], new.done[0]
    found = data_differences(old, new, words)
    same = first.cell.recipe == second.cell.recipe
    recipes = [{} if same else dataclasses.asdict(side.cell.recipe) for side in (first, second)]
    options = [dict(side.cell.options) for side in (first, second)]
    for kind, (then, now) in (("recipe", recipes), ("option", options)):
        for name in dict.fromkeys([*then, *now]):
            values = then.get(name), now.get(name)
            if name not in MEASURED and values[0] != values[1]:
                found.append(f"{kind}.{name} {_values(values, words)}")
    for side, when in zip((old, new), words, strict=True):
        if len({(record.cell.recipe, record.cell.options) for record in side.done}) > 1:
            found.append(f"seeds with different recipes {when}")
    return found


def data_differences(old: Group, new: Group, words: Words = THEN_NOW) -> list[str]:
    """The differences in what two groups learned and how they were scored, in words: rows, task version, metric."""
    first, second = old.done[0], new.done[0]
    versions = [side.data.task_version if side.data else 0 for side in (first, second)]
    found = []
    if versions[0] != versions[1]:
        found.append(f"task version {_values(versions, words)}")
    elif _other_rows(old, new):
        found.append("other data (the fingerprint of the rows differs)")
    if first.scorer != second.scorer:
        rules = [f"of {scoring_rule(side) or 'an earlier version'}" for side in (first, second)]
        found.append(f"{first.headline} by the rule {_values(rules, words)}")
    elif (first.headline, first.metrics) != (second.headline, second.metrics):
        found.append(f"another metric ({_values((first.headline, second.headline), words)})")
    return found


def _values(values: Sequence[Any], words: Words) -> str:
    return f"{values[0]} {words[0]}, {values[1]} {words[1]}"


def _other_rows(old: Group, new: Group) -> bool:
    """Whether the rows differ; where each seed draws its own, those of the seeds that both have."""
    sides = [
        {(record.cell.draw, record.data.fingerprint) for record in group.done if record.data}
        for group in (old, new)
    ]
    shared = {draw for draw, _ in sides[0]} & {draw for draw, _ in sides[1]}
    then, now = ({item for item in side if item[0] in shared} for side in sides)
    return then != now

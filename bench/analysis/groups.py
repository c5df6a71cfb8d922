"""Groups: the records of one task, strategy and backbone over all seeds."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import NamedTuple

from bench.analysis.statistics.scales import CORRELATIONS, ERROR, Scale, scale_of
from bench.analysis.timing import Timing, timing
from bench.contracts import BenchError
from bench.runs.record import Machine, Record


class Key(NamedTuple):
    """What identifies a group: everything in a cell but its seed."""

    task: str
    strategy: str
    backbone: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Group:
    """The records of one task, strategy and backbone, in the order of their seeds."""

    key: Key
    records: tuple[Record, ...]

    @cached_property
    def done(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status == "done")

    @property
    def failures(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status != "done")

    @property
    def headline(self) -> str:
        return next((record.headline for record in self.records if record.headline), "")

    def scores(self, metric: str, test: str = "test") -> list[float]:
        """One score in [0, 1] for each finished seed that has this metric."""
        found = (record.scores.get(test, {}).get(metric) for record in self.done)
        return [score for score in found if score is not None]

    def seconds(self) -> float | None:
        """The median over seeds of the cold seconds, which one disturbed seed does not move."""
        values = [record.seconds.cold for record in self.done]
        return median(values) if values else None

    def timing(self) -> Timing | None:
        """What its cold seconds rest on; None without a finished seed."""
        return self._timing

    @cached_property
    def _timing(self) -> Timing | None:
        """Once: costs and tables ask for it again and again."""
        return timing(self.done)

    def measurements(self) -> int:
        """How many independent measurements its cold seconds rest on: seeds may share what takes longest."""
        found = self.timing()
        return found.measurements if found else 0

    def trainable(self) -> float | None:
        """The share of the parameters that learn, in [0, 1]."""
        shares = [record.trainable / record.parameters for record in self.done if record.parameters]
        return shares[0] if shares else None

    def machines(self) -> set[str]:
        return {machine_fingerprint(record.machine) for record in self.done}


def is_one_machine(*machines: AbstractSet[str]) -> bool:
    """Whether all seeds of groups with these machines ran on the same one, so that their times can be compared."""
    return len(set().union(*machines)) == 1


def gather(records: Iterable[Record]) -> dict[Key, Group]:
    """The groups of a run. Tasks and backbones keep their order of appearance; strategies are ordered from the
    fewest to the most trainable parameters."""
    found: dict[Key, list[Record]] = {}
    for record in records:
        cell = record.cell
        found.setdefault(Key(cell.task, cell.strategy, cell.backbone), []).append(record)
    groups = [
        Group(key, tuple(sorted(members, key=lambda record: record.cell.seed)))
        for key, members in found.items()
    ]
    tasks = ordinal(group.key.task for group in groups)
    backbones = ordinal(group.key.backbone for group in groups)
    shares: dict[str, float] = {}
    for group in groups:
        share = group.trainable()
        if share is not None:
            shares[group.key.strategy] = min(share, shares.get(group.key.strategy, math.inf))
    groups.sort(
        key=lambda group: (
            tasks[group.key.task],
            backbones[group.key.backbone],
            shares.get(group.key.strategy, math.inf),
            group.key.strategy,
        )
    )
    return {group.key: group for group in groups}


def metric_names(groups: Iterable[Group]) -> list[str]:
    """The metrics that any finished record has on its test set, `accuracy` and `f1` first."""
    names = {
        name: None for group in groups for record in group.done for name in record.scores.get("test", {})
    }
    return sorted(names, key=lambda name: (name not in ("accuracy", "f1"), name))


ACCURACIES = {
    "ner": "token accuracy",
    "qa": "exact match",
    "unanswerable": "exact match",
    "multilabel": "exact sets",
}
"""What the metric `accuracy` is, by the adapters where it is not a share of right labels."""


def metric_heading(name: str, groups: Iterable[Group]) -> str:
    """A metric as people call it on the tasks of these groups; its own name where it is not the same on all."""
    adapters = {record.adapter for group in groups for record in group.done}
    kinds = {ACCURACIES.get(adapter, name) for adapter in adapters} if name == "accuracy" else set()
    return kinds.pop() if len(kinds) == 1 else name


EARLIER = {"ner": "strict IOB2"}
"""The rule of records that name none, by the adapters whose rule has changed."""


def scoring_rule(record: Record) -> str:
    """The rule behind a record's scores; '' where there has been but one."""
    return record.scorer or EARLIER.get(record.adapter, "")


def check_metric(name: str, groups: Iterable[Group]) -> None:
    """Raise BenchError, which lists the metrics, where no finished record has this one; '' stands for each task's
    headline metric."""
    valid = metric_names(groups)
    if name and valid and name not in valid:
        near = difflib.get_close_matches(name, valid, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BenchError(
            f"unknown metric '{name}'{hint} (metrics: {', '.join(valid)})", code="unknown-metric"
        )


def ordinal(names: Iterable[str]) -> dict[str, int]:
    """Each name with its place in the order of first appearance."""
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def machine_fingerprint(machine: Machine | None) -> str:
    """What two machines must share for their times to be comparable: device, dtype, threads, processor, system."""
    if machine is None:
        return "unknown"
    parts = (machine.device, machine.dtype, f"{machine.threads} threads", machine.processor, machine.system)
    return " · ".join(part for part in parts if part)


def floor(record: Record, metric: str) -> float:
    """The score of a model that learned nothing: it predicts the majority label, or the mean number, or, for
    accuracy and its mean over labels, guesses uniformly, whichever scores higher. Of an error that is not known,
    infinity."""
    if scale_of(kind_of(record, metric)) == ERROR:
        return record.data.majority.get(metric, math.inf) if record.data else math.inf
    if record.data is None:
        return 0.0
    averaged = kind_of(record, metric) == "macro_recall"  # over labels: as good by chance as by one label
    guessed = (metric == "accuracy" or averaged) and record.adapter != "multilabel" and record.data.labels
    chance = 1 / len(record.data.labels) if guessed else 0.0
    return max(chance, record.data.majority.get(metric, 0.0))


def is_degenerate(record: Record) -> bool:
    """Whether a finished run's headline score on its test set is within noise of its floor: at most 1.64 standard
    errors above it (binomial; of a correlation: of no correlation), a one-sided 95% bound. An error, whose noise is
    not known, must be no lower than its floor."""
    score = record.scores.get("test", {}).get(record.headline)
    if record.status != "done" or score is None:
        return False
    base = floor(record, record.headline)
    if scale_of(kind_of(record, record.headline)) == ERROR:
        return score >= base
    size = record.data.sizes.get("test", 0) if record.data else 0
    variance = 1.0 if kind_of(record, record.headline) in CORRELATIONS else base * (1 - base)
    noise = 1.645 * math.sqrt(variance / size) if size else 0.0
    return score <= base + noise


def kind_of(record: Record, metric: str) -> str:
    """The kind of a record's metric; '' where it has none of this name."""
    return next((item.kind for item in record.metrics if item.name == metric), "")


def scale(groups: Iterable[Group], metric: str) -> Scale:
    """What the values of a metric are, by the first finished record that has it; by the headline where it is ''."""
    for group in groups:
        for record in group.done:
            if kind := kind_of(record, metric or record.headline):
                return scale_of(kind)
    return scale_of("")


def collapsed(group: Group) -> bool:
    """Whether some of its seeds learned nothing and others did: few seeds cannot say how often that happens."""
    return 0 < sum(map(is_degenerate, group.done)) < len(group.done)


def failure_counts(records: Sequence[Record]) -> dict[str, int]:
    """The number of records by status other than done, the most frequent first."""
    return dict(Counter(record.status for record in records if record.status != "done").most_common())

"""A run as the report reads it: its groups, its table of scores, and every prediction file read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bench.analysis.groups import Group, Key, gather, metric_names
from bench.analysis.held import held
from bench.analysis.loading import Columns, Run
from bench.analysis.statistics.paired import Comparison, Scored
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.tables import build as tables
from bench.analysis.tables.columns import MEASURES
from bench.analysis.tables.model import Entry, Row, Table
from bench.analysis.timing import TimeNoise, noise
from bench.contracts import BenchError
from bench.runs.folder import MANY
from bench.runs.record import Record

REFERENCE = tables.TableOptions().reference


@dataclass(frozen=True)
class Reading:
    """groups: in the order of the tables. table: scores with intervals and ties, a block a task. comparisons:
    the tests behind its ties, of the best of every task and metric with each of the others. resampled: the headline
    scores that both rest on; emptied once the strategies are ranked by them."""

    run: Run
    groups: Mapping[Key, Group]
    table: Table
    comparisons: tuple[Comparison, ...]
    resampled: dict[Scored, Resampled] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key.task for key in self.groups))

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """From the fewest to the most trainable parameters, as in the tables."""
        return tuple(dict.fromkeys(row.labels[0] for block in self.table.blocks for row in block.rows))

    @cached_property
    def backbones(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key.backbone for key in self.groups))

    @property
    def suite(self) -> str:
        return ", ".join(dict.fromkeys(record.cell.suite for record in self.run.records))

    def of_task(self, task: str) -> list[Group]:
        """The groups of a task that have a finished seed."""
        return list(self._finished.get(task, ()))

    def tests(self, task: str) -> list[str]:
        """The test sets on which a task's strategies were scored, that of the source first."""
        return list(
            dict.fromkeys(test for group in self.of_task(task) for r in group.done for test in r.scores)
        )

    def examined(self, task: str) -> list[Group]:
        """The groups of a task whose errors are shown. A run of more than MANY finished cells has thousands of
        confusion matrices, which nobody would read: there the best of each task, and the reference beside it."""
        if not self.selective:
            return self.of_task(task)
        found = self.of_task(task)
        shown = self.best(task) or next(iter(found), None)
        reference = shown and self._finished_group(shown.key._replace(strategy=REFERENCE))
        return [group for group in found if group is shown or group is reference]

    def best(self, task: str) -> Group | None:
        """The group of a task that its table marks as the best; None where it marks none."""
        metric = self.headline(task)
        marked = (group for group in self.of_task(task) if self.entry(group.key, metric).mark == "best")
        return next(marked, None)

    def _finished_group(self, key: Key) -> Group | None:
        found = self.groups.get(key)
        return found if found and found.done else None

    @cached_property
    def finished(self) -> int:
        """How many cells finished."""
        return sum(len(group.done) for group in self.groups.values())

    @property
    def selective(self) -> bool:
        """Whether the errors of some strategies alone are shown."""
        return self.finished > MANY

    @cached_property
    def _finished(self) -> dict[str, list[Group]]:
        """By task; looked up for each of thousands of charts and cells."""
        found: dict[str, list[Group]] = {}
        for key, group in self.groups.items():
            if group.done:
                found.setdefault(key.task, []).append(group)
        return found

    @cached_property
    def time_noise(self) -> TimeNoise:
        """The noise of times, pooled over all groups, as the table has it."""
        return noise(found for group in self.groups.values() if (found := group.timing()))

    @cached_property
    def curve_lengths(self) -> Counter[int]:
        """How many finished cells have a learning curve of so many points."""
        return Counter(len(record.curve) for record in self.run.records if record.status == "done")

    def headline(self, task: str) -> str:
        """The name of the metric that ranks the task's strategies."""
        return next((group.headline for group in self.of_task(task) if group.headline), "")

    def label(self, key: Key) -> str:
        """The strategy, and the backbone where the run has the strategy with more than one."""
        several = len(self._backbones.get(key.strategy, ())) > 1
        return f"{key.strategy} {self._short[key.backbone]}" if several else key.strategy

    @cached_property
    def _short(self) -> dict[str, str]:
        return short_names(self.backbones)

    @cached_property
    def _backbones(self) -> dict[str, set[str]]:
        """By strategy."""
        found: dict[str, set[str]] = {}
        for key in self.groups:
            found.setdefault(key.strategy, set()).add(key.backbone)
        return found

    def entry(self, key: Key, column: str) -> Entry:
        """The entry of a group in this column of the table of scores, empty where there is none."""
        place = next((i for i, item in enumerate(self.table.columns) if item.name == column), None)
        row = self._rows.get(key)
        return Entry() if place is None or row is None else row.entries[place]

    @cached_property
    def _rows(self) -> dict[Key, Row]:
        return {
            Key(block.title, row.labels[0], row.labels[1]): row
            for block in self.table.blocks
            for row in block.rows
        }

    def compared(self, task: str) -> list[Comparison]:
        """The comparisons of a task by its headline metric."""
        return list(self._compared.get((task, self.headline(task)), ()))

    @cached_property
    def _compared(self) -> dict[tuple[str, str], list[Comparison]]:
        """By task and metric."""
        found: dict[tuple[str, str], list[Comparison]] = {}
        for item in self.comparisons:
            found.setdefault((item.first.task, item.metric), []).append(item)
        return found

    def columns(self, record: Record, test: str = "test") -> Columns | None:
        """The per-example columns of one test set; None where the record has none."""
        return Source(self.run.predictions).columns(record, test)


def read(run: Run) -> Reading:
    """The run with the table of the command `table`. BenchError where there are no records."""
    if not run.records:
        raise BenchError(f"{run.name} has no records: run the suite first", code="no-records")
    groups, once = gather(run.records), run.predictions
    run = replace(run, predictions=held(once))
    many = sum(len(group.done) for group in groups.values()) > MANY  # of which the other sections read a few
    options = tables.TableOptions(columns=_columns(groups.values()), planned=run.planned)
    table, known = tables.with_uncertainty(run.records, once if many else run.predictions, options)
    headline = {
        scored: found for scored, found in known.resampled.items() if scored[1] == groups[scored[0]].headline
    }
    return Reading(run, groups, table, known.comparisons, headline)


def short(path: str) -> str:
    """The last part of a path."""
    return Path(path.rstrip("/")).name or path


def short_names(backbones: Iterable[str]) -> dict[str, str]:
    """The last part of each backbone's path; the whole path where another ends alike."""
    ends = {backbone: short(backbone) for backbone in backbones}
    alike = Counter(ends.values())
    return {backbone: end if alike[end] == 1 else backbone for backbone, end in ends.items()}


def _columns(groups: Collection[Group]) -> tuple[str, ...]:
    """The default columns that the run has, and the headline metrics that are not among them."""
    default, known = tables.DEFAULT_COLUMNS[tables.BY_TASK], metric_names(groups)
    scores = [name for name in default if name in known or (not known and name not in MEASURES)]
    more = dict.fromkeys(group.headline for group in groups if group.done and group.headline not in default)
    return (*scores, *more, *(name for name in default if name in MEASURES))

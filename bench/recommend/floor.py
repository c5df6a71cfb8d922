"""The honest floor: a linear model on TF-IDF, without an encoder, on the rows that the strategies had.

Where a run has such cells (`probe` on `tfidf`), the floor is theirs; else it is fitted here, by the same code
(`bench/models/counts.py`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.groups import Group, Key, collapsed, gather, scale
from bench.analysis.loading import Run
from bench.analysis.statistics.error_bars import error_bar, of_differences
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.scales import SHARE, Scale
from bench.analysis.tables.number_format import interval, number
from bench.analysis.tables.shown import IN_PERCENT, by_rows, shown
from bench.contracts import Cell, Recipe, Splits, Task, TextExample
from bench.data.splits import identity, prepare
from bench.models.catalog import kind_of, reads
from bench.models.counts import Decoding, fit
from bench.registry import Registry
from bench.runs.record import Record

NAME = "TF-IDF"
STRATEGY, BACKBONE = "probe", "tfidf"
"""Of the floor's cells."""


@dataclass(frozen=True)
class Floor:
    """Its score, its seconds, and what each strategy's score has beyond its own; with 95% intervals. by_seed:
    what each seed has beyond it, of strategies of which some seeds learned nothing. scale: of the score."""

    score: Interval
    seconds: float
    gains: Mapping[Key, Interval]
    by_seed: Mapping[Key, Sequence[float]] = field(default_factory=dict)
    scale: Scale = SHARE

    def sentence(self, of: Key, name: str) -> str:
        """What strategy `of`, called `name`, brings beyond the floor."""
        start = (
            f"Floor: a linear model on {NAME}, without an encoder, has {self._scored()} on the same rows in "
            f"{self.seconds:.1f} s"
        )
        gain = self.gains[of]
        bar = error_bar(gain, of_differences(self.scale), self.by_seed.get(of, ()))
        size = f"{100 * abs(gain.mean):.1f} points {'BELOW' if gain.mean < 0 else 'above'} it"
        if bar.kind == "single":
            return (
                f"{start}; {name} is {size} with one seed (± {100 * bar.half:.1f} by the choice of rows alone); "
                "what another seed would bring is not known."
            )
        if bar.kind == "seeds":
            each = ", ".join(f"{100 * point:+.1f}" for point in bar.points)
            return f"{start}; the seeds of {name}, of which some learned nothing, differ from it by {each} points."
        low, high = bar.bounds or (gain.low, gain.high)
        between = f"{100 * low:.1f} to {100 * high:.1f}"
        if low > 0:
            return f"{start}; {name} is {size} ({between})."
        if high < 0:
            return f"{start}; {name} is {size} ({between}): use that instead."
        return f"{start}; that {name} is better is not known ({between} points)."

    def _scored(self) -> str:
        """Its score, which no seed changes: of one seed, what the choice of rows does to it."""
        bar = error_bar(self.score, self.scale)
        entry = shown(self.score.mean, bar)
        value = number(entry, IN_PERCENT)
        return (
            f"{value} ({by_rows(bar)})" if bar.kind == "single" else f"{value}{interval(entry, IN_PERCENT)}"
        )


def floor(cell: Cell, run: Run, registry: Registry) -> Floor | None:
    """The floor on the rows of a cell, against the strategies of `run` on the same task. None where the task has no
    one answer a text, where its rows have one label alone, where the run's own cells of it failed, or where it has
    none and each seed has training rows of its own."""
    task = registry.task(cell.task)
    if not reads(BACKBONE, task.head):
        return None
    groups = gather([record for record in run.records if record.cell.task == cell.task])
    own = [group for key, group in groups.items() if kind_of(key.backbone) == "counts"]
    others = {key: group for key, group in groups.items() if kind_of(key.backbone) != "counts"}
    source = Source(run.predictions)
    if own:
        done = own[0].done
        found = resample(own[0], own[0].headline, source) if done else None
        if found is None:
            return None
        return _against(others, source, lambda _: found, median(record.seconds.cold for record in done))
    if cell.draw is not None:
        return None
    began = time.perf_counter()
    rows = prepare(task, registry.sources, cell.recipe, cell.draw)
    if isinstance(rows.train[0], TextExample) and len({row.label for row in rows.train}) < 2:
        return None
    predictions = fitted(task, rows, cell.recipe)
    seconds = time.perf_counter() - began
    columns = _arrays(
        {
            "split": ["test"] * len(rows.test),
            **identity(rows.test),
            **task.columns(rows.test, predictions),
        }
    )
    return _against(others, source, lambda records: _same(records, columns), seconds)


def fitted(task: Task, rows: Splits, recipe: Recipe) -> list[Any]:
    """The predictions on the test rows."""
    labels = task.labels(rows.train)
    decoding = Decoding(task, rows, labels, recipe)
    model = fit(rows.train, labels, recipe, decoding.score)
    decoding = decoding.chosen_on(model.logits(rows.validation))
    return decoding.predictions(model.logits(rows.test), rows.test)


def _arrays(columns: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """Text columns as objects, others as numbers: as prediction files are read."""
    return {
        name: np.array(values, dtype=object if values and isinstance(values[0], str) else float)
        for name, values in columns.items()
    }


def _against(
    groups: Mapping[Key, Group],
    source: Source,
    floor_for: Callable[[Sequence[Record]], Resampled],
    seconds: float,
) -> Floor | None:
    """floor_for: the floor with the seeds of these records."""
    scored = {
        key: (group, found)
        for key, group in groups.items()
        if group.done and (found := resample(group, group.headline, source))
    }
    gains, by_seed = {}, {}
    for key, (group, found) in scored.items():
        gain = found.minus(floor_for(group.done))
        if gain is not None:
            gains[key] = gain.components()
            if collapsed(group):
                by_seed[key] = gain.scores.tolist()
    if not gains:
        return None
    group, _ = next(iter(scored.values()))
    every = {key: found.components() for key, (_, found) in scored.items()}
    key = Key(group.key.task, STRATEGY, BACKBONE)
    alone = intervals({**every, key: floor_for(group.done).components()})[key]
    return Floor(alone, seconds, intervals(gains), by_seed, scale([group], group.headline))


def _same(records: Sequence[Record], columns: dict[str, np.ndarray]) -> Resampled:
    """The floor as a group with the seeds of these records: whatever the seed, its predictions are the same."""
    twins = [
        record.model_copy(update={"cell": replace(record.cell, strategy=STRATEGY, backbone=BACKBONE)})
        for record in records
    ]
    (group,) = gather(twins).values()
    found = resample(group, group.headline, Source(lambda _: columns))
    assert found is not None
    return found

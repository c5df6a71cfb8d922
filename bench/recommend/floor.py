"""The honest floor: logistic regression on TF-IDF, without an encoder, on the rows that the strategies had.

TF-IDF of words and pairs of words with sublinear counts, and a penalty chosen on the validation rows: the baseline
of Wang & Manning (2012, ACL) and of most papers on text classification. Where a text has no blanks, characters
stand for words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.contracts import Cell, Splits, Task, TextExample
from bench.data.splits import content, prepare, training_subset
from bench.recommend.linear import Predict, fit
from bench.registry import Registry
from bench.runs.record import Record

NAME = "TF-IDF"
INVERSE_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
MOST = 200_000  # words and pairs of words
SEARCHED = 5_000  # training rows, at most, that the penalty is chosen with
FEW_WORDS = 3  # words a text, below which characters stand for them


@dataclass(frozen=True)
class Floor:
    """Its score, its seconds, and what each strategy's score has beyond its own; with 95% intervals."""

    score: Interval
    seconds: float
    gains: Mapping[Key, Interval]

    def sentence(self, of: Key, name: str) -> str:
        """What strategy `of`, called `name`, brings beyond the floor."""
        start = (
            f"Floor: logistic regression on {NAME}, without an encoder, has {100 * self.score.mean:.1f} ± "
            f"{100 * self.score.half:.1f} on the same rows in {self.seconds:.1f} s"
        )
        gain = self.gains[of]
        interval = f"{100 * gain.low:.1f} to {100 * gain.high:.1f}"
        if gain.low > 0:
            return f"{start}; {name} is {100 * gain.mean:.1f} points above it ({interval})."
        if gain.high < 0:
            return (
                f"{start}; {name} is {-100 * gain.mean:.1f} points BELOW it ({interval}): use that instead."
            )
        return f"{start}; that {name} is better is not known ({interval} points)."


def floor(cell: Cell, run: Run, registry: Registry) -> Floor | None:
    """The floor on the rows of a cell, against the strategies of `run` on the same task. None where the task is not
    about one label a text, or has one label alone."""
    task = registry.task(cell.task)
    if task.head != "pooled":
        return None
    began = time.perf_counter()
    rows = prepare(task, registry.sources, cell.recipe, cell.draw)
    if isinstance(rows.train[0], TextExample) and len({row.label for row in rows.train}) < 2:
        return None
    predictions = _fitted(task, rows)
    seconds = time.perf_counter() - began
    columns = {"id": [row.id for row in rows.test], **task.columns(rows.test, predictions)}
    columns = {"split": ["test"] * len(rows.test), **columns}
    groups = gather([record for record in run.records if record.cell.task == cell.task])
    return _against(groups, Source(run.predictions), _arrays(columns), seconds)


def _fitted(task: Task, rows: Splits) -> list[Any]:
    """The predictions on the test rows of the model that scores best on the validation rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = median(len(content(row).split()) for row in rows.train)
    if words >= FEW_WORDS:
        vectors = TfidfVectorizer(
            sublinear_tf=True, token_pattern=r"(?u)\w+", ngram_range=(1, 2), max_features=MOST
        )
    else:
        vectors = TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3), max_features=MOST)
    vectors.fit([content(row) for row in rows.train])

    def features(part: Sequence[Any]) -> Any:
        return vectors.transform([content(row) for row in part])

    def fitted(strength: float, part: Sequence[Any]) -> Predict:
        return fit(features(part), part, strength)

    def score(model: Predict) -> float:
        return task.score(rows.validation, model(features(rows.validation)))[task.headline]

    few = training_subset(rows.train, SEARCHED)
    tried = {strength: fitted(strength, few) for strength in INVERSE_PENALTIES}
    best = max(tried, key=lambda strength: score(tried[strength]))
    model = tried[best] if len(few) == len(rows.train) else fitted(best, rows.train)
    return model(features(rows.test))


def _arrays(columns: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """Text columns as objects, others as numbers: as prediction files are read."""
    return {
        name: np.array(values, dtype=object if values and isinstance(values[0], str) else float)
        for name, values in columns.items()
    }


def _against(
    groups: Mapping[Key, Group], source: Source, columns: dict[str, np.ndarray], seconds: float
) -> Floor | None:
    scored = {
        key: (group, found)
        for key, group in groups.items()
        if group.done and (found := resample(group, group.headline, source))
    }
    gains = {}
    for key, (group, found) in scored.items():
        gain = found.minus(_same(group.done, columns))
        if gain is not None:
            gains[key] = gain.components()
    if not gains:
        return None
    group, _ = next(iter(scored.values()))
    alone = intervals({NAME: _same(group.done[:1], columns).components()})[NAME]
    return Floor(alone, seconds, intervals(gains))


def _same(records: Sequence[Record], columns: dict[str, np.ndarray]) -> Resampled:
    """The floor as a group with the seeds of these records: whatever the seed, its predictions are the same."""
    twins = [
        record.model_copy(update={"cell": replace(record.cell, strategy=NAME, backbone="none")})
        for record in records
    ]
    (group,) = gather(twins).values()
    found = resample(group, group.headline, Source(lambda _: columns))
    assert found is not None
    return found

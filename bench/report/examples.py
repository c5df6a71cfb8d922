"""The hardest test examples of a task, with the predictions of every strategy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.entities import spans
from bench.analysis.groups import Group
from bench.analysis.loading import Columns
from bench.analysis.statistics.metrics import ratios_of
from bench.analysis.statistics.resampling import definition
from bench.contracts import QuestionExample, WordsExample
from bench.data.rows import cached_rows
from bench.report.reading import Reading
from bench.runs.record import Record

MOST = 8
LONGEST = 600  # characters of a text


@dataclass(frozen=True)
class Said:
    """A strategy's majority prediction over its seeds, the number of seeds that gave it, and their mean score."""

    strategy: str
    label: str
    prediction: str
    times: int
    seeds: int
    score: float


@dataclass(frozen=True)
class Hard:
    """An example. text: '' where the task's rows are not in the cache. score: its mean score over all cells."""

    id: str
    text: str
    reference: str
    score: float
    said: tuple[Said, ...]

    @property
    def unanimous(self) -> bool:
        """Whether every strategy gives the same answer with every seed."""
        return len({said.prediction for said in self.said}) == 1 and all(
            said.times == said.seeds for said in self.said
        )


@dataclass(frozen=True)
class _Scored:
    """A finished seed on the shared examples: its predictions as text and its scores, each [examples]."""

    predictions: np.ndarray
    scores: np.ndarray


def hardest(reading: Reading, task: str, cache: Path, most: int = MOST) -> list[Hard]:
    """The examples with the lowest mean score over all strategies and seeds, lowest first; among equal scores,
    those with the most different answers come first.

    Only cells that were scored on the same examples count; [] where there are no such predictions."""
    ids, references, scored = _scored(reading, task)
    everything = [item for members in scored.values() for item in members]
    if not everything:
        return []
    mean = np.mean([item.scores for item in everything], axis=0)
    answers = np.array([item.predictions for item in everything], dtype=object)
    variety = np.array([len(set(answers[:, place])) for place in range(len(ids))])
    order = [int(place) for place in np.lexsort((-variety, np.round(mean, 9)))[:most]]
    data = next(record.data for group in scored for record in reading.groups[group].done)
    version = data.task_version if data else 0
    examples = cached_rows(task.partition("@")[0], version, [ids[place] for place in order], cache)
    return [
        Hard(
            ids[place],
            text_of(examples.get(ids[place])),
            readable(references[place], examples.get(ids[place])),
            float(mean[place]),
            tuple(
                _said(reading.groups[key], reading.label(key), members, place, examples.get(ids[place]))
                for key, members in scored.items()
            ),
        )
        for place in order
    ]


def _scored(reading: Reading, task: str) -> tuple[list[str], list[str], dict[Any, list[_Scored]]]:
    """The ids and references of the task's examples, and the seeds of every group on them."""
    ids: list[str] = []
    references: list[str] = []
    found: dict[Any, list[_Scored]] = {}
    for group in reading.examined(task):
        for record in group.done:
            rows = reading.columns(record)
            if rows is None or "prediction" not in rows or "reference" not in rows:
                continue
            if not ids:
                ids = [str(value) for value in rows["id"]]
                references = [str(value) for value in rows["reference"]]
            if [str(value) for value in rows["id"]] == ids:
                item = _Scored(rows["prediction"].astype(str), example_scores(record, rows))
                found.setdefault(group.key, []).append(item)
    return ids, references, found


def example_scores(record: Record, rows: Columns) -> np.ndarray:
    """The headline score of each single example [examples]; for an F1 over labels, whether it is correct; for a
    correlation, one less its error as a share of the largest."""
    how = definition(record, record.headline)
    if how is None or how.kind in ("macro_f1", "class_f1", "sets_f1", "mcc"):
        return (rows["reference"] == rows["prediction"]).astype(float)
    if how.kind in ("pearson", "spearman"):
        errors = np.abs(rows["gold"].astype(float) - rows["predicted"].astype(float))
        return 1 - errors / max(float(errors.max(initial=0.0)), 1e-9)
    found = ratios_of(record, how, rows)
    over, under = found.numerators[:, 0], found.denominators[:, 0]
    return np.divide(over, under, out=np.ones(len(over)), where=under > 0)


def _said(group: Group, label: str, members: list[_Scored], place: int, example: Any) -> Said:
    majority, times = Counter(str(item.predictions[place]) for item in members).most_common(1)[0]
    scores = [float(item.scores[place]) for item in members]
    return Said(
        group.key.strategy,
        label,
        readable(majority, example),
        times,
        len(members),
        sum(scores) / len(scores),
    )


def text_of(example: Any) -> str:
    """The text that a model reads of an example, shortened where it is long; '' for None."""
    if example is None:
        return ""
    if isinstance(example, WordsExample):
        text = " ".join(example.words)
    elif isinstance(example, QuestionExample):
        text = f"{example.question} — {_around(example)}"
    else:
        text = f"{example.text} — {example.pair}" if example.pair else example.text
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _around(example: QuestionExample) -> str:
    """The context, or the part of it around the first answer."""
    first = example.answers[0][1] if example.answers else 0
    start = max(0, first - LONGEST // 2)
    part = example.context[start : start + LONGEST - len(example.question)]
    return f"{'… ' if start else ''}{part}"


def readable(value: str, example: Any) -> str:
    """A reference or prediction as people read it: entities with their words instead of one tag a word."""
    if not isinstance(example, WordsExample):
        return value
    found = spans(value)
    shown = [
        f"{kind}: {' '.join(example.words[start:end])}" for kind, start, end in sorted(found, key=_start)
    ]
    return "; ".join(shown) or "no entity"


def _start(span: tuple[str, int, int]) -> int:
    return span[1]

"""The results of a run as pandas frames, and its table for a notebook. Imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.tables import build as tables
from bench.analysis.tables import model
from bench.analysis.tables.formats import render
from bench.runs.folder import Store
from bench.runs.record import Record
from bench.text import counted

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Results:
    """A run, finished or not. records: of its cells, as the run's folder has them."""

    path: Path
    records: Sequence[Record]

    def frame(self) -> pandas.DataFrame:
        """A row a cell: task, strategy, backbone, seed, status, each score as `test.accuracy`, seconds by part,
        peak_memory in bytes, trainable and all parameters."""
        import pandas

        return pandas.DataFrame([_row(record) for record in self.records])

    def curve(self) -> pandas.DataFrame:
        """A row an evaluation on the validation split: step, epoch, seconds, losses and score."""
        import pandas

        rows = [
            {**_names(record), **dataclasses.asdict(point)}
            for record in self.records
            for point in record.curve
        ]
        return pandas.DataFrame(rows)

    def predictions(self) -> pandas.DataFrame:
        """A row a test example and finished cell: split, id, reference, prediction and what metrics need.

        Raises BenchError where a file is damaged."""
        import pandas

        store = Store(self.path)
        frames = []
        for record in self.records:
            if record.status == "done":
                frame = store.predictions(record.cell.id).to_pandas()
                for place, (name, value) in enumerate(_names(record).items()):
                    frame.insert(place, name, value)
                frames.append(frame)
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def __repr__(self) -> str:
        done = sum(record.status == "done" for record in self.records)
        return f"{self.path}: {done} of {counted(len(self.records), 'cell')} done"


class Table:
    """Scores with 95% intervals, ties, times: HTML in a notebook, Markdown as text.

    rows: `task,strategy,backbone`, or `strategy,backbone` for tasks side by side."""

    def __init__(self, results: Results, rows: str = "task,strategy,backbone", metric: str = "") -> None:
        store = Store(results.path)
        options = tables.TableOptions(tuple(rows.split(",")), (), metric, planned=tuple(store.planned()))
        self.table: model.Table = tables.build(results.records, store.predictions, options)

    def frame(self) -> pandas.DataFrame:
        """A row a row; a column a measure, scores in [0, 1], and `<measure> ±` for half an interval; of one that is
        not symmetric `<measure> low` and `<measure> high`."""
        import pandas

        rows = []
        for block in self.table.blocks:
            for row in block.rows:
                values: dict[str, Any] = {"task": block.title} if self.table.title else {}
                values |= dict(zip(self.table.headings, row.labels, strict=True))
                for column, entry in zip(self.table.columns, row.entries, strict=True):
                    values[column.key] = entry.value
                    if column.unit in ("score", "error") or entry.spread is not None:
                        values[f"{column.key} ±"] = None if entry.bounds else entry.spread
                    if entry.bounds:
                        values[f"{column.key} low"], values[f"{column.key} high"] = entry.bounds
                rows.append(values)
        return pandas.DataFrame(rows)

    def __str__(self) -> str:
        return render(self.table, "md")

    def _repr_html_(self) -> str:
        return render(self.table, "html")


def _names(record: Record) -> dict[str, Any]:
    cell = record.cell
    return {"task": cell.task, "strategy": cell.strategy, "backbone": cell.backbone, "seed": cell.seed}


def _row(record: Record) -> dict[str, Any]:
    scores = {
        f"{test}.{name}": value for test, found in record.scores.items() for name, value in found.items()
    }
    return {
        **_names(record),
        "status": record.status,
        "reason": record.reason,
        **scores,
        **record.seconds.model_dump(),
        "peak_memory": record.peak_memory,
        "trainable": record.trainable,
        "parameters": record.parameters,
    }

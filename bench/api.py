"""Runs and results from a notebook or a script, as pandas frames. Imports no torch."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from bench import suite as suites
from bench.analysis.tables import build as tables
from bench.analysis.tables import model
from bench.analysis.tables.formats import render
from bench.cli.display import Display
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.registry import Registry, discover
from bench.runs.folder import RUNS, Store, open_run
from bench.runs.record import Record

if TYPE_CHECKING:
    import pandas


class Choice(TypedDict, total=False):
    """A part of a suite; what is left out means all."""

    tasks: Sequence[str]
    strategies: Sequence[str]
    backbones: Sequence[str]
    seeds: int


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
        return f"{self.path}: {done} of {len(self.records)} cells done"


class Table:
    """Scores with 95% intervals, ties, times: HTML in a notebook, Markdown as text.

    rows: `task,strategy,backbone`, or `strategy,backbone` for tasks side by side."""

    def __init__(self, results: Results, rows: str = "task,strategy,backbone", metric: str = "") -> None:
        options = tables.TableOptions(tuple(rows.split(",")), (), metric, "")
        self.table: model.Table = tables.build(results.records, Store(results.path).predictions, options)

    def frame(self) -> pandas.DataFrame:
        """A row a row; a column a measure, scores in [0, 1], and `<measure> ±` for half an interval."""
        import pandas

        rows = []
        for block in self.table.blocks:
            for row in block.rows:
                values: dict[str, Any] = {"task": block.title} if self.table.title else {}
                values |= dict(zip(self.table.headings, row.labels, strict=True))
                for column, entry in zip(self.table.columns, row.entries, strict=True):
                    values[column.key] = entry.value
                    if column.unit == "score":
                        values[f"{column.key} ±"] = entry.spread
                rows.append(values)
        return pandas.DataFrame(rows)

    def __str__(self) -> str:
        return render(self.table, "md")

    def _repr_html_(self) -> str:
        return render(self.table, "html")


def run(
    suite: str,
    out: str | Path | None = None,
    settings: Sequence[str] = (),
    options: Options | None = None,
    **choice: Unpack[Choice],
) -> Results:
    """Run a suite, or the chosen part of it; finished cells are kept. Shows its progress on stderr.

    suite: a built-in name or a TOML file. out: the run folder, results/runs/SUITE. settings: as
    `recipe.epochs=2`. options: device, executor, plug-in files ... Raises BenchError where the request is wrong;
    a cell that cannot be run is a record with its reason."""
    from rich.console import Console

    options = options or Options()
    plugins = discover(options.plugin_files)
    chosen = suites.load(suite, settings)
    filters = suites.Filters(
        tuple(choice.get("tasks", ())),
        tuple(choice.get("strategies", ())),
        tuple(choice.get("backbones", ())),
        choice.get("seeds"),
    )
    cells = suites.cells(chosen, plugins, filters)
    folder = Path(out) if out else RUNS / chosen.name
    display = Display(Console(file=sys.stderr))
    records = launch(cells, Registry(plugins, Sources(local=chosen.data.local)), folder, options, display)
    return Results(folder, records)


def load(path: str | Path) -> Results:
    """An earlier run, by its folder or by its name under results/runs. BenchError where there is none."""
    store = open_run(Path(path))
    return Results(store.path, store.records())


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

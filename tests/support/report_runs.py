"""Made-up runs for the report: any number of cells, with curves, predictions and cached rows.

`python -m tests.support.report_runs FOLDER --cells 500` writes one as a run folder, to measure the report on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.loading import Columns, Run
from bench.analysis.statistics.metrics import ratios
from bench.contracts import Cell, Metric, Recipe, Splits, TextExample
from bench.data.rows import cached_splits
from bench.runs.curve import Point
from bench.runs.folder import Store
from bench.runs.record import Data, Machine, Record, Seconds

METRICS = (Metric("accuracy", "mean", ("correct",)), Metric("f1", "macro_f1"))
HOSTILE = (
    "<script>document.title='taken'</script>",
    "\"quoted\" & 'single' <b>bold</b>",
    "שלום \u202eworld",
    "</script><img src=x onerror=\"document.title='taken'\">",
)
SKILL = {"frozen": 0.62, "top-layers": 0.78, "full": 0.8, "gradual": 0.79, "lp-ft": 0.8, "scratch": 0.35}
COST = {"frozen": 2.0, "top-layers": 6.0, "full": 12.0, "gradual": 11.0, "lp-ft": 9.0, "scratch": 12.5}


@dataclass(frozen=True)
class Grid:
    """What a made-up run has."""

    tasks: tuple[str, ...] = ("reviews", "news")
    strategies: tuple[str, ...] = ("frozen", "top-layers", "full", "scratch")
    backbones: tuple[str, ...] = ("minilm",)
    seeds: int = 3
    examples: int = 80
    points: int = 5
    labels: tuple[str, ...] = ("neg", "pos", "mixed")
    domains: tuple[str, ...] = ()

    def cells(self) -> list[Cell]:
        recipe = Recipe(epochs=2, max_length=64, shift=bool(self.domains))
        return [
            Cell("made", task, strategy, backbone, seed, recipe)
            for task in self.tasks
            for backbone in self.backbones
            for strategy in self.strategies
            for seed in range(self.seeds)
        ]


def make_run(grid: Grid = Grid()) -> Run:
    """The run in memory. A strategy is right with the chance in SKILL; examples differ in difficulty."""
    records, files = [], {}
    for number, cell in enumerate(grid.cells()):
        rng = np.random.default_rng(number)
        parts = {test: _rows(grid, cell, test, rng) for test in ("test", *grid.domains)}
        records.append(_record(grid, cell, parts, rng))
        files[cell.id] = {
            name: np.concatenate([part[name] for part in parts.values()])
            for name in next(iter(parts.values()))
        }
    return Run("made", records, files.__getitem__)


def save_run(run: Run, folder: Path) -> Store:
    """The run as a folder."""
    store = Store(folder)
    store.begin("made", [record.cell.id for record in run.records])
    for record in run.records:
        whole = run.predictions(record.cell.id)
        tests = {}
        for test in record.scores:
            chosen = whole["split"] == test
            columns = {name: list(values[chosen]) for name, values in whole.items() if name != "split"}
            tests[test] = {**columns, "correct": [float(value) for value in columns["correct"]]}
        store.save(record, tests)
    return store


def save_rows(grid: Grid, texts: Sequence[str], cache: Path) -> None:
    """The rows of the run's tasks in the cache: example n has text n, again and again."""
    for task in grid.tasks:
        rows = [
            TextExample(f"{task}-{number}", texts[number % len(texts)], label)
            for number, label in enumerate(_references(grid, task))
        ]
        cached_splits(task, 1, lambda rows=rows: Splits(rows[:1], rows[1:2], rows), cache)


def _references(grid: Grid, task: str) -> list[str]:
    rng = np.random.default_rng(len(task))
    return [grid.labels[place] for place in rng.integers(0, len(grid.labels), grid.examples)]


def _rows(grid: Grid, cell: Cell, test: str, rng: np.random.Generator) -> Columns:
    reference = np.array(_references(grid, cell.task), dtype=object)
    difficulty = np.random.default_rng(7).random(grid.examples)
    skill = SKILL.get(cell.strategy, 0.7) - (0.15 if test != "test" else 0.0)
    right = 0.85 * difficulty + 0.15 * rng.random(grid.examples) < skill
    shifted = {label: grid.labels[(place + 1) % len(grid.labels)] for place, label in enumerate(grid.labels)}
    other = np.array([shifted[label] for label in reference], dtype=object)
    return {
        "split": np.full(grid.examples, test, dtype=object),
        "id": np.array([f"{cell.task}-{number}" for number in range(grid.examples)], dtype=object),
        "reference": reference,
        "prediction": np.where(right, reference, other),
        "correct": right.astype(float),
    }


def _record(grid: Grid, cell: Cell, parts: dict[str, Columns], rng: np.random.Generator) -> Record:
    scores = {
        test: {item.name: ratios(item, rows).score() for item in METRICS} for test, rows in parts.items()
    }
    cost = COST.get(cell.strategy, 5.0) * (1 + 0.05 * rng.random())
    seconds = Seconds(prepare=0.5, prefix=0.2, train=cost, evaluate=0.3, cold=cost + 1)
    best = scores["test"]["accuracy"]
    curve = [
        Point(
            step=10 * (place + 1),
            epoch=2 * (place + 1) / grid.points,
            seconds=cost * (place + 1) / grid.points,
            phase=1,
            train_loss=1 / (place + 1),
            loss=1 / (place + 1),
            score=best * (1 - 0.5 ** (place + 1)),
        )
        for place in range(grid.points)
    ]
    return Record(
        cell=cell,
        fingerprint=f"{abs(hash(cell.id)):016x}"[:16],
        status="done",
        adapter="classification",
        headline="accuracy",
        metrics=METRICS,
        scores=scores,
        curve=tuple(curve),
        seconds=seconds,
        peak_memory=400 * 2**20,
        trainable=1 + list(COST).index(cell.strategy) if cell.strategy in COST else 3,
        parameters=1000,
        data=Data(
            fingerprint="rows",
            task_version=1,
            sizes={"train": 500, "validation": 100, "test": grid.examples},
            labels=grid.labels,
            majority={"accuracy": 0.34, "f1": 0.2},
        ),
        machine=Machine(
            device="cpu",
            dtype="float32",
            threads=2,
            processor="Example CPU",
            system="Linux",
            commit="abc1234",
        ),
        started="2026-01-01T00:00:00Z",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=500)
    arguments: Any = parser.parse_args()
    strategies = tuple(SKILL)[:5]
    tasks = tuple(f"task-{number}" for number in range(-(-arguments.cells // (len(strategies) * 10))))
    grid = Grid(tasks, strategies, ("minilm", "glove"), seeds=5, examples=400, points=20)
    save_run(make_run(grid), arguments.folder)
    print(f"{arguments.folder}: {len(grid.cells())} cells")


if __name__ == "__main__":
    main()

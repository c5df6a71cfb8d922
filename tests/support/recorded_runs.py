"""Runs as they happened, kept small: when each cell ended, and its seconds by part.

`python -m tests.support.recorded_runs RUN > tests/fixtures/NAME.json` keeps a finished run folder. One worker must
have run every cell, in turn."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.contracts import Cell, Recipe
from bench.runs.folder import Store
from bench.runs.record import Machine, Record, Seconds

PARTS = ("prepare", "prefix", "compile", "train", "evaluate", "tune")
FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True)
class Happened:
    """A cell's record, and the seconds from the start of the run at which it began and ended. first: of its
    group, so that reading rows and loading the backbone are in these seconds."""

    record: Record
    start: float
    end: float
    first: bool

    @property
    def wall(self) -> float:
        return self.end - self.start


def load(name: str) -> list[Happened]:
    """A recorded run, in the order in which its cells ended."""
    value = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    recipes = {task: Recipe(**fields) for task, fields in value["recipes"].items()}
    machine = Machine(**value["machine"])
    found: list[Happened] = []
    groups: set[tuple[str, str]] = set()
    before = 0.0
    for cell_id, end, *parts in value["cells"]:
        task, strategy, backbone, seed = cell_id.split("/")
        cell = Cell(value["suite"], task, strategy, backbone, int(seed.removeprefix("seed")), recipes[task])
        took = Seconds(**dict(zip(PARTS, parts, strict=True)), cold=sum(parts[:-1]))
        record = Record(
            cell=cell,
            fingerprint="",
            status="done",
            headline="accuracy",
            scores={"test": {"accuracy": 0.5}},
            seconds=took,
            machine=machine,
        )
        found.append(Happened(record, before, end, (task, backbone) not in groups))
        groups.add((task, backbone))
        before = end
    return found


def rows(name: str) -> dict[str, tuple[int, int, int]]:
    """Rows of training, validation and test that each task of a recorded run had, as a launch counts them."""
    value = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return {task: (train, validation, test) for task, (train, validation, test) in value["rows"].items()}


def dump(run: Path) -> str:
    """A run folder as a recorded run, one cell a line."""
    store = Store(run)
    ended = {record.cell.id: store.record_path(record.cell.id).stat().st_mtime for record in store.records()}
    records = sorted(store.records(), key=lambda record: ended[record.cell.id])
    began = datetime.fromisoformat(records[0].started).timestamp()
    machine = records[0].machine
    assert machine is not None
    kept = machine.model_dump(include={"device", "dtype", "threads", "processor", "system", "rate"})
    recipes = {record.cell.task: _changed(record.cell.recipe) for record in records}
    cells = [
        json.dumps([record.cell.id, *(round(x, 3) for x in (ended[record.cell.id] - began, *_parts(record)))])
        for record in records
    ]
    head = json.dumps({"suite": store.suite(), "machine": kept, "recipes": recipes}, indent=1)
    return head.removesuffix("\n}") + ',\n "cells": [\n  ' + ",\n  ".join(cells) + "\n ]\n}\n"


def _changed(recipe: Recipe) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    usual = asdict(Recipe())
    return {name: value for name, value in asdict(recipe).items() if value != usual[name]}


def _parts(record: Record) -> list[float]:
    return [getattr(record.seconds, part) for part in PARTS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    print(dump(parser.parse_args().run), end="")

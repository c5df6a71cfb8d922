"""What a cell pays before it trains, part by part, for each task of a suite; beside an older checkout, if one is
given.

Every measurement is a process of its own. Checkouts take turns, so that whatever else the machine does falls on
all of them alike. Seconds are of the CPU, which a busy machine changes little; numbers are medians."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError, Cell
from bench.engine.machine import choose_device, describe
from bench.profiling import prepare_once
from bench.profiling.request import Request
from bench.registry import Registry
from bench.runs.provenance import ROOT

ROUNDS = 3  # that count; one before them fills caches
THREADS = 1
"""CPU threads of a process where the user names no number."""
COLUMNS = (
    Column("rows", "read rows", "milliseconds"),
    Column("hashes", "hash them", "milliseconds"),
    Column("tokens", "tokenise", "milliseconds"),
    Column("encoder", "load encoder", "milliseconds"),
    Column("model", "set up model", "milliseconds"),
    Column("rest", "the rest", "milliseconds"),
    Column("whole", "prepare", "milliseconds"),
    Column("wall", "on the clock", "milliseconds"),
    Column("ratio", "× the older", "times"),
)
PARTS = ("rows", "hashes", "tokens", "encoder", "model")


@dataclass
class Line:
    """A task in a checkout. turns: seconds by column, one entry a process."""

    cell: Cell
    checkout: Path
    name: str
    turns: list[dict[str, float]] = field(default_factory=list)

    def seconds(self, column: str) -> float:
        """The median of a column; what is of no part is `rest`. 0 where a part never ran."""
        return median(
            map(_rest, self.turns) if column == "rest" else (t.get(column, 0.0) for t in self.turns)
        )


def profile(request: Request, against: Path | None = None) -> Table:
    """The tasks of the request, or all that its suite trains an encoder on. against: the root of another checkout
    of this project. BenchError where a name is unknown, or a process fails."""
    checkouts = [ROOT, *([_checkout(against)] if against else [])]
    cells, registry = request.each_task()
    _check_backbone(cells, registry)
    names = {path: _name(path) for path in checkouts}
    lines = [Line(cell, path, names[path]) for cell in cells for path in checkouts]
    for number in range(1 + ROUNDS):
        for line in lines if number % 2 == 0 else lines[::-1]:
            found = _once(line, request, registry.sources.local)
            said = f"{found['whole']:.2f} s" if number else "caches are filled"
            print(f"{line.name}, {line.cell.task}: {said}", file=sys.stderr, flush=True)
            if number:
                line.turns.append(found)
    return table(lines, machine_fingerprint(describe(choose_device(request.device, _threads(request)))))


def table(lines: Sequence[Line], machine: str) -> Table:
    """A block a task, a row a checkout. Of two, the first is this one."""
    blocks, first = [], lines[0].cell
    single = all(line.cell.strategy == first.strategy for line in lines)
    for cell in dict.fromkeys(line.cell for line in lines):
        rows = [line for line in lines if line.cell == cell]
        base = rows[-1].seconds("whole") if len(rows) > 1 else None
        title = cell.task if single else f"{cell.task}, {cell.strategy}"
        blocks.append(Block(title, tuple(_row(line, base) for line in rows)))
    return Table(
        f"What a cell on {first.backbone} takes before it trains",
        ("checkout",),
        COLUMNS,
        tuple(blocks),
        (
            f"Milliseconds of CPU time, all threads; medians of {len(lines[0].turns)} new processes, in "
            "turns. Each has imported the libraries and loaded the encoder once; the rows are in the local cache, "
            "as in a run. On the clock: what passed meanwhile.",
            f"Machine: {machine}.",
        ),
        "task",
    )


def _row(line: Line, base: float | None) -> Row:
    values: dict[str, float | None] = {
        column.name: 1000 * line.seconds(column.name) for column in COLUMNS if column.unit == "milliseconds"
    }
    values["ratio"] = line.seconds("whole") / base if base else None
    return Row((line.name,), tuple(Entry(values[column.name]) for column in COLUMNS))


def _rest(turn: dict[str, float]) -> float:
    return turn["whole"] - sum(turn.get(part, 0.0) for part in PARTS)


def _once(line: Line, request: Request, local: Path | None) -> dict[str, float]:
    """Prepare the cell of a line in a new process. local: the folder of data sets that stands in for the hub."""
    given = {
        "task": line.cell.task,
        "strategy": line.cell.strategy,
        "backbone": line.cell.backbone,
        "options": line.cell.options,
        "recipe": _changed(line.cell),
        "local": os.fspath(local) if local else None,
        "device": request.device,
        "threads": _threads(request),
        "plugins": [os.fspath(path.resolve()) for path in request.plugin_files],
    }
    environment = os.environ | {"PYTHONPATH": os.fspath(line.checkout)}
    command = [sys.executable, "-P", os.fspath(prepare_once.__file__), json.dumps(given)]
    done = subprocess.run(command, env=environment, cwd=line.checkout, capture_output=True, text=True)
    said = done.stdout.strip().splitlines()
    if done.returncode or not said:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BenchError(f"{line.name}, {line.cell.task}: {last[:300]}", code="unfinished-cell")
    found: dict[str, Any] = json.loads(said[-1])
    if (seen := Path(found.pop("checkout"))) != line.checkout:
        raise BenchError(
            f"the process of {line.checkout} imported the program in {seen}: run it with a Python in which the "
            "program is not installed",
            code="wrong-checkout",
        )
    return found


def _threads(request: Request) -> int:
    return request.threads or THREADS


def _changed(cell: Cell) -> dict[str, Any]:
    """The fields of the recipe that are not at their default: an older checkout may lack others."""
    recipe = cell.recipe
    return {
        one.name: getattr(recipe, one.name)
        for one in dataclasses.fields(recipe)
        if getattr(recipe, one.name) != one.default
    }


def _checkout(path: Path) -> Path:
    found = path.resolve()
    if not (found / "bench" / "engine" / "group.py").is_file():
        raise BenchError(
            f"--against {path}: this is no checkout of the project, or too old a one; make one "
            f"with `git worktree add {path} COMMIT`",
            code="no-checkout",
        )
    return found


def _check_backbone(cells: Sequence[Cell], registry: Registry) -> None:
    """BenchError where the backbone or the strategy does not fit: before any process is started."""
    for cell in cells:
        registry.depth(cell.backbone)
        if reason := registry.incompatible(cell):
            raise BenchError(f"{cell.id}: {reason}", code="strategy-does-not-fit")


def _name(checkout: Path) -> str:
    """Of a checkout: its commit, with a plus where files differ from it; else its folder."""
    git = ["git", "-C", os.fspath(checkout)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
        )
    except OSError:  # there is no git
        return checkout.name
    if commit.returncode or not commit.stdout.strip():
        return checkout.name
    return commit.stdout.strip() + ("+" if status.stdout.strip() else "")

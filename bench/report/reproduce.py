"""Everything needed to repeat a run: a suite file, commands, versions, fingerprints."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bench.contracts import Cell, Recipe
from bench.runs.record import Record
from bench.runs.run_inputs import NOTHING, RunInputs


def suite_file(records: Sequence[Record], given: RunInputs = NOTHING) -> str:
    """A suite in TOML with exactly the cells of the records, whatever options the run was started with."""
    cells = [record.cell for record in records]
    seeds = 1 + max(cell.seed for cell in cells)
    lines = [f"name = {_toml(cells[0].suite)}", f"seeds = {seeds}"]
    if given.local:
        lines += ["", "[data]", f"local = {_toml(given.local)}"]
    tasks: dict[str, list[Cell]] = {}
    for cell in cells:
        tasks.setdefault(_task(cell), []).append(cell)
    for task, members in tasks.items():
        lines += ["", f"[tasks.{_key(task)}]", *_described(given.tasks.get(task, {})), *_terms(members)]
    options = {cell.strategy: cell.options for cell in cells if cell.options}
    for strategy, pairs in options.items():
        lines += [
            "",
            f"[strategies.{_key(strategy)}]",
            *(f"{name} = {_toml(value)}" for name, value in pairs),
        ]
    for (backbone, names), strategies in _grids(cells).items():
        lines += ["", "[[grid]]", f"strategies = {_toml(strategies)}", f"backbones = {_toml([backbone])}"]
        if len(names) < len(tasks):
            lines.append(f"tasks = {_toml(names)}")
    return "\n".join(lines) + "\n"


def commands(records: Sequence[Record], name: str, given: RunInputs = NOTHING) -> list[str]:
    """The commands that repeat the run."""
    plugins = [part for path in given.plugins for part in ("--plugin", path)]
    again = f"results/runs/{name}-again"
    return [
        *_installation(records),
        shlex.join(["python", "-m", "bench", "run", f"{name}.toml", *plugins, "--out", again]),
        shlex.join(["python", "-m", "bench", "report", again]),
    ]


def _installation(records: Sequence[Record]) -> list[str]:
    """Of the commit that ran last, or of the release where it was installed without a checkout."""
    machines = [record.machine for record in records if record.machine]
    commits = [machine.commit for machine in machines if machine.commit]
    releases = [found for machine in machines if (found := machine.versions.get("transferbench"))]
    if releases and not commits:
        return [f"pip install 'transferbench[report]=={releases[-1]}'"]
    return [*(f"git checkout {commit}" for commit in commits[-1:]), "make setup-report"]


def _task(cell: Cell) -> str:
    """The task without its size: `task` of `task@100`."""
    return cell.task.partition("@")[0]


def _described(values: Mapping[str, str | bool | list[str]]) -> list[str]:
    """The keys of a task that is made of files of data."""
    return [f"{name} = {_toml(value)}" for name, value in values.items()]


def _terms(cells: Sequence[Cell]) -> list[str]:
    """The keys of a task: its sizes and the recipe values that are not the default."""
    sizes = list(dict.fromkeys(size for cell in cells if (size := cell.task.partition("@")[2])))
    terms = [f"sizes = {_toml([int(s) if s.isdecimal() else s for s in sizes])}"] if sizes else []
    return terms + [
        f"{field.name} = {_toml(value)}"
        for field in dataclasses.fields(Recipe)
        if (value := getattr(cells[0].recipe, field.name)) != field.default and value is not None
        if not (sizes and field.name in ("train", "shots"))
    ]


def _grids(cells: Sequence[Cell]) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """The strategies by backbone and the exact tasks that they have."""
    tasks: dict[tuple[str, str], dict[str, None]] = {}
    for cell in cells:
        tasks.setdefault((cell.strategy, cell.backbone), {})[_task(cell)] = None
    grids: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (strategy, backbone), names in tasks.items():
        grids.setdefault((backbone, tuple(sorted(names))), []).append(strategy)
    return grids


def _toml(value: Any) -> str:
    """A JSON value is a TOML value, but for null and for objects, which recipes and options do not have."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else _toml(name)

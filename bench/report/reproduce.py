"""Everything needed to repeat a run: a suite file, commands, versions, fingerprints."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bench.contracts import Cell, Recipe
from bench.models import catalog
from bench.models.pooling import DEFAULT, family_pooling, own_pooling
from bench.protocol.choice import Place, section
from bench.runs.record import Record
from bench.runs.run_inputs import NOTHING, RunInputs
from bench.suite import OWN
from bench.text import first_of

Row = tuple[str, str, str]
"""Task, strategy and backbone."""


def suite_file(records: Sequence[Record], given: RunInputs = NOTHING) -> str:
    """A suite in TOML with the cells of the records, whatever options the run was started with: with exactly these
    where there are no `departures`."""
    cells = [record.cell for record in records]
    tasks, grids = _by_task(cells), _grids(cells)
    every = {seeds for _, _, seeds in grids}
    lines = [f"name = {_toml(cells[0].suite)}"]
    if len(every) == 1:
        lines.append(f"seeds = {max(every)}")
    if given.local:
        lines += ["", "[data]", f"local = {_toml(given.local)}"]
    for task, members in tasks.items():
        lines += ["", f"[tasks.{_key(task)}]", *_described(given.tasks.get(task, {})), *_terms(members)]
    options = {cell.strategy: cell.options for cell in cells if cell.options}
    for strategy, pairs in options.items():
        lines += [
            "",
            f"[strategies.{_key(strategy)}]",
            *(f"{name} = {_toml(value)}" for name, value in pairs),
        ]
    for (backbone, names, seeds), strategies in grids.items():
        lines += ["", "[[grid]]", f"strategies = {_toml(strategies)}", f"backbones = {_toml([backbone])}"]
        if len(names) < len(tasks):
            lines.append(f"tasks = {_toml(names)}")
        if len(every) > 1:
            lines.append(f"seeds = {seeds}")
    text = "\n".join(lines) + "\n"
    scales = {place: scale for members in tasks.values() for place, scale in _scales(members).items()}
    return f"{text}\n{section(text, scales, {})}" if scales else text


def departures(records: Sequence[Record]) -> list[str]:
    """What of the cells no suite file can say, in words; there the file has one of the values."""
    cells = [record.cell for record in records]
    suites = list(dict.fromkeys(cell.suite for cell in cells))
    found = [f"cells of several suites ({', '.join(suites)})"] if len(suites) > 1 else []
    for task, members in _by_task(cells).items():
        if keys := _differing(members):
            found.append(f"{task}: cells with different {', '.join(keys)}")
        if len({cell.task for cell in members}) > 1 and any(cell.task == task for cell in members):
            found.append(f"{task}: cells with a size and without")
    options: dict[str, set[Any]] = {}
    for cell in cells:
        options.setdefault(cell.strategy, set()).add(cell.options)
    found += [f"{name}: cells with different options" for name, own in options.items() if len(own) > 1]
    return [*found, *_uneven(cells)]


def _by_task(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells of each task, in all of its sizes."""
    tasks: dict[str, list[Cell]] = {}
    for cell in cells:
        tasks.setdefault(_task(cell), []).append(cell)
    return tasks


def _differing(cells: Sequence[Cell]) -> list[str]:
    """The keys of a recipe that differ within a task where a suite has one value."""
    by_seed: dict[tuple[str, str, str], set[float]] = {}
    for cell in cells:
        by_seed.setdefault((cell.task, cell.strategy, cell.backbone), set()).add(cell.recipe.rate_scale)
    apart = {
        "rate_scale": any(len(scales) > 1 for scales in by_seed.values()),
        "pooling": _pooling(cells) is None,
        **({"train": False, "shots": False} if _sizes(cells) else {}),
    }
    return [
        field.name
        for field in dataclasses.fields(Recipe)
        if apart.get(field.name, len({getattr(cell.recipe, field.name) for cell in cells}) > 1)
    ]


def _uneven(cells: Sequence[Cell]) -> list[str]:
    """Which strategies have other seeds than the first, or not as many at every size of a task, and which lack a
    size."""
    seeds: dict[Row, dict[str, set[int]]] = {}
    for cell in cells:
        by_size = seeds.setdefault((_task(cell), cell.strategy, cell.backbone), {})
        by_size.setdefault(cell.task, set()).add(cell.seed)
    sizes = {task: {cell.task for cell in members} for task, members in _by_task(cells).items()}
    most = {row: set(range(1 + max(map(max, found.values())))) for row, found in seeds.items()}
    named = {
        "seeds with gaps, or not as many at every size": [
            row for row, found in seeds.items() if any(own != most[row] for own in found.values())
        ],
        "some of a task's sizes alone": [
            row for row, found in seeds.items() if found.keys() != sizes[row[0]]
        ],
    }
    return [f"{what} ({first_of(map('/'.join, rows))})" for what, rows in named.items() if rows]


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
    return [
        *(f"git checkout {commit}" for commit in commits[-1:]),
        "make setup-report",
        "source .venv/bin/activate",
    ]


def _task(cell: Cell) -> str:
    """The task without its size: `task` of `task@100`."""
    return cell.task.partition("@")[0]


def _described(values: Mapping[str, str | bool | list[str]]) -> list[str]:
    """The keys of a task that is made of files of data."""
    return [f"{name} = {_toml(value)}" for name, value in values.items()]


def _sizes(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(size for cell in cells if (size := cell.task.partition("@")[2])))


def _terms(cells: Sequence[Cell]) -> list[str]:
    """The keys of a task: its sizes and the recipe values that are not the default."""
    sizes, pooling, first = _sizes(cells), _pooling(cells), cells[0].recipe
    terms = [f"sizes = {_toml([int(s) if s.isdecimal() else s for s in sizes])}"] if sizes else []
    apart = {"pooling", *(("train", "shots") if sizes else ()), *(("rate_scale",) if _scales(cells) else ())}
    terms += [
        f"{field.name} = {_toml(value)}"
        for field in dataclasses.fields(Recipe)
        if (value := getattr(first, field.name)) != field.default and value is not None
        if field.name not in apart
    ]
    return terms if pooling == "" else [*terms, f"pooling = {_toml(pooling or first.pooling)}"]


def _scales(cells: Sequence[Cell]) -> dict[Place, float]:
    """The scales of a task's learning rates, where they differ: a suite's recipe has one for all."""
    if len({cell.recipe.rate_scale for cell in cells}) == 1:
        return {}
    found: dict[Place, float] = {}
    for cell in cells:
        found.setdefault((cell.task, cell.backbone, cell.strategy), cell.recipe.rate_scale)
    return {place: scale for place, scale in found.items() if scale != 1.0}


def _pooling(cells: Sequence[Cell]) -> str | None:
    """What a suite says of the pooling of a task: nothing where each encoder's family gives it; None where nothing
    that a suite can say does."""
    found = {cell.backbone: cell.recipe.pooling for cell in cells}
    if len({(cell.backbone, cell.recipe.pooling) for cell in cells}) > len(found):
        return None
    known = all(catalog.kind_of(name) != "encoder" or name in catalog.BACKBONES for name in found)
    if known and set(found.values()) == {DEFAULT}:
        return ""
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    if all(kind == family_pooling(name) for name, kind in found.items()):
        return ""
    return OWN if all(kind == own_pooling(name).kind for name, kind in found.items()) else None


def _grids(cells: Sequence[Cell]) -> dict[tuple[str, tuple[str, ...], int], list[str]]:
    """The strategies by backbone, the exact tasks that they have, and their number of seeds."""
    seeds: dict[Row, int] = {}
    for cell in cells:
        row = _task(cell), cell.strategy, cell.backbone
        seeds[row] = max(seeds.get(row, 0), cell.seed + 1)
    tasks: dict[tuple[str, str, int], list[str]] = {}
    for (task, strategy, backbone), count in seeds.items():
        tasks.setdefault((strategy, backbone, count), []).append(task)
    grids: dict[tuple[str, tuple[str, ...], int], list[str]] = {}
    for (strategy, backbone, count), names in tasks.items():
        grids.setdefault((backbone, tuple(sorted(names)), count), []).append(strategy)
    return grids


def _toml(value: Any) -> str:
    """A JSON value is a TOML value, but for objects, and for null, which recipes and options do not have."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_toml(str(name))} = {_toml(item)}' for name, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else _toml(name)

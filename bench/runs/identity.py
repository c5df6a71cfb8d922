"""The digest of everything but its rows that determines a cell's result. A cell runs again if and only if this
digest or that of its rows changes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bench.contracts import BenchError, Cell, Phase, Strategy, Task, digest, set_values
from bench.models import catalog

ENGINE = 2
"""Raised when the engine computes something else for the same cell."""

COMPUTES = {"masked-lm": "words of what is read", "lbfgs": "larger penalties while they are better"}
"""What the engine computes otherwise since, for phases with one of these objectives or solvers."""

DEPTHS = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32)


def fingerprint(cell: Cell, declares: list[Any], task: Task, weights: str, unlabelled: str = "") -> str:
    """The digest of the cell, of what its strategy declares (see `declared`), of its task's version and of the
    weights; not of the rows, whose own digest is in the record. weights: their identity. unlabelled: a digest of
    the text that the strategy reads besides the task's; '' where it reads none."""
    return digest(
        {
            "engine": ENGINE,
            "task": [
                task.name,
                task.version,
                task.origin or _source(type(task), "tasks"),
                *([task.scorer] if task.scorer else []),
            ],
            "recipe": dataclasses.replace(cell.recipe, unlabelled=""),
            "seed": cell.seed,
            "strategy": [cell.strategy, declares],
            "backbone": weights,
            "local": "",  # was the folder of data sets: left, so that digests stay as they are
            **({"unlabelled": unlabelled} if unlabelled else {}),
            **_corrected(cell),
        }
    )


def _corrected(cell: Cell) -> dict[str, str]:
    """What has been computed otherwise since ENGINE was raised last, for the cells that it concerns: they alone run
    again."""
    weighted = cell.recipe.class_weights == "balanced" and catalog.kind_of(cell.backbone) != "counts"
    return {"class_weights": "of rows"} if weighted and cell.recipe.windows != "none" else {}


def declared(strategy: Strategy) -> list[Any]:
    """All that a strategy declares: its phases at usual depths; what it inserts, as text with its options."""
    phases: list[Any] = []
    for depth in DEPTHS:
        try:
            phases.append([_plain(phase) for phase in strategy.checked_phases(depth)])
        except BenchError:
            phases.append(None)
    everyones = {f.name for f in dataclasses.fields(Strategy)}
    set_ones = {key: value for key, value in set_values(strategy).items() if key in everyones}
    more = [set_ones] if set_ones else []
    if type(strategy).adapt is Strategy.adapt:
        return [strategy.pretrained, phases, "", *more]
    kind = type(strategy)
    inserts = [_code(kind.adapt, f"strategy '{strategy.name}'"), set_values(strategy)]
    inserts += [item for item in (_class_values(kind), _source(kind, "strategies")) if item]
    return [strategy.pretrained, phases, inserts, *more]


def _class_values(kind: type[Strategy]) -> dict[str, Any]:
    """What the classes of a strategy hold besides their fields and what describes every strategy, such as the
    arguments that a ready-made method gives to a library; without what is empty."""
    known = {*Strategy.__annotations__, *(f.name for f in dataclasses.fields(kind))}
    found: dict[str, Any] = {}
    for cls in reversed(kind.__mro__[: kind.__mro__.index(Strategy)]):
        own = {
            name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(cls).items()
        }
        found |= {name: value for name, value in own.items() if name[0] != "_" and _is_plain(value)}
    return {name: value for name, value in found.items() if value and name not in known}


def _is_plain(value: Any) -> bool:
    """Whether a value can be digested."""
    with suppress(BenchError, TypeError, ValueError):
        return bool(digest(value))
    return False


def _plain(phase: Phase) -> list[Any]:
    """A phase as values. Fields that were added later count only where they are used."""
    first, second = [phase.patience, phase.solver], [phase.objective, phase.select]
    second += ["whole table"] if phase.select else []  # relative to which norms blocks are chosen
    more = [*first, *second] if second != ["task", 0] else first if first != [0, "adamw"] else []
    more += [{"freeze": phase.freeze}] if phase.freeze else []
    more += [COMPUTES[phase.objective]] if phase.objective in COMPUTES else []
    more += [COMPUTES[phase.solver]] if phase.solver in COMPUTES else []
    return [phase.share, phase.rates, phase.head, *more]


def _source(kind: type[Task] | type[Strategy], package: str) -> str:
    """The text of the file of a user's own task or strategy; '' for those of this project, in `package`, which have
    versions or are declared in full."""
    if kind.__module__.startswith(f"{package}."):
        return ""
    module = inspect.getmodule(kind)
    what = "task" if issubclass(kind, Task) else "strategy"
    return _code(module, f"{what} '{kind.name}'") if module else ""


def _code(item: Any, of: str) -> str:
    """The text of a plug-in's code. BenchError where there is none, such as for a class that was made by `exec`."""
    try:
        return inspect.getsource(item)
    except (OSError, TypeError) as error:
        raise BenchError(
            f"{of}: its source cannot be read, so its results cannot be fingerprinted: define it in a file",
            code="no-source",
        ) from error

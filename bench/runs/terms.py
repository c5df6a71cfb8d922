"""Whether the cells of a run can stand in one table: the same recipe, rates, options, rows and weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from bench.contracts import BenchError, Recipe
from bench.runs.record import Record

Placed = tuple[Record, str]
"""A record and the run that holds it, for people."""


@dataclass(frozen=True)
class Conflict:
    """What differs between two cells that a table compares. what: `recipe`, `rate` ...; of: of which task, encoder
    or strategy; keys: of a recipe, those that differ."""

    what: str
    of: str
    one: Placed
    other: Placed
    keys: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, str]:
        return self.one[0].cell.id, self.other[0].cell.id


def conflicts(records: Iterable[Placed]) -> Iterator[Conflict]:
    """Where cells that a table compares ran with other recipes, rates, options, rows or weights than others."""
    terms: dict[tuple[str, str], tuple[Placed, Any]] = {}
    for record, place in records:
        for (what, of), value in _terms(record).items():
            one, expected = terms.setdefault((what, of), ((record, place), value))
            if value != expected:
                keys = different_keys(expected, value) if what == "recipe" else ()
                yield Conflict(what, of, one, (record, place), keys)


def _terms(record: Record) -> dict[tuple[str, str], Any]:
    """What must be equal, by what it is and for which cells."""
    cell = record.cell
    group = cell.id.rpartition("/")[0]
    found: dict[tuple[str, str], Any] = {
        ("recipe", cell.task): shared(cell.recipe),
        ("pooling", f"{cell.task} on {cell.backbone}"): cell.recipe.pooling,
        ("rate", group): cell.recipe.rate_scale,
        ("options", cell.strategy): cell.options,
    }
    if record.status == "done" and record.data:
        draw = "" if cell.draw is None else f"/seed{cell.draw}"
        found["rows", f"{cell.task}{draw}"] = record.data.fingerprint, record.data.task_version
        found["weights", f"{group}{draw}"] = record.parameters
    return found


@lru_cache(maxsize=64)
def shared(recipe: Recipe) -> Recipe:
    """A recipe without what may differ between strategies and encoders of a task: scale of rates, pooling."""
    return replace(recipe, rate_scale=1.0, pooling="mean")


def different_keys(one: Recipe, other: Recipe) -> tuple[str, ...]:
    """The keys in which two recipes differ."""
    first, second = asdict(one), asdict(other)
    return tuple(name for name in first if first[name] != second[name])


def check_terms(records: Iterable[Placed]) -> None:
    """BenchError if cells that a table compares ran with different recipes, rows or weights."""
    for found in conflicts(records):
        cells = f"{found.of} has other {found.what} (cells {', '.join(found.cells)})"
        raise contradiction(cells, found.one[1], found.other[1])


def contradiction(what: str, one: str, other: str) -> BenchError:
    """What is other in the second run than in the first."""
    return BenchError(
        f"{what} in {other} than in {one}: these are not parts of one run; "
        "keep one of the two, or run the suite again in one of them",
        code="contradiction",
    )

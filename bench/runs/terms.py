"""Whether the cells of a run can stand in one table: the same recipe, rates, options, rows, scoring and weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from bench.contracts import BenchError, Recipe
from bench.runs.record import Record
from bench.text import first_of

MEASURED = ("serving", "forgetting", "logits")
"""Keys of a recipe that change what is measured and not what is learnt."""
DEFAULTS = Recipe()
Placed = tuple[Record, str]
"""A record and the run that holds it, for people."""
TERMS = {
    "recipe": "recipes",
    "pooling": "pooling",
    "rate": "scales of their rates",
    "unlabelled": "unlabelled texts",
    "options": "options",
    "rows": "rows",
    "scorer": "rules of scoring",
    "parameters": "numbers of parameters",
    "weights": "weights of the encoder",
}
"""What conflicts are about, in words."""


@dataclass(frozen=True)
class Conflict:
    """What differs between two cells that a table compares. what: a key of TERMS; of: of which task, encoder or
    strategy; keys: of a recipe, those that differ; of rules of scoring, both."""

    what: str
    of: str
    one: Placed
    other: Placed
    keys: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, str]:
        return self.one[0].cell.id, self.other[0].cell.id

    @property
    def words(self) -> str:
        """What differs, with its keys."""
        return TERMS[self.what] + (f" ({first_of(self.keys)})" if self.keys else "")


def conflicts(records: Iterable[Placed]) -> Iterator[Conflict]:
    """Where cells that a table compares ran with other recipes, rates, options, rows or weights than others."""
    terms: dict[tuple[str, str], tuple[Placed, Any]] = {}
    for record, place in records:
        for (what, of), value in _terms(record).items():
            one, expected = terms.setdefault((what, of), ((record, place), value))
            if value != expected:
                yield Conflict(what, of, one, (record, place), _keys(what, expected, value))


def _keys(what: str, one: Any, other: Any) -> tuple[str, ...]:
    """What people need to know of two values."""
    if what == "scorer":
        return tuple(rule or "an earlier one" for rule in (one, other))
    return different_keys(one, other) if what == "recipe" else ()


def _terms(record: Record) -> dict[tuple[str, str], Any]:
    """What must be equal, by what it is and for which cells."""
    cell = record.cell
    group = cell.id.rpartition("/")[0]
    found: dict[tuple[str, str], Any] = {
        ("recipe", cell.task): shared(cell.recipe),
        ("pooling", f"{cell.task} on {cell.backbone}"): cell.recipe.pooling,
        ("rate", group): cell.recipe.rate_scale,
        ("unlabelled", group): cell.recipe.unlabelled,
        ("options", cell.strategy): cell.options,
    }
    if record.status == "done" and record.data:
        draw = "" if cell.draw is None else f"/seed{cell.draw}"
        found["rows", f"{cell.task}{draw}"] = record.data.fingerprint, record.data.task_version
        found["scorer", cell.task] = record.scorer
        found["parameters", f"{group}{draw}"] = record.parameters
        if record.weights:
            found["weights", cell.backbone] = record.weights
    return found


@lru_cache(maxsize=64)
def shared(recipe: Recipe) -> Recipe:
    """A recipe without what may differ between strategies and encoders of a task (scale of rates, pooling, a text
    that few of them read) and without what changes no score."""
    own = ("rate_scale", "pooling", "unlabelled", *MEASURED)
    return replace(recipe, **{name: getattr(DEFAULTS, name) for name in own})


def different_keys(one: Recipe, other: Recipe) -> tuple[str, ...]:
    """The keys in which two recipes differ."""
    first, second = asdict(one), asdict(other)
    return tuple(name for name in first if first[name] != second[name])


def check_terms(records: Iterable[Placed]) -> None:
    """BenchError if cells that a table compares ran with different recipes, rows or weights."""
    for found in conflicts(records):
        cells = f"{found.of} has other {found.what} (cells {', '.join(found.cells)})"
        raise contradiction(cells, found.one[1], found.other[1])


def suite_of(records: Iterable[Record], where: str) -> str:
    """The suite of all records; '' without one. BenchError where they are of several."""
    suites = list(dict.fromkeys(record.cell.suite for record in records))
    if len(suites) > 1:
        raise BenchError(
            f"{where}: cells of several suites ({', '.join(suites)}): run each suite in a folder of its own",
            code="other-suite",
        )
    return suites[0] if suites else ""


def contradiction(what: str, one: str, other: str) -> BenchError:
    """What is other in the second run than in the first."""
    return BenchError(
        f"{what} in {other} than in {one}: these are not parts of one run; "
        "keep one of the two, or run the suite again in one of them",
        code="contradiction",
    )

"""Training rows that each seed draws anew, so that scores vary over seeds as they would over training sets.

Which training rows a model sees moves its score at least as much as its seed does (Dodge et al. 2020, arXiv
2002.06305; Bouthillier et al. 2021, MLSys). With fixed rows an interval over seeds speaks of these rows alone. With
drawn rows it speaks of the task: all strategies of a seed have the same rows, and seeds have different ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from bench.contracts import BenchError

LARGEST_SHARE = 0.5
"""Of a task's training rows that one draw may take. Larger draws would have most of their rows in common, and the
scores would vary less than those of independent training sets."""
E = TypeVar("E", bound=Any)


def shuffled(rows: Sequence[E], draw: int | None) -> list[E]:
    """The rows in the hash order of their ids: another order for each draw, the same on every machine. The first
    rows are an unbiased sample, nested in larger ones. None: the order in which fixed rows are taken."""
    salt = "" if draw is None else f"draw {draw}"
    return sorted(rows, key=lambda row: hashlib.sha256(f"{salt}\0{row.id}".encode()).digest())


def check_size(task: str, rows: Sequence[Any], size: int | None) -> None:
    """BenchError where a draw of `size` training rows is more than half of them."""
    most = int(LARGEST_SHARE * len(rows))
    if size is None or size > most:
        wanted = "all of them" if size is None else f"{size:,}"
        raise BenchError(
            f"task '{task}' has {len(rows):,} training rows, and recipe.resample draws {wanted} anew each seed: "
            f"set recipe.train to at most half ({most:,}), so that seeds have different rows",
            code="too-few-rows-to-resample",
        )


def few_of_each(task: str, rows: Sequence[E], shots: int, draw: int | None) -> list[E]:
    """`shots` rows of every class in the order of the draw, all of a class that has fewer; nested in larger
    numbers of the same draw. BenchError where rows have no class."""
    if not hasattr(rows[0], "label"):
        raise BenchError(
            f"task '{task}': recipe.shots counts rows a class, and its rows have no single label: use recipe.train",
            code="no-classes",
        )
    taken: Counter[str] = Counter()
    found = []
    for row in shuffled(rows, draw):
        if taken[row.label] < shots:
            taken[row.label] += 1
            found.append(row)
    return found

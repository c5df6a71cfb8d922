"""What has been read of the rows of a task: how many there are, how long their texts are, and their digest.
Elsewhere a plan guesses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from bench.contracts import Cell, Recipe, Splits
from bench.data.splits import rows_digest, split_sizes
from bench.runs.record import Data, Record
from bench.user_data.token_counts import estimated

SAMPLED = 200
"""Training rows of a task whose lengths are looked at."""

USUAL = 0.85
"""Tokens for each one that `token_counts.estimated` counts, which is on the safe side: measured 0.74 to 0.83 in
reviews, news and questions, more where words are rare."""

Sizes = tuple[int, int, int]
"""Examples of train, validation and test."""


@dataclass(frozen=True)
class Length:
    """Tokens of one example, as far as its words tell. question: of a question, which stands before each window of
    its context."""

    tokens: int
    question: int = 0

    def within(self, recipe: Recipe) -> int:
        """Tokens that an encoder gets: cut at the recipe's length, or in as many windows as it takes."""
        most = recipe.max_length
        if self.tokens <= most:
            return self.tokens
        if self.question:
            again = self.question + recipe.stride  # tokens that each further window repeats
            return self.tokens + again * math.ceil((self.tokens - most) / max(1, most - again))
        return self.tokens if recipe.windows != "none" else most


@dataclass(frozen=True)
class UsedRows:
    """The rows that a cell uses: their digest, which does not see where a split ends, and how many each split
    has."""

    digest: str
    sizes: Mapping[str, int]

    @staticmethod
    def of(splits: Splits) -> UsedRows:
        return UsedRows(rows_digest(splits), split_sizes(splits))

    def are_those_of(self, data: Data) -> bool:
        return data.fingerprint == self.digest and data.sizes in ({}, self.sizes)  # {}: not recorded


@dataclass(frozen=True)
class RowsRead:
    """What has been read of each task. Filled while a run prepares; threads may add to it."""

    sizes: dict[tuple[str, Recipe], Sizes] = field(default_factory=dict)
    lengths: dict[str, tuple[Length, ...]] = field(default_factory=dict)
    used: dict[tuple[str, Recipe, int | None], UsedRows] = field(default_factory=dict)

    def add(self, task: str, recipe: Recipe, found: Splits) -> None:
        """The rows that cells with this recipe use."""
        self.sizes[task, _of_rows(recipe)] = len(found.train), len(found.validation), len(found.test)
        self.add_lengths(task, found.train)

    def add_digest(self, task: str, recipe: Recipe, draw: int | None, found: Splits) -> None:
        """The rows that cells with this recipe and draw (`Cell.group_key`) use."""
        self.used[task, recipe, draw] = UsedRows.of(found)

    def have_changed(self, record: Record) -> bool:
        """Whether a finished cell used other rows than it would now, as far as they have been read."""
        task, _, recipe, draw = record.cell.group_key
        now = self.used.get((task, recipe, draw))
        return now is not None and record.data is not None and not now.are_those_of(record.data)

    def add_lengths(self, task: str, rows: Sequence[Any]) -> None:
        """How long the texts of a task are, from its training rows."""
        task = _name(task)
        if rows and task not in self.lengths:
            step = max(1, len(rows) // SAMPLED)
            self.lengths[task] = tuple(_length(rows[place]) for place in range(0, len(rows), step))

    def sizes_of(self, cell: Cell) -> Sizes | None:
        return self.sizes.get((cell.task, _of_rows(cell.recipe)))

    def tokens_of(self, cell: Cell) -> float | None:
        """Tokens that an encoder gets of an example, on average."""
        lengths = self.lengths.get(_name(cell.task))
        return fmean(length.within(cell.recipe) for length in lengths) if lengths else None


def _name(task: str) -> str:
    """Without the size at which it is run."""
    return task.partition("@")[0]


def _of_rows(recipe: Recipe) -> Recipe:
    """What of a recipe says which rows are used, and does not differ between the cells of a group."""
    return Recipe(
        train=recipe.train,
        validation=recipe.validation,
        test=recipe.test,
        shots=recipe.shots,
        max_context=recipe.max_context,
    )


def _length(row: Any) -> Length:
    """Tokens of an example of any kind; 2 of them are the marks at its ends."""
    words = getattr(row, "words", None)
    if words is not None:
        return Length(2 + _tokens(" ".join(map(str, words))))
    texts = [str(getattr(row, name, "")) for name in ("text", "pair", "context")]
    question = _tokens(str(getattr(row, "question", "")))
    return Length(2 + question + sum(map(_tokens, texts)), question)


def _tokens(text: str) -> int:
    """Without the marks at its ends."""
    [found] = estimated([text])
    return round(USUAL * (found - 2))

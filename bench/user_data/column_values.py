"""What the cells of a column have in common: whether they repeat, as labels do, or are all numbers.

It tells a row from a line within a quoted text, and a first row from the names of the columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from bench.user_data.labels import as_number

MOST = 1_000  # distinct values that are remembered; beyond them a column holds no labels
CLASSES = 50  # distinct values above which those that repeat may be short texts
DIGITS = 30  # characters of a number
FIRST = frozenset("+-.,0123456789\u2212")  # what it starts with
LONGEST = 200  # characters of a cell above which it is no label


@dataclass
class ColumnValues:
    """The cells of a column so far. filled: those that are not blank; numbers, fractions: of these."""

    counts: Counter[str] = field(default_factory=Counter)
    filled: int = 0
    numbers: int = 0
    fractions: int = 0
    texts: int = 0  # cells that are too long for a label

    def add(self, cell: str) -> None:
        cell = cell.strip()
        if len(cell) > LONGEST:
            self.texts += 1
        elif cell and len(self.counts) <= MOST and not self.texts:
            self.counts[cell] += 1
        if cell:
            checked = self.filled - self.numbers < 2  # with two others nothing depends on it
            self.filled += 1
            if checked and is_number(cell):
                self.numbers += 1
                self.fractions += "." in cell or "," in cell

    @property
    def repeats(self) -> bool:
        """Whether values come twice on average, as those of a label do; blank cells are no value."""
        few = not self.texts and len(self.counts) <= MOST
        return few and self.counts.total() >= max(1, 2 * len(self.counts))

    @property
    def is_few(self) -> bool:
        """Whether the values that repeat are few, as classes are."""
        return self.repeats and len(self.counts) <= CLASSES

    @property
    def scores(self) -> bool:
        """Whether all are numbers, and some have fractions: not those that count rows."""
        return 0 < self.filled == self.numbers and self.fractions > 0

    def test(self) -> Callable[[str], bool] | None:
        """What tells whether a cell is like the others; None where the column neither repeats nor has scores."""
        if self.repeats:
            return lambda cell: cell.strip() in self.counts
        return (lambda cell: is_number(cell.strip())) if self.scores else None


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with or without a decimal point or comma."""
    if len(cell) > DIGITS or cell[:1] not in FIRST:
        return False
    return (cell.isdecimal() and cell.isascii()) or _is_number(cell)


@lru_cache(maxsize=10_000)
def _is_number(cell: str) -> bool:
    return as_number(cell.replace(",", ".")) is not None

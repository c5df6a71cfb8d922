"""A mean and what may be shown around it, as an entry of a table and in words."""

from __future__ import annotations

from bench.analysis.statistics.error_bars import ErrorBar
from bench.analysis.tables.model import Column, Entry, Mark
from bench.analysis.tables.number_format import interval, number

IN_PERCENT = Column("", "", "score")


def shown(mean: float, bar: ErrorBar, mark: Mark = "") -> Entry:
    """The entry of a mean."""
    return Entry(mean, bar.spread, mark, bounds=bar.bounds, points=bar.points, cut=bar.kind == "wide")


def in_words(mean: float, bar: ErrorBar, metric: str) -> str:
    """`83.2 ± 5.1 accuracy`, of a score in [0, 1]; of one seed, `83.2 accuracy (one seed; the choice of rows
    alone moves it by ± 5.1 points)`."""
    entry = shown(mean, bar)
    value, around = number(entry, IN_PERCENT), interval(entry, IN_PERCENT).strip()
    if bar.kind == "single":
        return f"{value} {metric} (one seed; {by_rows(bar)})"
    if bar.kind == "seeds":
        return f"{value} {metric} (by seed: {around[1:-1]}; some learned nothing)"
    alone = " (one seed; the interval is over the choice of rows alone)" if bar.seeds == 1 else ""
    return f"{value} {around} {metric}{alone}"


def by_rows(bar: ErrorBar) -> str:
    """How far test examples alone move one model's score."""
    return f"the choice of rows alone moves it by ± {100 * bar.half:.1f} points"

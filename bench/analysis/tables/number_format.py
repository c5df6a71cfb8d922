"""Numbers for people: their digits and their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.analysis.tables.model import Column, Entry, Table, Unit

ABSENT = "–"
MOST, LARGE = 6, 1e12  # decimals, and size, beyond which errors are written with a power of ten


def decimals(entries: Iterable[Entry], unit: Unit = "score") -> int:
    """Decimals for scores in percent: one, or two where the typical spread is below 0.1 points. For errors, which
    may be of any size: two digits of the typical spread or, without one, three of the typical error.

    Digits below a tenth of the uncertainty carry no information (ISO/IEC Guide 98-3, 7.2.6)."""
    entries = list(entries)
    if unit == "error":
        return _error_decimals(entries)
    spreads = sorted(100 * entry.spread for entry in entries if entry.spread)
    return 2 if spreads and spreads[len(spreads) // 2] < 0.1 else 1


def column_decimals(table: Table) -> list[int]:
    """The decimals of each column of a table, so that the numbers of a column align."""
    rows = [row for block in table.blocks for row in block.rows]
    return [
        decimals([row.entries[number] for row in rows], column.unit)
        for number, column in enumerate(table.columns)
    ]


def _error_decimals(entries: Sequence[Entry]) -> int:
    spreads = sorted(entry.spread for entry in entries if entry.spread and math.isfinite(entry.spread))
    if spreads:
        return _digits(spreads[len(spreads) // 2], 2)
    sizes = sorted(abs(x) for e in entries if isinstance(x := e.value, float) and x and math.isfinite(x))
    return _digits(sizes[len(sizes) // 2], 3) if sizes else 1


def _digits(size: float, significant: int) -> int:
    """The decimals that show so many significant digits of a positive number."""
    return max(significant - 1 - math.floor(math.log10(size)), 0)


def number(entry: Entry, column: Column, digits: int = 1) -> str:
    """The value alone: scores, shares and percent in percent, a text by its label; ABSENT where there is none."""
    value = entry.value
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return entry.label or value
    if not math.isfinite(value):
        return ABSENT
    return _written(value, column.unit, digits)


def spread(entry: Entry, column: Column, digits: int = 1) -> str:
    """The spread alone, in the same unit and digits as the value; empty where there is none."""
    if entry.spread is None or entry.value is None or not math.isfinite(entry.spread):
        return ""
    return _written(entry.spread, column.unit, digits).removesuffix("×")


def interval(entry: Entry, column: Column, digits: int = 1) -> str:
    """` ± spread`, ` [low, high]` where the interval is not symmetric, or ` (seed, seed)` in place of an interval;
    empty where there is none."""
    if entry.points:
        return f" ({', '.join(_written(point, column.unit, digits) for point in entry.points)})"
    if entry.bounds is not None:
        low, high = (_written(bound, column.unit, digits) for bound in entry.bounds)
        return f" [{low}, {high}]"
    half = spread(entry, column, digits)
    return f" ± {half}" if half else ""


def _written(value: float, unit: Unit, digits: int) -> str:
    if unit in ("score", "percent"):
        return f"{round(100 * value, digits) + 0.0:.{digits}f}"  # 0.0, not -0.0
    if unit == "seconds":
        return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.1f}"
    if unit == "milliseconds":
        return f"{value:.1f}"
    if unit == "times":
        return f"{value:.0f}×" if value >= 99.5 else f"{value:.2f}×"
    if unit == "share":
        return _share(value)
    if unit == "bytes":
        return _bytes(value)
    if unit == "rank":
        return f"{value:.1f}"
    if unit == "effect":
        return f"{value:.2f}"
    if unit == "error":
        return _error(value, digits)
    if unit == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return compact(value)


def _error(value: float, digits: int) -> str:
    """With these decimals, but two significant digits at least; with a power of ten where that is many decimals."""
    size = abs(value)
    if digits > MOST or size >= LARGE:
        return f"{value:.2e}"
    digits = max(digits, _digits(size, 2)) if size else digits
    return f"{value:,.{digits}f}" if digits <= MOST else f"{value:.1e}"


def _bytes(value: float) -> str:
    """In MiB; in KiB where that would be 0.0 MiB, as for the head of one task."""
    if 0 < value < 0.05 * 2**20:
        return f"{value / 2**10:.1f} KiB"
    return f"{value / 2**20:.1f} MiB" if 0 < value < 9.95 * 2**20 else f"{value / 2**20:,.0f} MiB"


def _share(value: float) -> str:
    if 0 < value < 1e-4:
        return "<0.01%"
    digits = 0 if value in (0, 1) else 2 if value < 0.01 else 1
    return f"{100 * value:.{digits}f}%"


def compact(value: float) -> str:
    """A count with three significant digits and a suffix: 66.4M; small whole numbers are unchanged."""
    for least, size, suffix in (
        (999.5e9, 1e12, "T"),
        (999.5e6, 1e9, "B"),
        (999.5e3, 1e6, "M"),
        (1e4, 1e3, "k"),
    ):
        if abs(value) >= least:
            return f"{value / size:.3g}{suffix}"
    if value == round(value):
        return f"{value:g}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""How often the test rows of a task were scored, as far as the history knows.

Suites take test rows in one order, so that the fewer rows of one are among the more of another: a look at them in
`quick` is a look at rows of `reference`. What was learnt from the first look is in the choices behind the last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.runs.drawn import SUFFIX

if TYPE_CHECKING:
    from bench.analysis.regression.history import Line, Measured


def looks(task: str, lines: Sequence[Line]) -> dict[str, int]:
    """By suite, how many runs scored test rows of a task at least, whatever its size and the recipe. A run that was
    completed in parts counts once."""
    found: dict[str, dict[str, set[tuple[float | None, float | None]]]] = {}
    for item in lines:
        for name, cell in item.cells.items():
            if cell.score is not None and _unsized(name.partition("/")[0]) == _unsized(task):
                found.setdefault(item.suite, {}).setdefault(name, set()).add(_result(cell))
    return {suite: max(map(len, cells.values())) for suite, cells in found.items()}


def looked(tasks: Iterable[str], lines: Sequence[Line]) -> str:
    """How often the test rows of these tasks were scored, over all suites of the history; '' where none were. A
    development draw has no test row."""
    parts = []
    for task in dict.fromkeys(map(_unsized, tasks)):
        counts = {} if task.endswith(SUFFIX) else looks(task, lines)
        suites = ", ".join(f"{suite} {count}" for suite, count in counts.items())
        if counts:
            parts.append(f"{task} {sum(counts.values())} ({suites})")
    if not parts:
        return ""
    return (
        "Test rows were scored in at least so many runs, by suite, recipes of all kinds counted: "
        f"{'; '.join(parts)}. Runs that were not completed, or lie outside a folder `runs`, are not known here."
    )


def _unsized(task: str) -> str:
    return task.partition("@")[0]


def _result(cell: Measured) -> tuple[float | None, float | None]:
    """Equal in lines of one run: no two runs take the same time to the last digit."""
    return cell.score, cell.seconds

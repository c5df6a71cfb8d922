"""A comparison as a table: for the terminal, and in Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.analysis.regression.compare import STATUSES, Finding, RunComparison
from bench.analysis.regression.costs import Cost
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Block, Column, Entry, Row, Table

QUIET = ("unchanged", "identical")
WORSE = ("regressed", "failed", "missing")
COLUMNS = (
    Column("status", "status", "text"),
    Column("before", "before", "percent"),
    Column("after", "after", "percent"),
    Column("change", "change", "percent"),
    Column("p", "p (Holm)", "p"),
    Column("detectable", "detectable drop", "percent"),
    Column("reason", "why", "text"),
)


def table(comparison: RunComparison) -> Table:
    """Strategies over all tasks, then cells, worst first; the sentence that sums it up is the caption."""
    options = comparison.options
    blocks = [
        Block("strategies, mean over their tasks", _rows(comparison.strategies)),
        Block("cells", _rows(comparison.cells)),
        Block("seconds and memory that grew", _cost_rows([item for item in comparison.costs if item.grew])),
    ]
    notes = (
        *comparison.notes,
        f"Scores are in percent, means over seeds. One error budget of {100 * options.alpha:g}% over all tests, so "
        "unchanged code is reported as regressed at most once in 100 comparisons, more often where a strategy "
        f"learns nothing with some seeds; drops below {100 * options.min_drop:g} points are not reported.",
        f"Detectable drop: the smallest that this comparison would find {100 * options.power:g} times in 100. "
        "Unchanged means that no change was found, and a smaller drop may be there. Identical: every prediction is "
        "the same.",
    )
    filled = tuple(block for block in blocks if block.rows)
    return Table(summary(comparison), ("task", "strategy", "backbone"), COLUMNS, filled, notes, "level")


def pull_request(comparison: RunComparison) -> str:
    """Markdown for a comment: the verdict and what changed, and everything else folded away."""
    whole = table(comparison)
    changed = [
        replace(
            block,
            rows=tuple(row for row in block.rows if row.entries[0].value not in QUIET),
        )
        for block in whole.blocks
    ]
    filled = tuple(block for block in changed if block.rows)
    head = render(replace(whole, blocks=filled, notes=()), "md")
    body = render(replace(whole, caption="All cells"), "md")
    return f"{head}\n<details>\n<summary>All cells</summary>\n\n{body}\n</details>\n"


def summary(comparison: RunComparison) -> str:
    """The outcome in a few words: verdict, counts, what differs between the runs beside code, the worst change."""
    counts = ", ".join(
        f"{comparison.count(status)} {status}" for status in STATUSES if comparison.count(status)
    )
    worse = any(item.status in WORSE for item in (*comparison.cells, *comparison.strategies))
    worse = worse or any(item.grew for item in comparison.costs)
    verdict = f"Does not hold: {', '.join(comparison.failures)}"
    if comparison.exit_code == 2:
        verdict = f"Cannot be compared in full{', and some of it got worse' if worse else ''}"
    elif comparison.exit_code == 0:
        asked = ", ".join(comparison.options.fail_on)
        verdict = f"Got worse where no gate looks (asked: {asked})" if worse else "Nothing regressed"
    text = f"{verdict} ({comparison.run} against {comparison.baseline}; cells: {counts})."
    worst = next(
        (item for item in (*comparison.cells, *comparison.strategies) if item.status == "regressed"), None
    )
    if worst is not None and worst.change is not None:
        conditions = [note for note in comparison.notes if note.startswith("The runs differ")]
        text = " ".join([text, *conditions])
        text += f" Worst: {worst.key} fell by {-100 * worst.change:.1f} points."
    return text


def _rows(findings: Sequence[Finding]) -> tuple[Row, ...]:
    return tuple(
        Row(
            tuple(item.key),
            (
                Entry(item.status, mark="loud" if item.status in WORSE else ""),
                Entry(item.before),
                Entry(item.after),
                Entry(item.change),
                Entry(item.p),
                Entry(item.detectable),
                Entry(item.reason),
            ),
        )
        for item in findings
    )


def _cost_rows(costs: Sequence[Cost]) -> tuple[Row, ...]:
    rows = []
    for item in costs:
        unit, size = ("s", 1.0) if item.quantity == "seconds" else ("MiB", 2.0**20)
        reason = f"{item.quantity} {item.before / size:.1f} {unit} then, {item.after / size:.1f} {unit} now"
        entries = (Entry("grew"), Entry(), Entry(), Entry(item.change), Entry(item.p), Entry(), Entry(reason))
        rows.append(Row(tuple(item.key), entries))
    return tuple(rows)

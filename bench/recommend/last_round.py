"""The last round as a table. Its marks are the verdicts of the answer's sentences: of tests that are corrected over
the pairs of all rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.analysis.groups import gather
from bench.analysis.loading import Predictions
from bench.analysis.statistics import unequal
from bench.analysis.statistics.uncertainty_notes import notes_on
from bench.analysis.tables.build import TableOptions, with_uncertainty
from bench.analysis.tables.model import Column, Entry, Table
from bench.recommend.evidence import Standing

ALL_ROUNDS = "strategies in all rounds"


def table(
    now: Standing, predictions: Callable[[str], Predictions], columns: Sequence[str], caption: str = ""
) -> Table:
    """One row a strategy. columns: the headline metric among them. Other metrics are not tested, so they have no
    marks."""
    options = TableOptions(columns=tuple(columns), caption=caption)
    made, known = with_uncertainty(now.records, predictions, options)
    tied = {item.second.strategy for item in now.by_mean if not item.behind}
    rows = [
        replace(
            row,
            entries=tuple(
                _marked(entry, column, now.metric, row.labels[0] in tied)
                for entry, column in zip(row.entries, made.columns, strict=True)
            ),
        )
        for row in made.blocks[0].rows
    ]
    blocks = (replace(made.blocks[0], rows=tuple(rows)),)
    groups = gather(now.records)
    keys = {key.strategy: key for key in groups}
    leader = keys[max(now.means, key=now.means.__getitem__)]
    scores = {scored: found for scored, found in known.resampled.items() if scored[1] == now.metric}
    pairs = [(leader, key, now.metric) for key in groups if key != leader]
    part = replace(known.part, compared=now.by_mean, more=unequal.notes(scores, pairs, now.by_mean))
    notes = notes_on({"": part}, groups, family=ALL_ROUNDS)
    if any(metric != now.metric for _, metric in known.resampled):
        notes.append(f"Marks are of {now.metric} alone, by which the strategy is chosen.")
    return replace(made, blocks=blocks, notes=tuple(notes), details=())


def _marked(entry: Entry, column: Column, metric: str, tied: bool) -> Entry:
    """The entry with the mark of the answer; the best mean keeps its own."""
    if column.name == metric and entry.mark == "best":
        return entry
    return replace(entry, mark="tied" if tied and column.name == metric else "")

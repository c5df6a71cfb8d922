"""The table of a ranking over tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.groups import gather
from bench.analysis.loading import Predictions
from bench.analysis.ranking import REFERENCE, SEEDS, Estimated, Ranked, Ranking, Row, rank
from bench.analysis.sizes import largest, task_name
from bench.analysis.statistics.resampling import Source, resample
from bench.analysis.statistics.ties import equal
from bench.analysis.statistics.uncertainty_notes import by_document
from bench.analysis.tables import model
from bench.analysis.tables.footnotes import accuracies, mixtures
from bench.analysis.tables.model import Block, Column, Entry, Table
from bench.runs.record import Record
from bench.text import counted

ABSENT = "Left out, because a task is missing or has no predictions on the same examples with all seeds"


def build(records: Sequence[Record], predictions: Callable[[str], Predictions], metric: str = "") -> Table:
    """The strategies that every task has, by mean rank. BenchError where there are fewer than three tasks."""
    groups, source = largest(gather(records)), Source(predictions)
    metrics = {key: metric or group.headline for key, group in groups.items()}
    made = {
        (key, metrics[key]): found
        for key, group in groups.items()
        if (found := resample(group, metrics[key], source)) is not None
    }
    notes = [
        *mixtures(groups),
        *accuracies(groups, {key: (name,) for key, name in metrics.items()}),
        *by_document({task_name(key.task): found.clusters for (key, _), found in made.items()}),
    ]
    return table(rank(records, predictions, metric, made), notes)


def table(ranking: Ranking, notes: Sequence[str] = ()) -> Table:
    """A ranking as a table, the best row first. notes: on the scores that it rests on."""
    columns = (
        Column("rank", "mean rank", "rank"),
        Column("rank-low", "from", "rank"),
        Column("rank-high", "to", "rank"),
        Column("score", "interquartile mean", "score"),
        Column("beats", f"beats {REFERENCE}", "percent"),
        Column("first", "ranks first", "percent"),
        Column("best", f"best of {counted(ranking.seeds, 'seed')}", "percent"),
    )
    best = ranking.rows[0].rank.value
    rows = tuple(
        model.Row(
            item.row, _entries(item, item.rank.value - best < ranking.critical, equal(item.rank.value, best))
        )
        for item in ranking.rows
    )
    caption = f"Strategies over {len(ranking.tasks)} tasks: {', '.join(ranking.tasks)}"
    return Table(caption, ("strategy", "backbone"), columns, (Block("", rows),), (*_notes(ranking), *notes))


def _entries(item: Ranked, tied: bool, first: bool) -> tuple[Entry, ...]:
    rank, score, beats = item.rank, item.score, item.beats
    return (
        Entry(rank.value, mark="best" if first else "tied" if tied else ""),
        Entry(rank.low),
        Entry(rank.high),
        _interval(score) if score else Entry(),
        _interval(beats) if beats else Entry(),
        Entry(item.first),
        Entry(item.best),
    )


def _interval(found: Estimated) -> Entry:
    longer = max(found.value - found.low, found.high - found.value)
    return Entry(found.value, longer, bounds=(found.low, found.high))


def _notes(ranking: Ranking) -> list[str]:
    seeds = f"{counted(ranking.seeds, 'seed')}"
    notes = [
        f"Mean rank over tasks, 1 is best; from, to and [low, high] are 95% intervals over {over(ranking)} "
        "(bootstrap, expanded for few tasks: Hesterberg 2015). They speak of tasks like these: a suite's tasks "
        "are chosen, not drawn.",
        _difference(ranking),
        _apart(ranking),
        f"Beats {REFERENCE}: the probability of a better score on a task. Ranks first: the share of draws in which "
        "the mean rank is the best.",
    ]
    if ranking.errors:
        notes.append("Errors have the units of their tasks, so that no mean of them is shown.")
    elif ranking.seeds >= SEEDS:
        notes.append(
            "Interquartile mean: of all scores over tasks and seeds (Agarwal et al. 2021); its interval is over "
            "seeds and test examples of these very tasks."
        )
    else:
        notes.append(f"An interquartile mean needs {SEEDS} seeds of every strategy; here are {seeds}.")
    if ranking.seeds > 1 and ranking.rows[0].best is not None:
        notes.append(
            f"Best of {seeds}: the mean over tasks of the expected best score of {ranking.seeds} runs (Dodge et "
            "al. 2019), which is what a paper shows that reports its best run."
        )
    if ranking.seeds == 1:
        notes.append(
            "One seed: no interval here holds what another would score, which may rank them in another way."
        )
    if ranking.untested:
        notes.append(
            f"Left out: {', '.join(ranking.untested)}, where no strategy has predictions on the same examples with "
            "all of its seeds, or all examples are of one document."
        )
    if ranking.absent:
        notes.append(f"{ABSENT}: {', '.join(map(label, ranking.absent))}.")
    return notes


def over(ranking: Ranking) -> str:
    """What the intervals of mean ranks are over."""
    return "tasks, seeds and test examples" if ranking.seeds > 1 else "tasks and test examples"


def _difference(ranking: Ranking) -> str:
    friedman = ""
    if ranking.friedman is not None:
        p = "< 0.001" if ranking.friedman < 0.001 else f"= {ranking.friedman:.3f}"
        friedman = f" Friedman's test of no difference at all: p {p}."
    return (
        f"Critical difference {ranking.critical:.2f} (Nemenyi: Demšar 2006): mean ranks that differ by less cannot "
        f"be told apart, at 5% over all pairs.{friedman}"
    )


def _apart(ranking: Ranking) -> str:
    """Which strategies cannot be told apart, in the words of the bars."""
    bars = [
        ", ".join(label(item.row) for item in ranking.rows[first : last + 1])
        for first, last in ranking.groups()
    ]
    if not bars:
        return "All strategies are told apart."
    return f"Cannot be told apart, which does not mean equal: {'; '.join(bars)}."


def label(row: Row) -> str:
    """A strategy and its backbone."""
    return " ".join(row)

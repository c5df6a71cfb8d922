"""The table of a ranking: marks at the critical difference, the longer half of an interval, and every note."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.ranking import Estimated, Ranked, Ranking
from bench.analysis.tables.ranks import table


def row(strategy: str, rank: float, score: float | None = 0.8) -> Ranked:
    known = Estimated(score, score - 0.03, score + 0.01) if score is not None else None
    beats = Estimated(0.6, 0.5, 0.9) if strategy != "full" else None
    return Ranked((strategy, "minilm"), Estimated(rank, rank - 0.5, rank + 0.5), known, beats, 0.4, score)


RANKING = Ranking(("a", "b", "c"), (row("lora", 1.0), row("full", 2.0), row("probe", 2.5)), 1.5, 0.0123, 5)


def note(ranking: Ranking, start: str) -> list[str]:
    return [text for text in table(ranking).notes if text.startswith(start)]


def test_a_row_is_tied_with_the_best_below_the_critical_difference() -> None:
    (block,) = table(RANKING).blocks
    assert [(item.labels, item.entries[0].mark) for item in block.rows] == [
        (("lora", "minilm"), "best"),
        (("full", "minilm"), "tied"),
        (("probe", "minilm"), ""),
    ]
    assert table(RANKING).caption == "Strategies over 3 tasks: a, b, c"


def test_rows_of_one_mean_rank_are_both_the_best() -> None:
    """Which of the two is listed first says nothing of them."""
    even = replace(RANKING, rows=(row("lora", 1.5), row("full", 1.5), row("probe", 3.0)))
    assert [line.entries[0].mark for line in table(even).blocks[0].rows] == ["best", "best", ""]


def test_an_interval_is_shown_by_its_longer_half() -> None:
    first, second, _ = table(RANKING).blocks[0].rows
    entries = first.entries
    assert [entry.value for entry in entries] == [1.0, 0.5, 1.5, 0.8, 0.6, 0.4, 0.8]
    assert [entries[place].spread for place in (3, 4)] == [pytest.approx(0.03), pytest.approx(0.3)]
    assert [entries[place].bounds for place in (3, 4)] == [
        (pytest.approx(0.77), pytest.approx(0.81)),
        (0.5, 0.9),
    ]
    assert second.entries[4].value is None


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_what_is_said_of_the_mean_of_a_number_of_seeds(seeds: int) -> None:
    from bench.analysis.ranking import SEEDS

    assert SEEDS == 3
    few = replace(RANKING, seeds=seeds)
    assert len(note(few, "Interquartile mean: of all scores")) == (seeds >= 3)
    here = "1 seed" if seeds == 1 else f"{seeds} seeds"
    assert note(few, "An inter") == [
        f"An interquartile mean needs 3 seeds of every strategy; here are {here}."
    ] * (seeds < 3)
    assert len(note(few, f"Best of {here}: the mean over tasks")) == (seeds > 1)
    assert note(few, "Errors") == []


@pytest.mark.parametrize("seeds", [2, 3])
def test_errors_have_no_mean_of_however_many_seeds(seeds: int) -> None:
    rows = (row("lora", 1.0, None), row("full", 2.0, None))
    found = replace(RANKING, rows=rows, seeds=seeds, errors=True)
    assert note(found, "Errors") == [
        "Errors have the units of their tasks, so that no mean of them is shown."
    ]
    assert note(found, "An inter") == note(found, "Interquartile") == note(found, "Best of") == []


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.0123, " Friedman's test of no difference at all: p = 0.012."),
        (0.001, " Friedman's test of no difference at all: p = 0.001."),
        (0.0009, " Friedman's test of no difference at all: p < 0.001."),
        (None, ""),
    ],
)
def test_the_critical_difference_and_friedmans_test(p: float | None, said: str) -> None:
    assert note(replace(RANKING, friedman=p), "Critical") == [
        "Critical difference 1.50 (Nemenyi: Demšar 2006): mean ranks that differ by less cannot be told apart, at "
        f"5% over all pairs.{said}"
    ]


def test_bars_and_rows_that_are_left_out() -> None:
    """lora and full differ by 1, full and probe by 0.5, lora and probe by 1.5."""
    start = "Cannot be told apart, which does not mean equal: "
    assert note(RANKING, "Cannot") == [f"{start}lora minilm, full minilm; full minilm, probe minilm."]
    assert note(replace(RANKING, critical=1.51), "Cannot") == [
        f"{start}lora minilm, full minilm, probe minilm."
    ]
    assert note(replace(RANKING, critical=0.5), "All") == ["All strategies are told apart."]
    lacking = replace(RANKING, absent=(("top", "minilm"), ("full", "bert")))
    assert note(lacking, "Left") == [
        "Left out, because a task is missing or has no predictions on the same examples with all seeds: "
        "top minilm, full bert."
    ]
    assert note(RANKING, "Left") == []


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_is_in_no_interval(seeds: int) -> None:
    found = replace(RANKING, seeds=seeds)
    (meaning,) = note(found, "Mean rank")
    over = "tasks, seeds and test examples" if seeds > 1 else "tasks and test examples"
    assert f"are 95% intervals over {over} (bootstrap" in meaning
    assert len(note(found, "One seed: no interval here holds what another would score")) == (seeds == 1)


def test_notes_on_the_scores_come_last() -> None:
    assert table(RANKING, ["on the scores"]).notes[-1] == "on the scores"

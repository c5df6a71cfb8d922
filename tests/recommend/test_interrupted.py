"""A round that the time cut short: no strategy wins because it finished first, and no failure is called lack of
time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.loading import Run
from bench.contracts import Recipe
from bench.recommend.choice import last_full
from bench.recommend.evidence import Standing
from bench.recommend.findings import failures
from bench.recommend.replay import Recorded
from bench.recommend.successive_halving import Bracket, search
from bench.runs.record import Seconds
from tests.recommend.test_evidence import VIEW, rounds

ALL = ("frozen", "lp-ft", "full")
BEST = ("lp-ft", "full")
TRUTH = {"frozen": [0.6, 0.65], "lp-ft": [0.7, 0.75], "full": [0.85, 0.9]}
COST = {"frozen": 1.0, "lp-ft": 5.0, "full": 10.0}


def begun(seeds: Mapping[str, int], before: int = 3) -> Run:
    """So many seeds of each strategy on 200 rows, and `before` of all on 100. `full` scores highest."""
    run = rounds(TRUTH)
    most = {f"{VIEW}@100": dict.fromkeys(ALL, before), f"{VIEW}@200": seeds}
    kept = [r for r in run.records if r.cell.seed < most[r.cell.task][r.cell.strategy]]
    return replace(run, records=kept)


def rows_of(now: Standing) -> int:
    return int(now.records[0].cell.task.rpartition("@")[2])


@pytest.mark.parametrize(
    ("seeds", "second"),
    [((3, 2, 1), ALL), ((3, 2, 0), ALL), ((1, 2, 1), BEST)],
    ids=["a seed short", "not begun", "cut to the best two"],
)
def test_of_an_interrupted_round_the_one_before_it_decides(
    seeds: tuple[int, ...], second: tuple[str, ...]
) -> None:
    run = begun(dict(zip(ALL, seeds, strict=True)))
    now = last_full(run, VIEW, {100: ALL, 200: second}, 2)
    assert (rows_of(now), now.best, set(now.means)) == (100, "full", set(ALL))


def test_a_round_that_was_cut_to_the_best_two_decides_between_them() -> None:
    run = begun({"frozen": 1, "lp-ft": 2, "full": 2})
    now = last_full(run, VIEW, {100: ALL, 200: BEST}, 2)
    assert (rows_of(now), set(now.means)) == (200, set(BEST))


def test_where_no_round_has_two_seeds_of_all_the_most_rows_with_one_decide() -> None:
    run = begun({"frozen": 3, "lp-ft": 2, "full": 1}, before=1)
    now = last_full(run, VIEW, {100: ALL, 200: ALL}, 2)
    assert (rows_of(now), now.best, set(now.means)) == (200, "full", set(ALL))
    run = begun({"frozen": 3, "lp-ft": 2, "full": 0}, before=1)
    now = last_full(run, VIEW, {100: ALL, 200: ALL}, 2)
    assert (rows_of(now), now.best, set(now.means)) == (100, "full", set(ALL))


def test_a_strategy_that_failed_holds_up_no_other_and_is_named() -> None:
    run = begun(dict.fromkeys(ALL, 2))
    failed = [
        record.model_copy(update={"status": "failed", "scores": {}})
        if (record.cell.task, record.cell.strategy) == (f"{VIEW}@200", "lp-ft")
        else record
        for record in run.records
    ]
    run = replace(run, records=failed)
    now = last_full(run, VIEW, {100: ALL, 200: ALL}, 2)
    assert (rows_of(now), set(now.means)) == (200, {"frozen", "full"})
    assert failures(run, VIEW, (100, 200)) == {"lp-ft": 200}
    assert failures(run, VIEW, (100,)) == {}


def test_a_search_whose_cells_take_longer_than_expected_still_names_the_best() -> None:
    """The first round leads it to plan all seeds on 200 rows, where a cell costs twice as much."""
    run = rounds(TRUTH)
    records = [
        record.model_copy(
            update={"seconds": Seconds(cold=COST[cell.strategy] * (2 if "@200" in cell.task else 1))}
        )
        for record in run.records
        for cell in [record.cell]
    ]
    timed = Recorded(replace(run, records=records), budget=66.0)
    bracket = Bracket("quick", VIEW, ALL, "minilm", Recipe(), 0.0, Path("none"))
    outcome = search(bracket, (100, 200), timed)
    assert outcome.stopped == "the time was up in the round of 200 rows"
    assert outcome.planned == {100: ALL, 200: ALL}
    found = timed.measured(outcome.sizes)
    assert {r.cell.strategy for r in found.records if "@200" in r.cell.task and r.cell.seed == 1} == {
        "frozen",
        "lp-ft",
    }
    now = last_full(found, VIEW, outcome.planned, 2)
    assert (now.best, set(now.means)) == ("full", set(ALL))

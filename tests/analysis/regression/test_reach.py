"""The smallest drop that the gate finds in each cell, and what suite `gate` promises of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench import suite
from bench.analysis.loading import Run
from bench.analysis.opening import open_source
from bench.analysis.regression.compare import compare
from bench.analysis.regression.reach import Reach, reach, table, with_other_seeds
from bench.analysis.regression.simulation import Simulator, pools
from bench.analysis.regression.synthetic import synthetic_run
from bench.analysis.tables.formats import render
from bench.contracts import BenchError
from bench.registry import discover
from tests.support.mutants import ROOT

BASELINE = ROOT / "results" / "baselines" / "gate.jsonl"
PAGE = ROOT / "docs" / "statistics.md"


@pytest.fixture(scope="module")
def gate() -> tuple[tuple[Reach, ...], tuple[Reach, ...]]:
    return reach(open_source(str(BASELINE)))


def test_other_seeds_score_the_same_and_share_no_randomness() -> None:
    run = synthetic_run(seeds=3, examples=200)
    again = with_other_seeds(run)
    assert not {record.cell.id for record in run.records} & {record.cell.id for record in again.records}
    outcome = compare(run, again)
    assert {item.status for item in outcome.cells} == {"unchanged"}
    assert {item.reason for item in outcome.cells} == {""}


def test_a_drop_as_large_as_stated_is_found_nine_times_in_ten() -> None:
    recorded = synthetic_run(seeds=6, examples=2000, noise=0.05)
    _, cells = reach(recorded)
    simulator = Simulator(pools(recorded), 6, 0, np.random.default_rng(0))
    target = cells[len(cells) // 2]
    found = 0
    for _ in range(40):
        outcome = compare(*simulator.pair({target.key: target.detectable}))
        found += any(item.key == target.key and item.status == "regressed" for item in outcome.cells)
    assert found >= 30  # of 36 expected; the chance of fewer is 1%


def test_cells_are_in_order_with_their_seeds_spread_and_seconds() -> None:
    run = synthetic_run(seeds=3, examples=200)
    over, cells = reach(run)
    assert len(over) == 7
    assert [item.detectable for item in cells] == sorted((item.detectable for item in cells), reverse=True)
    first = cells[0]
    scores = [
        record.scores["test"]["accuracy"]
        for record in run.records
        if (record.cell.task, record.cell.strategy) == first.key[:2]
    ]
    assert first.seeds == 3
    assert first.score == pytest.approx(np.mean(scores))
    assert first.deviation == pytest.approx(np.std(scores, ddof=1))
    whole = next(item for item in over if item.key.strategy == first.key.strategy)
    assert whole.seeds == 12
    assert whole.detectable < first.detectable


def test_seconds_are_those_of_training_and_evaluation_of_all_seeds() -> None:
    run = synthetic_run(seeds=2, examples=50)
    timed = [
        record.model_copy(
            update={
                "seconds": record.seconds.model_copy(update={"train": 3.0, "evaluate": 0.5, "prefix": 9.0})
            }
        )
        for record in run.records
    ]
    _, cells = reach(dataclasses.replace(run, records=timed))
    assert {item.seconds for item in cells} == {7.0}


def test_cells_with_one_seed_are_left_out_and_a_run_of_such_is_refused() -> None:
    run = synthetic_run(seeds=2, examples=50)
    some = [record for record in run.records if record.cell.seed == 0 or record.cell.strategy != "full"]
    _, cells = reach(Run("some", some, run.predictions))
    assert {item.key.strategy for item in cells} == {record.cell.strategy for record in some} - {"full"}
    one = [record for record in run.records if record.cell.seed == 0]
    with pytest.raises(BenchError) as error:
        reach(Run("one", one, run.predictions))
    assert error.value.code == "too-few-seeds"


# --------------------------------------------------------------------------------------------------
# Suite `gate`


def test_every_cell_of_suite_gate_shows_a_drop_of_three_points_and_a_strategy_one_of_two(
    gate: tuple[tuple[Reach, ...], tuple[Reach, ...]],
) -> None:
    over, cells = gate
    assert max(item.detectable for item in cells) <= 0.03
    assert max(item.detectable for item in over) <= 0.02


def test_the_baseline_holds_the_cells_of_the_suite() -> None:
    planned = {cell.id for cell in suite.cells(suite.load("gate"), discover())}
    assert {record.cell.id for record in open_source(str(BASELINE)).records} == planned


def test_the_page_shows_what_the_command_prints(gate: tuple[tuple[Reach, ...], tuple[Reach, ...]]) -> None:
    page = PAGE.read_text(encoding="utf-8").partition("<!-- reach -->\n")[2].partition("<!-- /reach -->")[0]
    printed = render(table("results/baselines/gate.jsonl", *gate), "md")
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert [line for line in page.splitlines() if line] == rows

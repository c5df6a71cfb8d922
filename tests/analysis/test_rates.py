"""Score against learning rate, on made trials."""

from __future__ import annotations

import pytest

from bench.analysis import rates
from bench.analysis.groups import gather
from bench.analysis.tables.model import Row
from bench.contracts import BenchError
from bench.runs.record import Record, Trial
from tests.analysis.conftest import make_record


def sweep(strategy: str, scores: dict[float, float | None], kept: float, seed: int = 0) -> Record:
    trials = tuple(
        Trial(scale=scale, loss=None if score is None else 1 - score, kept=scale == kept, score=score)
        for scale, score in scores.items()
    )
    return make_record("reviews.development", strategy, seed, trials=trials)


def rows(*records: Record) -> dict[str, Row]:
    (block,) = rates.build(records).blocks
    return {row.labels[0]: row for row in block.rows}


def test_a_scale_has_the_mean_validation_score_of_all_seeds() -> None:
    first = sweep("full", {0.3: 0.6, 1.0: 0.8}, kept=1.0)
    second = sweep("full", {0.3: 0.7, 1.0: 0.9}, kept=1.0, seed=1)
    kept, small, default = rows(first, second)["full"].entries
    assert (kept.value, small.value, default.value) == (
        "× 1 (edge)",
        pytest.approx(0.65),
        pytest.approx(0.85),
    )


def test_a_scale_at_which_a_seed_diverged_has_no_score() -> None:
    first = sweep("full", {1.0: 0.8, 3.0: 0.9}, kept=3.0)
    second = sweep("full", {1.0: 0.8, 3.0: None}, kept=1.0, seed=1)
    kept, default, large = rows(first, second)["full"].entries
    assert (kept.value, default.value) == ("× 1 (1, edge), × 3 (1, edge)", 0.8)
    assert (large.value, large.note) == (None, "diverged")
    (group,) = gather([first, second]).values()
    assert rates.tried(group) == [rates.Tried(1.0, 0.8, 1, 2)]


def test_a_scale_that_a_strategy_did_not_try_is_empty_there() -> None:
    found = rows(sweep("full", {1.0: 0.8}, kept=1.0), sweep("frozen", {0.3: 0.5, 1.0: 0.6}, kept=0.3))
    assert [item.value for item in found["full"].entries] == ["× 1", None, 0.8]
    assert found["full"].entries[1].note == ""


@pytest.mark.parametrize(("other", "same"), [({0.3: 0.5, 1.0: 0.6}, True), ({1.0: 0.6}, False)])
def test_other_scales_are_not_called_the_same(other: dict[float, float | None], same: bool) -> None:
    table = rates.build([sweep("full", {0.3: 0.7, 1.0: 0.8}, kept=1.0), sweep("frozen", other, kept=1.0)])
    assert table.notes[0].startswith("Each strategy tried the same scales") == same


def test_scales_are_in_order_whatever_the_order_in_which_they_were_tried() -> None:
    (group,) = gather([sweep("full", {3.0: 0.7, 0.3: 0.6, 1.0: 0.8}, kept=1.0)]).values()
    assert [(point.scale, point.kept) for point in rates.tried(group)] == [(0.3, 0), (1.0, 1), (3.0, 0)]


def test_a_run_that_tried_nothing_says_how_to() -> None:
    with pytest.raises(BenchError) as error:
        rates.build([make_record()])
    assert error.value.code == "no-rates-tried"


@pytest.mark.parametrize(("kept", "shown"), [(0.3, "× 0.3 (edge)"), (1.0, "× 1"), (3.0, "× 3 (edge)")])
def test_a_scale_at_the_edge_of_its_grid_is_marked(kept: float, shown: str) -> None:
    table = rates.build([sweep("full", {0.3: 0.6, 1.0: 0.7, 3.0: 0.8}, kept)])
    assert table.blocks[0].rows[0].entries[0].value == shown
    assert any(note.startswith("Edge:") for note in table.notes) == ("edge" in shown)


def test_the_edge_is_that_of_each_seeds_own_grid() -> None:
    """A scale that diverged bounds the grid as any other does; a grid without a choice has no edge."""
    first = sweep("full", {0.3: 0.6, 1.0: 0.8, 3.0: None}, kept=1.0)
    second = sweep("full", {0.3: 0.9, 1.0: 0.8, 3.0: 0.2}, kept=0.3, seed=1)
    assert rows(first, second)["full"].entries[0].value == "× 0.3 (1, edge), × 1 (1)"
    assert rows(sweep("full", {1.0: 0.8}, kept=1.0))["full"].entries[0].value == "× 1"
    assert rows(sweep("probe", {0.3: 0.8, 1.0: 0.8}, kept=0.3))["probe"].entries[0].value == "× 0.3"

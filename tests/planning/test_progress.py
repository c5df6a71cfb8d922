"""How long remains is learned from what has run."""

from __future__ import annotations

import pytest

from bench.contracts import Cell, Recipe
from bench.planning.estimates import SHARED, Estimator
from bench.planning.progress import duration, remaining_seconds
from bench.runs.record import Record, Seconds
from tests.cli.test_grid import cell


def ran(name: str, seconds: float, prepare: float = 0.0, prefix: float = 0.0) -> Record:
    took = Seconds(train=seconds, prepare=prepare, prefix=prefix)
    return Record(cell=cell(name), fingerprint="", status="done", seconds=took, peak_memory=100)


DONE = [ran("a/full/x/0", 10), ran("a/full/x/1", 20), ran("a/frozen/x/0", 1)]


@pytest.mark.parametrize(
    ("missing", "seconds"),
    [
        ("a/full/x/2", 15),  # its other seeds
        ("b/full/x/0", 15 + SHARED),  # the same strategy on another task
        ("a/gradual/x/0", 31 / 3),  # another strategy on the same task and backbone
        ("b/full/y/0", 31 / 3 + SHARED),  # whatever has run
    ],
)
def test_the_most_comparable_cells_count(missing: str, seconds: float) -> None:
    wanted = cell(missing)
    assert remaining_seconds([wanted.id], DONE) == pytest.approx(seconds)


def test_nothing_is_known_before_anything_has_run() -> None:
    assert remaining_seconds(["a/full/x/seed0"], []) is None


def operations(cell: Cell) -> float:
    return {"small": 1.0, "large": 10.0}[cell.task]


def test_without_a_comparable_cell_operations_decide_at_the_assumed_rate() -> None:
    estimate = Estimator(operations, rate=2.0).cell(cell("large/full/x/0"))
    assert (estimate.seconds, estimate.basis) == (5.0, "assumed")


def test_another_task_is_scaled_by_its_operations_and_tempered_by_the_assumed_rate() -> None:
    estimator = Estimator(operations, rate=1.0)
    estimator.learn([ran("small/full/x/0", 1.4)])
    estimate = estimator.cell(cell("large/full/x/0"))
    # 1.4 s an operation there, and 1 s at the assumed rate
    assert (estimate.seconds, estimate.memory, estimate.basis) == (pytest.approx(10 * 1.2), 100, "scaled")


def test_an_assumed_rate_that_is_far_from_what_was_measured_counts_for_nothing() -> None:
    estimator = Estimator(operations, rate=1.0)
    estimator.learn([ran("small/full/x/0", 30.0)])
    assert estimator.cell(cell("large/full/x/0")).seconds == pytest.approx(300.0)


def test_a_cell_with_the_same_recipe_is_a_record_and_with_another_recipe_is_not() -> None:
    estimator = Estimator()
    estimator.learn(DONE)
    assert estimator.cell(cell("a/full/x/7")).basis == "recorded"
    assert estimator.cell(cell("a/full/x/7", Recipe(epochs=9))).basis == "scaled"


def test_what_a_group_shares_counts_once_and_not_where_it_is_made_already() -> None:
    estimator = Estimator()
    estimator.learn([ran("a/full/x/0", 10, prepare=4)])
    two = [cell("b/full/x/0"), cell("b/full/x/1")]
    assert estimator.total(two) == 24
    assert estimator.total(two, begun=[("b", "x")]) == 20


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_where_each_seed_has_its_own_rows_it_prepares_and_passes_them_itself() -> None:
    """The frozen prefix of a draw is shared by strategies with as long a prefix, not by seeds."""
    recipe = Recipe(resample="train")
    names = [f"a/{strategy}/x/{seed}" for seed in (0, 1) for strategy in ("frozen", "probe", "full")]
    estimator = Estimator(lambda _: 100.0, prefix=lambda cell: 0.0 if cell.strategy == "full" else 50.0)
    estimator.learn([ran(names[0], 10, prepare=4, prefix=7), ran(names[1], 10, prepare=4, prefix=7)])
    estimator.learn([ran(names[2], 10, prepare=4)])
    cells = [cell(name, recipe) for name in names]
    assert list(estimator.each(cells)) == [21, 10, 10, 21, 10, 10]
    assert list(estimator.each(cells[1:], begun=estimator.makes(cells[0]))) == [10, 10, 21, 10, 10]
    shared = [cell(name) for name in names]
    assert list(estimator.each(shared)) == [21, 17, 10, 10, 10, 10]

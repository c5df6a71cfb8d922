"""Epochs and seconds to a share of the best validation score."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.analysis import convergence
from bench.analysis.tables.build import build
from bench.contracts import BenchError
from bench.runs.record import Point
from tests.analysis.conftest import make_record


def curve(*scores: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=n, epoch=n / 2, seconds=10.0 * n, phase=1, train_loss=1, loss=1, score=score)
        for n, score in enumerate(scores, 1)
    )


def test_the_first_point_above_the_share_is_when_it_is_reached():
    point = convergence.reached(curve(0.5, 0.73, 0.71, 0.8), 0.9)
    assert point is not None
    assert point.step == 2


def test_an_empty_curve_reaches_nothing():
    assert convergence.reached((), 0.9) is None


def test_the_table_has_medians_over_seeds():
    records = [
        make_record(seed=n, curve=curve(*scores))
        for n, scores in enumerate([(0.8,), (0.1, 0.8), (0.1, 0.1, 0.8)])
    ]
    row = convergence.build(records).blocks[0].rows[0]
    assert [entry.value for entry in row.entries] == [0.8, 1.0, 20.0, 1.0, 20.0]


def test_no_curve_is_an_error():
    with pytest.raises(BenchError) as error:
        convergence.build([make_record(curve=())])
    assert error.value.code == "no-learning-curve"


def losing(*losses: float, steps: Sequence[int] = ()) -> tuple[Point, ...]:
    """A curve of these validation losses, at these steps or at every step."""
    return tuple(
        Point(step=step, epoch=step / 10, seconds=step, phase=1, train_loss=1, loss=loss, score=0.5)
        for step, loss in zip(steps or range(1, len(losses) + 1), losses, strict=True)
    )


def penalties(*losses: float) -> tuple[Point, ...]:
    """The curve of a solver: a point a penalty, of more passes over the training rows than steps."""
    return tuple(
        Point(step=10 * n, epoch=12 * n, seconds=n, phase=1, train_loss=1, loss=loss, score=0.5)
        for n, loss in enumerate(losses, 1)
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((0.9, 0.7, 0.6), True),
        ((0.9, 0.6, 0.597), False),  # by half a percent: the end of a decaying rate
        ((0.9, 0.5, 0.4949), True),
        ((0.9, 0.5, 0.4951), False),
        ((0.9, 0.5, 0.6), False),  # an earlier state is kept
        ((0.5, 0.9, 0.6), False),  # falling, but not the best
        ((0.6,), False),
        ((), False),
    ],
)
def test_a_run_is_unconverged_where_its_last_state_is_best_and_still_falls(losses, expected):
    assert convergence.unconverged(make_record(curve=losing(*losses))) is expected


@pytest.mark.parametrize(
    ("losses", "steps", "expected"),
    [
        # 160 rows in batches of 16, validated four times an epoch: the last interval is a single step
        ((0.9, 0.7, 0.6, 0.599), (3, 6, 9, 10), True),
        ((0.9, 0.6, 0.5999, 0.5998), (3, 6, 9, 10), False),
        ((0.9, 0.6, 0.595, 0.5925), (3, 6, 9, 10), False),  # over 4 steps by 1.25%, over 3 by less than 1%
        ((0.9, 0.6, 0.595, 0.5915), (3, 6, 9, 10), True),  # by 1.42%
        ((0.9, 0.6, 0.598), (20, 25, 30), False),  # the first came late
        ((0.9, 0.6), (5, 10), True),
        ((0.9, 0.6), (51, 101), True),  # one step short of an interval
        ((0.9, 0.5, 0.4964), (10, 20, 27), True),  # 0.7 of an interval: by 0.72%
        ((0.9, 0.5, 0.4966), (10, 20, 27), False),  # by 0.68%
    ],
)
def test_the_fall_is_measured_over_about_an_interval_in_proportion(losses, steps, expected):
    assert convergence.unconverged(make_record(curve=losing(*losses, steps=steps))) is expected


@pytest.mark.parametrize("curve", [losing(0.9), losing(0.9, 0.5, steps=(3, 4))])
def test_a_run_that_was_validated_too_rarely_cannot_tell(curve):
    found = convergence.converged([make_record(curve=curve)])
    assert (found.late, found.told, len(found.untold)) == ((), (), 1)


def test_the_penalties_of_a_solver_are_no_states_on_the_way():
    assert not convergence.unconverged(make_record(curve=penalties(0.9, 0.7, 0.5)))
    assert convergence.converged([make_record(curve=penalties(0.9, 0.7, 0.5))]) == convergence.Converged(
        (), (), ()
    )
    assert convergence.solved(penalties(0.9))
    assert not convergence.solved(losing(0.9, 0.7))
    assert not convergence.solved(())


def test_a_failed_run_is_not_called_unconverged():
    assert not convergence.unconverged(make_record(curve=losing(0.9, 0.5), status="failed"))


EARLY, ENOUGH = losing(0.9, 0.6), losing(0.9, 0.899)


def note(records) -> str:
    """What a table says of convergence; '' where it says nothing."""
    found = [text for text in build(records).notes if text.startswith(("Not converged", "Convergence"))]
    assert len(found) < 2
    return "".join(found)


def test_the_table_names_the_strategies_whose_budget_ended_early():
    records = [make_record(strategy="full", seed=n, curve=EARLY if n else ENOUGH) for n in range(3)]
    records += [make_record(strategy="frozen", seed=n, curve=ENOUGH) for n in range(3)]
    assert note(records) == (
        "Not converged: 2 of 6 finished runs were still improving on validation when their budget ended (full 2 of "
        "3); more epochs may raise their scores."
    )
    assert note(records[3:]) == ""


def test_it_names_the_tasks_where_they_are_not_all_of_a_strategys():
    records = [
        make_record(task, strategy, seed, curve=EARLY if task in late else ENOUGH)
        for strategy, late in {"full": ("a", "b"), "lora": ("a", "b", "c"), "frozen": ()}.items()
        for task in ("a", "b", "c")
        for seed in range(2)
    ]
    assert "10 of 18 finished runs" in note(records)
    assert "(lora 6 of 6; full 4 of 6 on a, b)" in note(records)


def test_runs_that_cannot_tell_are_no_converged_ones():
    once = [make_record(strategy="frozen", seed=n, curve=losing(0.9)) for n in range(3)]
    solved = make_record(strategy="probe", curve=penalties(0.9, 0.5))
    records = [make_record(strategy="full", curve=EARLY), *once, solved]
    assert "1 of 1 finished runs" in note(records)
    assert note(records).endswith(" 3 more were validated too rarely to tell.")
    assert note([make_record(strategy="full", curve=ENOUGH), *once[:1], solved]) == (
        "Convergence: 1 of 2 finished runs was validated too rarely to tell whether they had converged."
    )
    assert note([make_record(curve=()), solved]) == ""


def test_each_share_has_its_columns():
    table = convergence.build([make_record(curve=curve(0.5, 0.75, 0.8))])
    assert [column.name for column in table.columns] == [
        "best",
        "epochs-90%",
        "seconds-90%",
        "epochs-99%",
        "seconds-99%",
    ]
    assert [entry.value for entry in table.blocks[0].rows[0].entries] == [0.8, 1.0, 20.0, 1.5, 30.0]


def test_a_failed_run_tells_nothing_of_convergence():
    failed = make_record(curve=EARLY, status="failed")
    assert convergence.converged([failed]) == convergence.Converged((), (), ())

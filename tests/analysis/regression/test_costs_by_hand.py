"""Seconds and memory of two runs, on both sides of each bound."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench.analysis.groups import Group, Key
from bench.analysis.regression.compare import CompareOptions
from bench.analysis.regression.costs import compare_costs
from bench.runs.record import Seconds
from tests.analysis.conftest import MACHINE, make_record

KEY = Key("reviews", "full", "minilm")


def timed(growth: Mapping[Key, float], memory: float = 1.0) -> dict[Key, tuple[Group, Group]]:
    """Two seeds a cell, which agree: only the noise between runs is left."""
    pairs = {}
    for key, factor in growth.items():
        sides = [
            Group(
                key,
                tuple(
                    make_record(
                        key.task,
                        seed=seed,
                        seconds=Seconds(train=10 * by + 1e-9 * seed, cold=10 * by + 1e-9 * seed),
                        peak_memory=round(1e9 * (memory if by != 1 else 1)),
                    )
                    for seed in range(2)
                ),
            )
            for by in (1.0, factor)
        ]
        pairs[key] = (sides[0], sides[1])
    return pairs


def keys(count: int) -> list[Key]:
    return [Key(f"task{place}", "full", "minilm") for place in range(count)]


STEADY = CompareOptions(time_noise=1e-6)


@pytest.mark.parametrize(("factor", "grew"), [(1.26, True), (1.24, False)])
def test_a_quarter_more_time_counts(factor: float, grew: bool) -> None:
    costs, notes = compare_costs(timed({KEY: factor}), STEADY)
    (seconds,) = (item for item in costs if item.quantity == "seconds")
    assert (seconds.grew, notes) == (grew, ())
    assert (seconds.before, seconds.after) == pytest.approx((10, 10 * factor))


@pytest.mark.parametrize(("factor", "grew"), [(1.101, True), (1.099, False)])
def test_a_tenth_more_memory_counts(factor: float, grew: bool) -> None:
    costs, _ = compare_costs(timed({KEY: 1.0001}, factor), STEADY)
    (memory,) = (item for item in costs if item.quantity == "memory")
    assert memory.grew is grew
    assert memory.p == (0 if factor > 1 else 1)


def test_less_of_everything_is_no_growth() -> None:
    costs, _ = compare_costs(timed({KEY: 0.5}, 0.5), STEADY)
    assert [item.grew for item in costs] == [False, False]
    assert all(item.p == pytest.approx(1) for item in costs)


@pytest.mark.parametrize(("cells", "judged"), [(3, True), (4, False)])
def test_four_cells_have_a_median_of_their_own(cells: int, judged: bool) -> None:
    """All of them take twice as long: with three that is a growth of each, with four that of the machine."""
    costs, notes = compare_costs(timed(dict.fromkeys(keys(cells), 2.0)), STEADY)
    assert all(item.grew is judged for item in costs if item.quantity == "seconds")
    assert len(notes) == (0 if judged else 1)
    assert all("takes 2.00 times as long" in note for note in notes)


@pytest.mark.parametrize(("factor", "noted"), [(1.11, True), (1.09, False), (0.89, True), (0.91, False)])
def test_a_tenth_of_the_median_cell_is_worth_a_note(factor: float, noted: bool) -> None:
    _, notes = compare_costs(timed(dict.fromkeys(keys(4), factor)), STEADY)
    assert bool(notes) is noted


def test_the_most_grown_costs_come_first() -> None:
    factors = dict(zip(keys(5), (1.0, 1.0, 1.0, 1.4, 1.6), strict=True))
    costs, _ = compare_costs(timed(factors), STEADY)
    assert [item.key.task for item in costs if item.quantity == "seconds"] == [
        "task4",
        "task3",
        "task0",
        "task1",
        "task2",
    ]
    assert [item.grew for item in costs[:3]] == [True, True, False]


def test_a_seed_that_trained_beside_others_has_no_time_or_memory_of_its_own() -> None:
    (pair,) = timed({KEY: 2.0}, 2.0).values()
    beside = MACHINE.model_copy(update={"seeds_at_once": 2})
    shared = tuple(record.model_copy(update={"machine": beside}) for record in pair[1].records)
    costs, _ = compare_costs({KEY: (pair[0], Group(KEY, shared))}, STEADY)
    assert costs == ()

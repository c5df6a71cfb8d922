"""Costs of cells that are short, that did not grow, that ran on another machine, or on one that changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.groups import Group, Key, gather
from bench.analysis.regression import baseline
from bench.analysis.regression.compare import CompareOptions
from bench.analysis.regression.costs import Cost, compare_costs
from bench.runs.record import Record, Seconds
from tests.analysis.conftest import MACHINE, make_record
from tests.analysis.regression.test_costs_by_hand import KEY, STEADY, keys, timed

GATE = Path(__file__).parents[3] / "results" / "baselines" / "gate.jsonl"


def costs_of(quantity: str, costs: tuple[Cost, ...]) -> list[Cost]:
    return [item for item in costs if item.quantity == quantity]


def test_the_cells_of_another_machine_are_counted_and_left_out() -> None:
    pairs = timed(dict.fromkeys(keys(3), 1.0))
    moved, *rest = pairs
    other = MACHINE.model_copy(update={"threads": 64})
    then, now = pairs[moved]
    elsewhere = tuple(record.model_copy(update={"machine": other}) for record in now.records)
    costs, notes = compare_costs({**pairs, moved: (then, Group(moved, elsewhere))}, STEADY)
    assert notes == ("Not compared, because of other machines: time and memory of 1 cell.",)
    assert {item.key for item in costs} == set(rest)


def test_cells_of_less_than_a_second_are_judged() -> None:
    before, after = (
        Group(KEY, tuple(make_record(seed=n, seconds=Seconds(train=s, cold=s)) for n, s in enumerate(own)))
        for own in ((0.4, 0.400001), (0.8, 0.800001))
    )
    (found,) = costs_of("seconds", compare_costs({KEY: (before, after)}, STEADY)[0])
    assert (found.before, found.after, found.grew) == (
        pytest.approx(0.4, rel=1e-5),
        pytest.approx(0.8, rel=1e-5),
        True,
    )


def test_the_same_memory_is_certainly_no_growth() -> None:
    (found,) = costs_of("memory", compare_costs(timed({KEY: 1.26}), STEADY)[0])
    assert (found.change, found.p, found.grew) == (pytest.approx(0), 1.0, False)


@pytest.mark.parametrize(
    ("typical", "own", "grew"),
    [(2.0, 2.4, False), (2.0, 2.6, True), (0.5, 0.6, False), (0.5, 0.65, True)],
)
def test_a_quarter_more_time_is_that_beyond_the_growth_of_the_median_cell(
    typical: float, own: float, grew: bool
) -> None:
    *others, judged = keys(5)
    costs, _ = compare_costs(timed({**dict.fromkeys(others, typical), judged: own}), STEADY)
    assert {item.key: item.grew for item in costs_of("seconds", costs)} == {
        **dict.fromkeys(others, False),
        judged: grew,
    }


@pytest.mark.parametrize(("own", "grown"), [(1.0, 0), (1.3, 1)])
def test_a_slower_machine_slows_no_cell_of_the_gate(own: float, grown: int) -> None:
    """Most of its cells share a prefix, and so have one measurement each."""
    groups = gather(baseline.read(GATE).records)
    slowed = max(groups, key=lambda key: groups[key].measurements())

    def now(key: Key, record: Record) -> Record:
        factor = 1.6 * (own if key == slowed else 1)
        parts = {name: seconds * factor for name, seconds in record.seconds.model_dump().items()}
        return record.model_copy(update={"seconds": Seconds(**parts)})

    after = {key: Group(key, tuple(now(key, r) for r in group.records)) for key, group in groups.items()}
    pairs = {key: (group, after[key]) for key, group in groups.items()}
    costs, notes = compare_costs(pairs, CompareOptions())
    assert [item.key for item in costs if item.quantity == "seconds" and item.grew] == [slowed] * grown
    assert any("takes 1.60 times as long" in note for note in notes)


def test_a_seed_that_trained_beside_others_is_in_no_mean() -> None:
    """Its time and memory are those of another seed."""
    (pair,) = timed({KEY: 2.0}, 2.0).values()
    beside = make_record(
        "reviews",
        seed=2,
        machine=MACHINE.model_copy(update={"seeds_at_once": 2}),
        seconds=Seconds(train=500, cold=500),
        peak_memory=9 * 10**9,
    )
    costs, _ = compare_costs({KEY: (pair[0], Group(KEY, (*pair[1].records, beside)))}, STEADY)
    after = {item.quantity: item.after for item in costs}
    assert after == pytest.approx({"seconds": 20.0, "memory": 2e9}, rel=1e-6)


@pytest.mark.parametrize("order", [1, -1], ids=["none now", "none then"])
def test_a_cell_without_seconds_in_one_run_has_no_verdict_on_them(order: int) -> None:
    known, unknown = (
        Group(KEY, tuple(make_record(seed=n, seconds=Seconds(train=5.0 + n, cold=cold)) for n in range(2)))
        for cold in (10.0, 0.0)
    )
    first, second = (known, unknown)[::order]
    costs, notes = compare_costs({KEY: (first, second)}, STEADY)
    assert [item.quantity for item in costs] == ["memory"]
    assert notes == ()

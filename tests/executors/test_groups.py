"""Which cell comes next: the policy that every executor and the simulation follow."""

from __future__ import annotations

from bench.contracts import Cell, Recipe
from bench.executors.groups import Groups


def cells(task: str, count: int) -> list[Cell]:
    return [Cell("s", task, "full", "tiny", seed, Recipe()) for seed in range(count)]


A, B, C = (cells(task, 1)[0].group_key for task in "abc")


def test_a_worker_stays_with_its_group() -> None:
    groups = Groups([*cells("a", 2), *cells("b", 2)])
    assert groups.choose(B) == B


def test_a_worker_without_a_group_takes_one_that_nobody_has() -> None:
    groups = Groups([*cells("a", 2), *cells("b", 2)])
    assert groups.choose(None) == A
    assert groups.choose(C, taken=[A]) == B


def test_the_largest_group_starts_first_where_there_are_several_workers() -> None:
    groups = Groups([*cells("a", 2), *cells("b", 3)])
    groups.largest_first()
    assert groups.choose(None) == B


def test_a_worker_shares_the_largest_group_before_it_idles() -> None:
    groups = Groups([*cells("a", 2), *cells("b", 3)])
    assert groups.choose(None, taken=[A, B]) == B


def test_a_last_cell_is_left_to_the_worker_that_has_its_prefix() -> None:
    groups = Groups(cells("a", 1))
    assert groups.choose(None, taken=[A]) is None


def test_every_cell_is_handed_out_once() -> None:
    groups = Groups([*cells("a", 2), *cells("b", 1)])
    seen = []
    while (key := groups.choose(None)) is not None:
        seen.append(groups.pop(key).id)
    assert sorted(seen) == sorted(cell.id for cell in [*cells("a", 2), *cells("b", 1)])
    assert not groups

"""Which cell comes next: the policy that every executor and the simulation follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contracts import Cell, Recipe
from bench.executors import contract
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


def test_a_table_with_every_strategy_stands_before_the_second_seed() -> None:
    names = [(strategy, seed) for strategy in ("frozen", "top-layers", "full") for seed in range(3)]
    suite = [Cell("s", task, strategy, "tiny", seed, Recipe()) for task in "ab" for strategy, seed in names]
    together = {cell.id for cell in suite if cell.strategy == "frozen"}
    groups, order = Groups(suite, together), []
    while (key := groups.choose(order[-1].group_key if order else None)) is not None:
        order += groups.pop_together(key)
    first = [(cell.task, cell.strategy, cell.seed) for cell in order[:5]]
    assert first == [("a", "frozen", seed) for seed in range(3)] + [("a", "top-layers", 0), ("a", "full", 0)]
    assert [cell.task for cell in order] == ["a"] * 9 + ["b"] * 9


def test_on_a_gpu_the_seeds_of_a_strategy_follow_one_another() -> None:
    """The next one replays what the last one has captured."""
    names = [(strategy, seed) for seed in range(2) for strategy in ("top-layers", "full")]
    suite = [Cell("s", "a", strategy, "tiny", seed, Recipe()) for strategy, seed in names]
    suite.insert(1, Cell("s", "a", "top-layers", "tiny", 0, Recipe(), (("layers", 1),)))
    groups = Groups(suite, by_strategy=True)
    order = [groups.pop(A) for _ in suite]
    assert [(cell.strategy, cell.options, cell.seed) for cell in order] == [
        ("top-layers", (), 0),
        ("top-layers", (), 1),
        ("top-layers", (("layers", 1),), 0),
        ("full", (), 0),
        ("full", (), 1),
    ]


@pytest.mark.parametrize(
    ("device", "driver", "expected"),
    [
        ("cuda", False, True),
        ("cuda:1,cuda:2", False, True),
        ("auto", True, True),
        ("auto", False, False),
        ("cpu", True, False),
    ],
)
def test_whether_there_is_a_gpu_is_known_without_torch(
    device: str, driver: bool, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "NVIDIA", tmp_path if driver else tmp_path / "missing")
    assert contract.Options(device=device).on_gpu is expected
    assert contract.Options(device=device).seeds_in_turn is expected
    assert not contract.Options(device=device, growing=True).seeds_in_turn, "a budget may end it"

"""One pass through a frozen prefix serves every strategy, seed and round of growing rows that reads there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell
from bench.engine import group as grouping
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.executors.contract import Options, Work
from bench.executors.series import Series
from bench.runs.folder import Store
from bench.runs.listeners import Silent

MakeCell = Callable[..., Cell]
DEPTH = 4
FEW, MANY = 12, 20


def counted(group: CellGroup) -> Counter[int]:
    """How many sequences enter each block of the frozen encoder without gradients from here on."""
    runs: Counter[int] = Counter()
    encode = group.frozen.encode

    def counting(inputs: Any, mask: Any, segments: Any, start: int = 0, stop: int | None = None) -> Any:
        for block in range(start, DEPTH + 1 if stop is None else stop):
            runs[block] += len(inputs)
        return encode(inputs, mask, segments, start, stop)

    group.frozen.encode = counting  # pyright: ignore[reportAttributeAccessIssue]
    return runs


def sized(cell: Cell, rows: int) -> Cell:
    return replace(cell, recipe=replace(cell.recipe, train=rows))


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner"])
def test_strategies_and_seeds_that_read_at_a_boundary_share_one_pass(
    task: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    group = prepare_group(toy_cell(task=task), toy_context)
    runs = counted(group)

    def ran(strategy: str, seed: int) -> dict[int, int]:
        """How many sequences a cell sends through each block."""
        before = Counter(runs)
        run_cell(toy_cell(strategy, task, seed), group, toy_context, lambda point: None)
        return dict(runs - before)

    learnt = sum(len(group.splits[name]) for name in ("train", "validation"))
    tested = len(group.splits["test"])
    assert ran("gradual", 0) == dict.fromkeys(range(DEPTH + 1), learnt)
    assert ran("lp-ft", 0) == {}
    assert ran("top-layers", 0) == {0: tested, 1: tested, 2: learnt + tested}  # gradual had boundary 2
    assert ran("frozen", 0) == {3: tested, 4: tested}
    for seed in (1, 2):
        for strategy in ("gradual", "lp-ft", "top-layers", "frozen"):
            assert ran(strategy, seed) == {}


@pytest.fixture
def rounds(toy_cell: MakeCell, toy_context: RunContext) -> tuple[CellGroup, CellGroup, CellGroup]:
    """A group of few rows, one of more that knows it, and the same without."""
    cell = toy_cell("frozen")
    small = prepare_group(sized(cell, FEW), toy_context)
    for split in ("train", "validation"):
        small.prefix.fill(split, (2, DEPTH + 1))
    knowing = prepare_group(sized(cell, MANY), toy_context, small.prefix.rows(small.setup.attention))
    return small, knowing, prepare_group(sized(cell, MANY), toy_context)


@pytest.mark.parametrize("boundaries", [(DEPTH + 1,), (2,), (2, DEPTH + 1)])
def test_a_round_of_more_rows_runs_the_new_ones_alone(boundaries: tuple[int, ...], rounds: Any) -> None:
    _, knowing, plain = rounds
    runs, whole = counted(knowing), counted(plain)
    for split in ("train", "validation"):
        for group in (knowing, plain):
            group.prefix.fill(split, boundaries)
        for boundary in boundaries:
            found, wanted = (group.prefix.features(split, boundary) for group in (knowing, plain))
            assert torch.allclose(found, wanted, rtol=0, atol=1e-5)
    assert set(runs.values()) == {MANY - FEW}
    assert set(whole.values()) == {MANY + len(plain.splits["validation"])}


def test_known_rows_are_charged_as_if_they_had_run(rounds: Any) -> None:
    small, knowing, plain = rounds
    small.prefix._spent["train"][DEPTH + 1] = (
        small.splits["train"].tokens * 1000.0
    )  # a second for a millionth
    small.prefix._spent["train"][2] = 0.0
    knowing.prefix.fill("train", (DEPTH + 1,))
    assert knowing.prefix.seconds("train", (DEPTH + 1,)) == pytest.approx(
        small.splits["train"].tokens * 1000.0, rel=1e-3
    )
    assert plain.splits["train"].tokens > small.splits["train"].tokens


def test_rows_that_are_all_known_cost_what_they_cost_before(rounds: Any) -> None:
    small, knowing, _ = rounds
    spent = small.prefix._spent["validation"]
    spent[2], spent[DEPTH + 1] = 100.0, 1000.0
    knowing.prefix.fill("validation", (2, DEPTH + 1))
    found = [knowing.prefix.seconds("validation", (boundary,)) for boundary in (2, DEPTH + 1)]
    assert found == pytest.approx([100, 1000])


def test_rows_that_are_known_in_part_cost_their_share_of_the_tokens(
    rounds: Any, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """Of fewer rows than were kept, each boundary adds what lies between it and the one before."""
    small, _, _ = rounds
    spent = small.prefix._spent["train"]
    spent[2], spent[DEPTH + 1] = 100.0, 1000.0
    fewer = prepare_group(sized(toy_cell("frozen"), FEW // 2), toy_context).splits["train"]
    into = {2: torch.empty(fewer.tokens, 32), DEPTH + 1: torch.empty(len(fewer), 32)}
    found = small.prefix.rows().reuse("train", fewer, 0, into)
    share = fewer.tokens / small.splits["train"].tokens
    assert 0 < share < 1
    assert dict(found.seconds) == pytest.approx({2: 100 * share, DEPTH + 1: 900 * share})
    assert found.rest is not None
    assert len(found.rest) == 0


def test_a_boundary_that_was_not_kept_runs_for_all_rows(rounds: Any) -> None:
    _, knowing, _ = rounds
    runs = counted(knowing)
    knowing.prefix.fill("train", (3,))
    assert set(runs.values()) == {MANY}


def test_other_attention_is_no_reason_to_mix(toy_cell: MakeCell, toy_context: RunContext) -> None:
    small = prepare_group(sized(toy_cell("frozen"), FEW), toy_context)
    small.prefix.fill("train", (DEPTH + 1,))
    group = prepare_group(sized(toy_cell("frozen"), MANY), toy_context, small.prefix.rows("another"))
    runs = counted(group)
    group.prefix.fill("train", (DEPTH + 1,))
    assert set(runs.values()) == {MANY}


@pytest.mark.parametrize(
    ("options", "reused"),
    [
        (Options(device="cpu", growing=True), True),
        (Options(device="cpu"), False),
    ],
)
def test_only_a_run_that_grows_keeps_rows(
    options: Options,
    reused: bool,
    toy_cell: MakeCell,
    toy_context: RunContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = [sized(toy_cell("probe"), rows) for rows in (FEW, MANY)]
    cells.append(replace(cells[1], recipe=replace(cells[1].recipe, max_length=16)))
    work = Work(Store(tmp_path / "run"), options, grid=tuple(cell.id for cell in cells))
    given: list[Any] = []
    prepare = grouping.prepare_group

    def noted(cell: Cell, context: RunContext, earlier: Any = None) -> CellGroup:
        given.append(earlier)
        return prepare(cell, context, earlier)

    monkeypatch.setattr("bench.executors.series.prepare_group", noted)
    series = Series(work, toy_context.registry, "cpu")
    for cell in cells:
        assert [record.status for record in series.run([cell], Silent())] == ["done"]
    assert [earlier is not None for earlier in given] == [False, reused, False]


def test_the_places_of_sequences_are_those_of_their_tokens(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    split = prepare_group(toy_cell("frozen"), toy_context).splits["train"]
    index = np.array([3, 0, 5])
    batch = split.batch(index)
    assert split.places(index).tolist() == batch.positions[batch.mask.bool()].tolist()
    assert len(set(split.contents())) > 1

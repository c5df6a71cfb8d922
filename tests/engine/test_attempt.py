"""Whatever a cell raises, there is a record that says so in a line, and the cells after it run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.contracts import BenchError, Cell, Insertable, Phase
from bench.engine.attempt import Attempt, attempt
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.extras import missing
from bench.registry import Plugins, Registry
from bench.runs.record import Record
from strategies.full import Full
from tests.engine.test_memory import Greedy

MakeCell = Callable[..., Cell]


def raising(error: BaseException) -> Callable[[Cell, RunContext], CellGroup]:
    def prepare(cell: Cell, context: RunContext) -> CellGroup:
        raise error

    return prepare


LINE = raising.__code__.co_firstlineno + 2


def tried(
    cells: list[Cell], context: RunContext, prepare: Any = prepare_group, log: str = ""
) -> list[Record]:
    terms = Attempt(prepare, watch=lambda *_: None, log=lambda *_: log)
    return [record for record, _ in attempt(cells, context, terms)]


@pytest.mark.parametrize(
    ("message", "log", "said"),
    [
        ("first\nsecond", "", "RuntimeError: first (test_attempt.py:LINE)"),
        ("x" * 301, "a/log", f"RuntimeError: {'x' * 300} (test_attempt.py:LINE; traceback in a/log)"),
        ("", "", "RuntimeError:  (test_attempt.py:LINE)"),
    ],
)
def test_an_exception_is_its_first_line_and_its_place(
    message: str, log: str, said: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    (record,) = tried([toy_cell()], toy_context, raising(RuntimeError(message)), log)
    assert (record.status, record.reason) == ("failed", said.replace("LINE", str(LINE)))
    assert record.fingerprint == toy_context.registry.fingerprint(toy_cell())


def test_a_refusal_before_the_cell_runs_is_a_failure_and_a_later_one_is_none(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cells = [toy_cell("full", seed=seed) for seed in range(2)]
    refused = tried(cells, toy_context, raising(BenchError("no rows", code="no-rows")))
    assert [(record.cell, record.status, record.reason) for record in refused] == [
        (cell, "failed", "no rows") for cell in cells
    ]
    wide = toy_cell("full", recipe=replace(toy_cell().recipe, features="mix"))
    (record,) = tried([wide], toy_context)
    assert record.status == "skipped"
    assert "needs a frozen encoder" in record.reason


class Partly(Full):
    name = "partly"
    summary = "full fine-tuning that leaves the embeddings without a rate"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("layers.*", 1e-4),)),)


def test_a_strategy_that_leaves_out_a_parameter_has_failed(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On any encoder: `skipped` would end the run with 0."""
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "partly", Partly)
    (record,) = tried([toy_cell("partly")], toy_context)
    assert record.status == "failed"
    assert record.reason.endswith("end its rates with ('*', FROZEN)")


class Needy(Full):
    name = "needy"
    summary = "full fine-tuning that says it needs a GPU, and uses it"
    needs = "cuda"

    def adapt(self, encoder: Insertable) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")


def test_a_strategy_that_needs_a_gpu_has_no_row_of_a_cpu(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "needy", Needy)
    (record,) = tried([toy_cell("needy")], toy_context)
    assert (record.status, record.reason) == ("skipped", "strategy 'needy' needs an NVIDIA GPU")


class Lacking(Full):
    name = "lacking"
    summary = "full fine-tuning with a package that is not installed"

    def adapt(self, encoder: Insertable) -> None:
        raise missing("strategy lacking", "qlora", ImportError("No module named 'bitsandbytes'"))


def test_a_package_that_is_not_installed_is_a_failure(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`skipped` would end the run with 0, though the strategy fits."""
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "lacking", Lacking)
    (record,) = tried([toy_cell("lacking")], toy_context)
    assert record.status == "failed"
    assert "pip install 'transferbench[qlora]'" in record.reason


def test_the_cell_after_one_whose_frozen_layers_failed_is_as_it_is_by_itself(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """In the same group: nothing that the failed pass left is taken for features."""
    passes = itertools.count()

    def fail(*_: object) -> None:
        if not next(passes):
            raise RuntimeError("a batch that cannot be encoded")

    def prepare(cell: Cell, context: RunContext) -> CellGroup:
        group = prepare_group(cell, context)
        (layer,) = group.frozen.modules_of(1)
        layer.register_forward_hook(fail)
        return group

    cells = [toy_cell("top-layers", seed=seed) for seed in range(2)]
    broken, found = tried(cells, toy_context, prepare)
    (expected,) = tried(cells[1:], toy_context)
    assert (broken.status, found.status) == ("failed", "done")
    assert [point.loss for point in found.curve] == [point.loss for point in expected.curve]
    assert found.scores == expected.scores


def test_every_seed_that_lacks_memory_finishes_in_smaller_parts_in_order(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    plugins = toy_context.registry.plugins
    strategies = {**plugins.strategies, "greedy": Greedy}
    registry = Registry(Plugins(strategies, plugins.tasks), toy_context.registry.sources)
    cells = [toy_cell("greedy", seed=seed) for seed in range(3)]
    records = tried(cells, replace(toy_context, registry=registry))
    assert [record.cell for record in records] == cells
    assert {record.status for record in records} == {"done"}
    assert {record.adaptations for record in records} == {
        ("micro-batch 2 of 8, accumulated, for lack of memory",)
    }

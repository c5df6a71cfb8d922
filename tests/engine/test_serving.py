"""What a model costs to use: measured outside the cold seconds, on the model that was trained, which stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bench.analysis.groups import gather
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.serving import COLUMNS, for_tasks
from bench.contracts import Cell, set_values
from bench.engine.cell import run_cell, train
from bench.engine.group import prepare_group
from bench.engine.machine import Device
from bench.engine.serving import LEAST, Timer, _served, answered, serving, spread
from bench.engine.training import predict
from bench.runs.record import Served, Serving

QUICK = Timer(Device(torch.device("cpu"), torch.float32), passes=6, seconds=0.0)


def trained(cell: Cell, context: Any) -> tuple[Any, Any]:
    group = prepare_group(cell, context)
    return train(cell, 1.0, group, context, lambda _: None), group


@pytest.fixture
def cost(toy_cell: Callable[..., Cell], toy_context: Any) -> Callable[[str], Serving]:
    def of(strategy: str) -> Serving:
        found, group = trained(toy_cell(strategy), toy_context)
        return serving(found.model, found.plan, group.splits["test"], len(group.rows.test), QUICK)

    return of


def test_serving_is_measured_on_request_alone_and_is_in_no_other_time(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    cell = toy_cell("frozen")
    asked = replace(cell, recipe=replace(cell.recipe, serving=True))
    record, _ = run_cell(asked, prepare_group(asked, toy_context), toy_context, lambda _: None)
    assert record.serving is not None
    assert 0 < record.serving.plain.p50 <= record.serving.plain.p95
    seconds = record.seconds
    parts = (seconds.prepare, seconds.prefix, seconds.compile, seconds.train, seconds.evaluate)
    assert seconds.cold == pytest.approx(sum(parts))
    plain, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda _: None)
    assert plain.serving is None
    assert plain.scores == record.scores


def test_a_recipe_that_does_not_ask_has_the_digest_that_it_had(toy_cell: Callable[..., Cell]) -> None:
    assert "serving" not in set_values(toy_cell().recipe)
    assert "serving" in set_values(replace(toy_cell().recipe, serving=True))


def test_low_rank_updates_are_measured_merged_too_and_others_are_not(cost: Callable[[str], Serving]) -> None:
    assert cost("lora").merged is not None
    for name in ("adapter", "full", "frozen"):
        assert cost(name).merged is None


def test_tasks_share_the_pass_of_an_encoder_that_none_changes(cost: Callable[[str], Serving]) -> None:
    shared, own = cost("frozen"), cost("full")
    assert shared.head is not None
    assert own.head is None
    assert for_tasks(own, 10) == pytest.approx(10 * own.plain.p50)
    assert for_tasks(shared, 10) == pytest.approx(shared.plain.p50 + 9 * shared.head)


@pytest.mark.parametrize("strategy", ["frozen", "lora", "full"])
def test_what_is_measured_is_the_model_that_was_scored_and_it_stays_as_it_is(
    strategy: str, toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    found, group = trained(toy_cell(strategy), toy_context)
    split, phase = group.splits["test"], replace(found.plan.phases[-1], frozen=0)
    model = replace(found.model, prefix=None)
    before, _ = predict(model, "test", split, phase)
    serving(found.model, found.plan, split, len(group.rows.test), QUICK)
    after, _ = predict(model, "test", split, phase)
    assert np.array_equal(before, after)
    with torch.inference_mode():
        alone = [answered(model, split, np.array([place])).numpy()[0] for place in range(len(split))]
    assert np.allclose(np.stack(alone), before, atol=1e-5)


class Clock:
    """A device whose passes take the seconds that are given."""

    def __init__(self, seconds: list[float]) -> None:
        self._now = 0.0
        self._steps: Iterator[float] = iter(seconds)

    def clock(self) -> float:
        return self._now

    def work(self, _: int) -> None:
        self._now += next(self._steps)


def test_the_first_pass_warms_up_and_slow_passes_end_early() -> None:
    clock = Clock([9.0, *[0.2] * 10])
    timer = Timer(clock, passes=10, seconds=0.5)  # pyright: ignore[reportArgumentType]
    assert timer.times(clock.work, 100).tolist() == pytest.approx([0.2] * 5)


def test_rates_are_of_examples_where_an_example_has_several_windows(
    toy_cell: Callable[..., Cell], toy_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, group = trained(toy_cell("frozen"), toy_context)
    split = group.splits["test"]
    monkeypatch.setattr(Timer, "times", lambda self, work, most: np.full(4, 0.01))
    one, half = (serving(found.model, found.plan, split, n) for n in (len(split), len(split) // 2))
    windows = len(split) / (len(split) // 2)
    assert one.plain.p50 == pytest.approx(0.01)
    assert half.plain.p50 == pytest.approx(0.01 * windows)
    assert half.plain.best == pytest.approx(one.plain.best / windows)
    assert one.plain.batch == max(size for size in (1, 8, 32, 128) if size <= len(split))


def test_latency_is_of_one_text_and_rates_are_of_whole_batches(
    toy_cell: Callable[..., Cell], toy_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, group = trained(toy_cell("frozen"), toy_context)
    split, sizes = group.splits["test"], []
    assert 8 < len(split) < 16
    batch = split.batch
    monkeypatch.setattr(split, "batch", lambda index: sizes.append(len(index)) or batch(index))
    serving(found.model, found.plan, split, len(split), QUICK)
    alone = 1 + LEAST  # the first warms up
    assert sizes == [1] * alone + [8] * 2 + [1]  # there is one batch of 8; and the head reads one text


def test_a_batch_may_be_all_there_is_and_the_smaller_of_equals_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model: Any = None
    for seconds, best in ((0.124, 8), (0.125, 1)):  # eight texts one by one take 0.125
        times = {8: np.full(4, 0.125 / 8), 1: np.full(1, seconds)}
        monkeypatch.setattr(Timer, "times", lambda self, work, most, times=times: times[most])
        assert _served(model, model, np.arange(8), 1.0, QUICK).batch == best


def test_the_head_is_charged_its_median_for_every_window(
    toy_cell: Callable[..., Cell], toy_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, group = trained(toy_cell("frozen"), toy_context)
    split = group.splits["test"]
    monkeypatch.setattr(Timer, "times", lambda self, work, most: np.array([1.0, 2.0, 9.0]))
    assert serving(found.model, found.plan, split, len(split) // 2).head == 2 * len(split) / (len(split) // 2)


def test_a_model_is_measured_without_dropout(toy_cell: Callable[..., Cell], toy_context: Any) -> None:
    found, group = trained(toy_cell("full"), toy_context)
    modules = [*found.model.encoder_modules(), found.model.head]
    for module in modules:
        module.train()
    split = group.splits["test"]
    serving(found.model, found.plan, split, len(split), QUICK)
    assert not any(part.training for module in modules for part in module.modules())


def test_the_order_of_sequences_is_the_same_for_every_model() -> None:
    assert sorted(spread(10)) == list(range(10))
    assert np.array_equal(spread(10), spread(10))


def test_the_columns_show_what_was_measured(toy_cell: Callable[..., Cell], toy_context: Any) -> None:
    cell = toy_cell("frozen")
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda _: None)
    served = Served(p50=0.002, p95=0.003, single=400.0, batch=32, best=900.0)
    measured = record.model_copy(update={"serving": Serving(plain=served, head=0.001)})
    (group,) = gather([measured]).values()
    values = {name: entry(group).value for name, (_, _, entry) in COLUMNS.items()}
    assert values["p50"] == pytest.approx(2)
    assert values["best-rate"] == 900.0
    assert values["ten-tasks"] == pytest.approx(11)
    assert values["merged-p50"] is None
    assert values["adds"] == 4 * record.trainable
    assert values["size"] == 4 * record.parameters
    table = build([measured], options=TableOptions(columns=("serving",)))
    assert [column.name for column in table.columns] == list(COLUMNS)

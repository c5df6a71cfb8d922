"""The time left of recorded runs whose plan is wrong: rows miscounted by any factor, in one task or in all, in any
order, and where an earlier attempt has finished half."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli.display import Display
from bench.contracts import Cell, QuestionExample, Splits
from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import Workload
from bench.recommend.known_grid import Small
from bench.registry import Registry, discover
from bench.runs.record import Record, Seconds
from tests.support.recorded_runs import load
from tests.support.replay import Plan, Ran, a_third, baseline, in_order, off, told

BASELINES = Path(__file__).parents[2] / "results" / "baselines"
SMALL = Small("sst2", 400, 400)
REGISTRY = Registry(discover([SMALL]))
TOKENS = {"movie-sentiment": 28, "reuters-r8": 43, "financial-ner": 37, "squad": 121, SMALL.name: 25}
"""Tokens of an example within the recipe's length, as a launch counts them in the rows that it reads."""

WORKLOAD = Workload(REGISTRY, RowsRead(lengths={task: (Length(tokens),) for task, tokens in TOKENS.items()}))
RECORDS = {name: baseline(BASELINES / f"{name}.jsonl", "minilm") for name in ("gate", "quick", "reference")}


def tasks(records: list[Record]) -> list[str]:
    return list(dict.fromkeys(record.cell.task for record in records))


ALONE = [(name, task) for name, records in RECORDS.items() for task in tasks(records)]


@pytest.mark.parametrize("resumed", [0.0, 0.5])
@pytest.mark.parametrize("factor", [1 / 170, 1 / 3, 1.0, 3.0, 170.0])
@pytest.mark.parametrize("order", [None, 1, 2])
@pytest.mark.parametrize("name", RECORDS)
def test_however_wrong_the_plan_is_the_first_cell_puts_it_right(
    name: str, order: int | None, factor: float, resumed: float
) -> None:
    run = in_order(RECORDS[name], REGISTRY, order)
    wrong = off(told(run, Plan(WORKLOAD, factor=lambda _: factor), resumed))
    assert max(wrong) < 2
    assert max(wrong[a_third(run, resumed) :], default=1) < 1.3


@pytest.mark.parametrize("factor", [1 / 170, 170.0])
@pytest.mark.parametrize(("name", "task"), ALONE)
def test_a_task_alone_is_as_well_told(name: str, task: str, factor: float) -> None:
    run = in_order([record for record in RECORDS[name] if record.cell.task == task], REGISTRY)
    wrong = off(told(run, Plan(WORKLOAD, factor=lambda _: factor)))
    assert max(wrong) < 2
    assert max(wrong[a_third(run) :], default=1) < 1.3


@pytest.mark.parametrize("factor", [1 / 170, 170.0])
@pytest.mark.parametrize("name", ["gate", "quick"])
def test_one_miscounted_task_is_told_from_its_own_cells(name: str, factor: float) -> None:
    """After the first cell of each task, what is left of that task."""
    run = in_order(RECORDS[name], REGISTRY)
    for wrong in tasks(RECORDS[name]):
        plan = Plan(WORKLOAD, factor=lambda cell, wrong=wrong: factor if cell.task == wrong else 1.0)
        estimator, begun = plan.estimator(), set()
        for number, item in enumerate(run, 1):
            group = item.record.cell.task, item.record.cell.backbone
            estimator.observe(item.record, item.wall, group not in begun)
            begun.add(group)
            left = [later for later in run[number:] if later.record.cell.task == group[0]]
            if left:
                true = sum(later.wall for later in left)
                expected = estimator.total((later.record.cell for later in left), begun)
                assert true / 2 < expected < true * 2, (item.record.cell.id, wrong)


def test_the_run_that_was_promised_to_take_a_day() -> None:
    """21 cells of 400 rows of sst2, planned with its 67,349. It began on an idle machine, and other work made that
    two to four times as slow on the way, which nobody could have told."""
    run = [Ran(item.record, item.wall) for item in load("sst2-400-busy-2-cores")]
    whole = Workload(REGISTRY, RowsRead(lengths=WORKLOAD.rows.lengths | {"sst2": (Length(25),)}))

    def too_many(cell: Cell) -> float:
        return whole.operations(replace(cell, task="sst2")) / whole.operations(cell)

    assert too_many(run[-1].record.cell) > 100
    assert all(1 / 3 < ratio < 2 for ratio in told(run, Plan(whole, factor=too_many)))


def test_a_small_task_states_its_own_rows() -> None:
    cell = load("sst2-400-busy-2-cores")[0].record.cell
    assert WORKLOAD.sizes(cell) == (400, 80, 400)


def steady(seconds: list[float]) -> list[Ran]:
    """Seeds of one strategy that take so many seconds one after another, on rows that are ready."""
    first = RECORDS["quick"][0]
    cells = [replace(first.cell, strategy="full", seed=seed) for seed in range(len(seconds))]
    return [
        Ran(Record(cell=cell, fingerprint="", status="done", seconds=Seconds(train=took)), took)
        for cell, took in zip(cells, seconds, strict=True)
    ]


def test_a_machine_that_becomes_three_times_as_slow_is_followed() -> None:
    run = steady([10.0] * 12 + [30.0] * 12)
    ratios = told(run, Plan(WORKLOAD))
    assert ratios[11] == pytest.approx(1 / 3, rel=0.01)  # nobody could know
    assert all(0.77 < ratio < 1.3 for ratio in ratios[16:])


def test_a_machine_that_becomes_fast_again_is_followed_too() -> None:
    ratios = told(steady([30.0] * 8 + [10.0] * 12), Plan(WORKLOAD))
    assert all(0.77 < ratio < 1.3 for ratio in ratios[12:])


def test_noise_of_seeds_moves_nothing() -> None:
    ratios = told(steady([10.0, 11.0, 9.0, 10.5, 9.5, 10.0, 10.0, 10.0]), Plan(WORKLOAD))
    assert all(0.9 < ratio < 1.1 for ratio in ratios)


def test_seeds_of_a_strategy_that_fails_at_once_are_expected_to_fail_at_once() -> None:
    estimator = Plan(WORKLOAD).estimator()
    cell = next(record.cell for record in RECORDS["quick"] if record.cell.strategy == "full")
    assert estimator.cell(cell).seconds > 10
    estimator.observe(Record(cell=cell, fingerprint="", status="oom", reason="no memory"), 1.5, first=False)
    assert estimator.cell(replace(cell, seed=1)).seconds == 1.5


def test_what_no_part_of_a_record_counts_is_expected_of_other_seeds() -> None:
    """Serving rates and language losses are measured in no field of a record's seconds."""
    estimator = Plan(WORKLOAD).estimator()
    one, two = (item.record for item in steady([10.0, 10.0]))
    estimator.observe(one, 25.0, first=False)
    assert estimator.cell(two.cell).seconds == pytest.approx(25.0)


def test_rows_that_are_read_later_are_counted_then() -> None:
    rows = RowsRead()
    workload = Workload(REGISTRY, rows)
    estimator = Plan(workload).estimator()
    cell = next(record.cell for record in RECORDS["gate"] if record.cell.task == "squad")
    before = estimator.cell(cell).seconds
    row = QuestionExample("1", "Who came?", "Nobody came.", (("Nobody", 0),))
    rows.add(cell.task, cell.recipe, Splits([row] * 8, [row], [row] * 5))
    estimator.recount()
    assert estimator.cell(cell).seconds < before / 10


def test_two_workers_take_half_the_time_also_while_one_of_them_is_between_cells() -> None:
    run = steady([100.0] * 12)
    output = io.StringIO()
    screen = Display(Console(file=output, width=10_000))
    estimator = Plan(WORKLOAD).estimator()
    estimator.learn([run[0].record])
    cells = [item.record.cell for item in run[1:]]
    screen.begin(cells, [], estimator)
    screen.cell_started(cells[0])
    screen.cell_started(cells[1])
    reason = Record(cell=cells[0], fingerprint="", status="skipped", reason="not wanted")
    screen.cell_done(reason)
    assert 450 < screen._seconds_left() < 550  # ten cells of 100 s


SHORTER = [{"epochs": 0.5}, {"train": 100}, {"epochs": 0.5, "train": 100}]
"""A trial before the run, in the same folder."""


@pytest.mark.parametrize("trial", SHORTER)
@pytest.mark.parametrize("overhead", [0.0, 0.5])
def test_a_trial_with_another_recipe_does_not_make_the_machine_seem_slow(
    trial: dict[str, float], overhead: float
) -> None:
    """Records of whatever age in the folder are learnt from. overhead: seconds of a cell that no plan counts."""
    run = steady([20.0] * 8)
    one = run[0].record.cell
    recipe = replace(one.recipe, **trial)  # pyright: ignore[reportArgumentType]
    share = WORKLOAD.operations(replace(one, recipe=recipe)) / WORKLOAD.operations(one)
    assert share < 1 / 2
    tried = [
        item.record.model_copy(
            update={
                "cell": replace(item.record.cell, recipe=recipe),
                "seconds": Seconds(train=overhead + 20 * share),
            }
        )
        for item in run[:5]
    ]
    estimator = Plan(WORKLOAD).estimator()
    estimator.learn(tried)
    other = replace(one, strategy="lora")
    for number, item in enumerate(run[:-1], 1):
        estimator.observe(item.record, item.wall, first=False)
        left = [later.record.cell for later in run[number:]]
        assert estimator.total(left, {(one.task, one.backbone)}) == pytest.approx(20 * len(left), rel=0.01)
        assert estimator.cell(other).seconds < 2 * 20 * WORKLOAD.operations(other) / WORKLOAD.operations(one)


def test_a_slow_machine_is_told_from_seeds_of_the_same_recipe_in_the_folder() -> None:
    run = steady([10.0] * 6 + [30.0] * 6)
    estimator = Plan(WORKLOAD).estimator()
    estimator.learn(item.record for item in run[:6])
    for item in run[6:]:
        estimator.observe(item.record, item.wall, first=False)
    assert estimator.cell(run[-1].record.cell).seconds == pytest.approx(30, rel=0.3)


def test_the_frozen_prefix_of_a_trial_is_scaled_to_the_rows_of_the_run() -> None:
    one = replace(RECORDS["quick"][0].cell, strategy="frozen")
    tried = replace(one, recipe=replace(one.recipe, train=100, validation=20, test=20))
    seconds = Seconds(train=1.0, prefix=2.0)
    estimator = Plan(WORKLOAD).estimator()
    estimator.learn([Record(cell=tried, fingerprint="", status="done", seconds=seconds)])
    ratio = WORKLOAD.prefix(one) / WORKLOAD.prefix(tried)
    assert ratio > 3
    own = estimator.cell(one).seconds
    assert estimator.total([one]) - own - estimator.shared(one) == pytest.approx(2.0 * ratio)

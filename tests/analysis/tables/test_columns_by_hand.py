"""Columns of tables and means over tasks, against a second computation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from bench.analysis.groups import gather
from bench.analysis.statistics.uncertainty import (
    Uncertainty,
)
from bench.analysis.tables.build import ACROSS_TASKS, TableOptions, build, title
from bench.analysis.tables.columns import MEASURES, Context, checked, column, entry
from bench.analysis.tables.forgetting import by_layer
from bench.analysis.tables.model import Column, Entry
from bench.analysis.tables.serving import for_tasks
from bench.analysis.timing import Timing, noise
from bench.contracts import Metric
from bench.runs.record import LanguageLoss, Record, Seconds, Served, Serving
from tests.analysis.conftest import make_record

SEEDS = Uncertainty({})


def context(records: list[Record], **changes: Any) -> Context:
    return Context(gather(records), changes.pop("uncertainty", SEEDS), changes.pop("reference", "full"))


def value(name: str, records: list[Record], strategy: str = "frozen") -> Entry:
    known = context(records)
    (group,) = (item for item in known.groups.values() if item.key.strategy == strategy)
    return entry(name, group, known)


# --------------------------------------------------------------------------------------------------
# Columns


def timed(strategy: str, *seconds: float, **changes: Any) -> list[Record]:
    return [
        make_record(strategy=strategy, seed=n, seconds=Seconds(train=s, cold=s), **changes)
        for n, s in enumerate(seconds)
    ]


def test_relative_time_and_its_interval() -> None:
    records = [*timed("full", 10.0, 11.0, 12.0), *timed("frozen", 4.0, 5.0, 5.5)]
    found = value("relative", records)
    assert found.value == pytest.approx(5 / 11)
    own, other = (Timing((0.0,), times) for times in ((4.0, 5.0, 5.5), (10.0, 11.0, 12.0)))
    half = noise([own, other]).half(own, other)
    assert half is not None
    assert found.spread == pytest.approx(5 / 11 * math.expm1(half))
    assert value("relative", records, "full") == Entry(1.0)
    assert value("relative", timed("frozen", 4.0)) == Entry()
    marked_ = [*timed("full", 10.0, adaptations=("x",)), *timed("frozen", 4.0)]
    assert value("relative", marked_).note == "†"


def test_the_cost_columns() -> None:
    records = [
        make_record(strategy="frozen", seed=n, peak_memory=2**20 * (n + 1), trainable=30, parameters=1000)
        for n in range(3)
    ]
    assert value("memory", records).value == 3 * 2**20
    assert value("parameters", records).value == 30
    assert value("trainable", records).value == 0.03
    assert value("memory", [make_record(strategy="frozen", peak_memory=0)]) == Entry()


def test_the_costs_of_one_seed() -> None:
    (record,) = [make_record(strategy="frozen", trainable=30, parameters=1000)]
    found = {name: value(name, [record]).value for name in ("parameters", "trainable", "adds", "size")}
    assert found == {"parameters": 30, "trainable": 0.03, "adds": 120, "size": 4000}


def test_a_cell_that_failed_says_so_and_a_metric_that_a_task_lacks_does_not() -> None:
    done = make_record(strategy="frozen", scores={"test": {"accuracy": 0.8}})
    lost = make_record(strategy="frozen", seed=1, status="oom", scores={})
    assert value("f1", [done, lost]) == Entry()
    assert value("accuracy", [done, lost]).value == 0.8
    assert value("f1", [lost]) == value("accuracy", [lost]) == Entry(note="oom")
    assert value("of-full", [make_record(), lost]) == value("of-full", [done]) == Entry()


def test_the_column_of_seeds() -> None:
    """Strategies may be planned with different numbers of seeds: one is complete by the plan, not beside others."""
    three = [make_record(strategy="full", seed=n) for n in range(3)]
    one, poor = (
        make_record(strategy="frozen"),
        [make_record(strategy="frozen", seed=n, accuracy=0.5 if n else 0.9) for n in range(3)],
    )
    assert value("seeds", [*three, one]) == Entry(1.0)
    assert value("seeds", three, "full") == Entry(3.0)
    assert value("seeds", [*three, *poor]) == Entry(3.0, note="3 (2 degenerate)")
    assert value("seeds", [*three, poor[0], poor[2]]) == Entry(2.0, note="2/3 (1 degenerate)")
    planned = tuple(record.cell.id for record in [*three, *poor])
    assert seeds([*three, one], planned) == {"full": Entry(3.0), "frozen": Entry(1.0, note="1/3")}
    assert seeds([*three, one], planned[:4]) == {"full": Entry(3.0), "frozen": Entry(1.0)}


def seeds(records: list[Record], planned: tuple[str, ...]) -> dict[str, Entry]:
    table = build(records, options=TableOptions(columns=("seeds",), planned=planned))
    return {row.labels[0]: row.entries[0] for row in table.blocks[0].rows}


@pytest.mark.parametrize(("full", "share"), [(0.506, 0.2 / 0.006), (0.5049, None)])
def test_a_share_of_the_gain_needs_a_gain_of_half_a_point(full: float, share: float | None) -> None:
    records = [make_record(accuracy=full), make_record(strategy="frozen", accuracy=0.7)]
    found = value("of-full-corrected", records).value
    assert found == (None if share is None else pytest.approx(share))
    assert value("of-full", records).value == pytest.approx(0.7 / full)


def test_the_heading_names_the_reference() -> None:
    groups = list(gather([make_record()]).values())
    assert column("relative", groups, "lora").heading == "time / lora"
    assert column("of-full", groups, "lora", "t") == Column("of-full", "% of lora", "percent", "t")
    assert column("headline", groups, "full").heading == "accuracy"
    mixed = [*groups, *gather([make_record("news", headline="f1")]).values()]
    assert column("headline", mixed, "full").heading == "score"
    assert checked(("serving",), groups) == tuple(
        name
        for name in MEASURES
        if name
        in ("p50", "p95", "rate", "best-rate", "merged-p50", "merged-rate", "ten-tasks", "adds", "size")
    )


SERVED = Serving(plain=Served(p50=0.004, p95=0.006, single=250, batch=8, best=900), head=0.001)


def test_the_columns_of_serving() -> None:
    merged = SERVED.model_copy(update={"merged": Served(p50=0.003, p95=0.005, single=300, batch=8, best=990)})
    slow = SERVED.model_copy(update={"plain": SERVED.plain.model_copy(update={"p50": 0.008})})
    records = [
        make_record(strategy="frozen", seed=n, serving=item, trainable=30, parameters=1000)
        for n, item in enumerate((SERVED, merged, slow))
    ]
    found = {name: value(name, records).value for name in checked(("serving",), [])}
    assert found == {
        "p50": pytest.approx(4.0),
        "p95": pytest.approx(6.0),
        "rate": 250,
        "best-rate": 900,
        "merged-p50": pytest.approx(3.0),
        "merged-rate": 990,
        "ten-tasks": pytest.approx(13.0),
        "adds": 120.0,
        "size": 4000.0,
    }
    assert for_tasks(SERVED, 10) == pytest.approx(0.004 + 9 * 0.001)
    assert for_tasks(SERVED.model_copy(update={"head": None}), 10) == pytest.approx(0.04)
    assert value("p50", [make_record(strategy="frozen")]) == Entry()


def test_the_columns_of_forgetting() -> None:
    losses = [LanguageLoss(kind="masked", before=2.0, after=after) for after in (2.5, 3.5)]
    records = [
        make_record(strategy="frozen", seed=n, forgetting=layers, language_loss=loss)
        for n, (layers, loss) in enumerate(zip([(1.0, 0.8, 0.6), (0.8, 0.6, 0.4)], losses, strict=True))
    ]
    (group,) = gather(records).values()
    assert by_layer(group) == pytest.approx([0.9, 0.7, 0.5])
    found = {name: value(name, records).value for name in ("cka", "cka-last", "lm-loss", "lm-rise")}
    assert found == pytest.approx({"cka": 0.7, "cka-last": 0.5, "lm-loss": 3.0, "lm-rise": 1.0})
    none = make_record(
        strategy="frozen", language_loss=LanguageLoss(reason="no LM head: the checkpoint has none")
    )
    assert value("lm-loss", [none]) == Entry(note="no LM head")
    assert value("cka", [none]) == Entry()


# --------------------------------------------------------------------------------------------------
# Over tasks


def row_of(
    records: list[Record], names: tuple[str, ...], strategy: str, uncertainty: Any = None
) -> dict[str, Entry]:
    table = build(records, uncertainty, TableOptions(rows=ACROSS_TASKS, columns=names))
    (found,) = (row for row in table.blocks[0].rows if row.labels[0] == strategy)
    return dict(zip([item.key for item in table.columns], found.entries, strict=True))


def test_ranks_over_tasks_share_places_where_scores_are_equal() -> None:
    scores = {"a": (0.9, 0.8, 0.8), "b": (0.7, 0.7, 0.9)}
    names = ("frozen", "lora", "full")
    records = [
        make_record(task, name, accuracy=s)
        for task, by in scores.items()
        for name, s in zip(names, by, strict=True)
    ]
    ranks = {name: row_of(records, ("rank",), name)["all tasks/rank"].value for name in names}
    assert ranks == {"frozen": (1 + 2.5) / 2, "lora": (2.5 + 2.5) / 2, "full": (2.5 + 1) / 2}
    lacking = row_of([*records, make_record("a", "probe")], ("rank", "average"), "probe")
    assert [item.value for item in lacking.values()] == [None, None]


def test_ranks_go_by_the_scale_of_each_task() -> None:
    """The higher accuracy of one, and the lower error of the other."""
    errors = {"headline": "mae", "metrics": (Metric("mae", "error", ("error",)),)}
    records = [make_record("a", name, accuracy=score) for name, score in (("frozen", 0.9), ("full", 0.8))]
    records += [
        make_record("b", name, scores={"test": {"mae": error}}, **errors)
        for name, error in (("frozen", 1.0), ("full", 2.0))
    ]
    ranks = {name: row_of(records, ("rank",), name)["all tasks/rank"].value for name in ("frozen", "full")}
    assert ranks == {"frozen": 1, "full": 2}


def test_means_that_differ_by_rounding_share_a_place_and_the_mark_of_the_best() -> None:
    scores = {"frozen": (0.8, 0.8, 0.8), "full": (0.7, 0.8, 0.9), "lora": (0.8, 0.8, 0.7)}
    records = [
        make_record("a", name, seed, accuracy=score)
        for name, by_seed in scores.items()
        for seed, score in enumerate(by_seed)
    ]
    rows = {name: row_of(records, ("headline", "rank"), name) for name in scores}
    assert [row["all tasks/rank"].value for row in rows.values()] == [1.5, 1.5, 3.0]
    shown = [row["a/headline"] for row in rows.values()]
    assert shown[0].value != shown[1].value
    assert [item.mark for item in shown] == ["best", "best", ""]


def test_an_average_has_the_spread_of_independent_tasks() -> None:
    records = [
        make_record(task, seed=seed, accuracy=0.8 + size * (seed - 1))
        for task, size in (("a", 0.03), ("b", 0.04))
        for seed in range(3)
    ]
    found = row_of(records, ("average",), "full")["all tasks/average"]
    assert (found.value, found.spread) == (pytest.approx(0.8), pytest.approx(math.hypot(0.03, 0.04) / 2))
    alone = row_of([*records, make_record("c")], ("average",), "full")["all tasks/average"]
    assert alone.spread is None
    once = row_of(records, ("trainable", "parameters"), "full")
    assert [item.value for item in once.values()] == [1.0, 1000.0]


def test_the_title_names_suites_or_a_users_data() -> None:
    assert title([make_record("a"), make_record("b")]) == "Transfer strategies on suite quick"
    own = make_record("mine@100")
    own = own.model_copy(update={"cell": replace(own.cell, suite="mine")})
    assert title([own]) == "Transfer strategies on your data, mine"


# --------------------------------------------------------------------------------------------------
# Times over tasks


def over_tasks(records: list[Record], strategy: str = "frozen") -> Entry:
    table = build(records, options=TableOptions(ACROSS_TASKS, ("relative",)))
    (row,) = (row for row in table.blocks[0].rows if row.labels[0] == strategy)
    return row.entries[0]


def test_the_mean_time_over_tasks_has_the_interval_of_independent_tasks() -> None:
    """Against each task's own, whose logarithms have independent errors."""
    records = [*timed("full", 10.0, 11.0, 12.0), *timed("frozen", 4.0, 5.0, 5.5)]
    records += [*timed("full", 20.0, 21.0, 23.0, task="news"), *timed("frozen", 5.0, 5.2, 6.0, task="news")]
    known = context(records)
    own = [
        entry("relative", group, known) for group in known.groups.values() if group.key.strategy == "frozen"
    ]
    ratios = [item.value for item in own if isinstance(item.value, float)]
    halves = [math.log1p((item.spread or 0.0) / ratio) for item, ratio in zip(own, ratios, strict=True)]
    mean = math.sqrt(math.prod(ratios))
    found = over_tasks(records)
    assert found.value == pytest.approx(mean)
    assert found.spread == pytest.approx(mean * math.expm1(math.hypot(*halves) / 2))
    assert found.note == ""
    assert over_tasks(records, "full") == Entry(1.0)


@pytest.mark.parametrize("once", ["full", "frozen"])
def test_a_mean_time_that_rests_on_one_measurement_says_so(once: str) -> None:
    """On one task of two, by either side of the ratio."""
    times = {"full": (10.0, 11.0), "frozen": (4.0, 5.0)}
    records = [record for name, own in times.items() for record in timed(name, *own)]
    for name, own in times.items():
        records += timed(name, *(own[:1] if name == once else own), task="news")
    found = over_tasks(records)
    assert isinstance(found.value, float)
    assert (found.spread, found.note) == (None, "once")
    table = build(records, options=TableOptions(ACROSS_TASKS, ("relative",)))
    assert any("Once: the larger part of a time was measured once" in note for note in table.details)


def test_a_mean_time_keeps_the_mark_of_an_adapted_run() -> None:
    records = [*timed("full", 10.0, 11.0), *timed("frozen", 4.0, 5.0, adaptations=("x",))]
    assert over_tasks(records).note == "†"
    assert over_tasks([records[0], *records[2:]]).note == "once †"

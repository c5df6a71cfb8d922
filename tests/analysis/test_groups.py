"""Groups of seeds: their order, floors, and what counts as having learned nothing, on both sides of each bound."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.analysis.groups import (
    Group,
    Key,
    check_metric,
    collapsed,
    failure_counts,
    floor,
    gather,
    is_degenerate,
    kind_of,
    machine_fingerprint,
    metric_heading,
    metric_names,
    ordinal,
    scale,
    scoring_rule,
)
from bench.analysis.sizes import largest, task_name, train_rows
from bench.analysis.statistics.scales import CORRELATION, ERROR, SHARE
from bench.contracts import BenchError, Metric
from bench.runs.record import Data, Record, Seconds
from tests.analysis.conftest import MACHINE, METRICS, make_record

BOUND = 0.5 + 1.645 * math.sqrt(0.25 / 200)
"""The score of two balanced labels on 200 examples up to which a run is degenerate."""


def scored(value: float, kind: str = "mean", majority: float = 0.0, **changes: Any) -> Record:
    """A record with one metric of this kind, on 200 test examples of two labels."""
    data = Data(
        fingerprint="rows",
        task_version=1,
        sizes={"train": 500, "test": 200},
        labels=changes.pop("labels", ("neg", "pos")),
        majority={"m": majority},
    )
    given = {
        "data": data,
        "headline": "m",
        "metrics": (Metric("m", kind, ("x", "y") if kind == "pearson" else ("x",)),),
        "scores": {"test": {"m": value}},
    }
    return make_record(**{**given, **changes})


# --------------------------------------------------------------------------------------------------
# Floors


def test_the_floor_is_the_majority_or_a_uniform_guess_of_accuracy() -> None:
    data = make_record().data
    assert data is not None
    three = data.model_copy(update={"labels": ("a", "b", "c"), "majority": {"accuracy": 0.2, "f1": 0.25}})
    record = make_record(data=three)
    assert floor(record, "accuracy") == pytest.approx(1 / 3)
    assert floor(record, "f1") == 0.25
    assert floor(record, "unknown") == 0
    average = record.model_copy(update={"metrics": (*METRICS, Metric("balanced_accuracy", "macro_recall"))})
    assert floor(average, "balanced_accuracy") == pytest.approx(1 / 3)
    assert floor(make_record(data=three, adapter="multilabel"), "accuracy") == 0.2
    above = three.model_copy(update={"majority": {"accuracy": 0.6}})
    assert floor(make_record(data=above), "accuracy") == 0.6
    assert floor(make_record(data=three.model_copy(update={"labels": ()})), "accuracy") == 0.2
    assert floor(make_record(data=None), "accuracy") == 0


def test_the_floor_of_an_error_is_that_of_the_mean_or_not_known() -> None:
    assert floor(scored(1.0, "error", 2.5), "m") == 2.5
    assert floor(scored(1.0, "error", 2.5, data=None), "m") == math.inf


@pytest.mark.parametrize(("score", "nothing"), [(BOUND - 1e-9, True), (BOUND + 1e-9, False), (0.3, True)])
def test_a_share_within_noise_of_its_floor_is_degenerate(score: float, nothing: bool) -> None:
    assert is_degenerate(scored(score, majority=0.5)) is nothing


@pytest.mark.parametrize(("score", "nothing"), [(0.116, True), (0.117, False), (-0.4, True)])
def test_a_correlation_within_noise_of_none_is_degenerate(score: float, nothing: bool) -> None:
    """1.645 / sqrt(200) is 0.1163."""
    assert is_degenerate(scored(score, "pearson")) is nothing


@pytest.mark.parametrize(("score", "nothing"), [(2.5, True), (2.6, True), (2.499, False)])
def test_an_error_no_lower_than_its_floor_is_degenerate(score: float, nothing: bool) -> None:
    assert is_degenerate(scored(score, "error", 2.5)) is nothing


def test_what_was_not_scored_or_not_finished_is_not_degenerate() -> None:
    assert not is_degenerate(scored(0.1, majority=0.5, status="failed"))
    assert not is_degenerate(scored(0.1, majority=0.5, scores={"elsewhere": {"m": 0.1}}))
    assert not is_degenerate(scored(0.1, majority=0.5, headline="other"))
    assert is_degenerate(scored(0.0, data=None))
    assert not is_degenerate(scored(0.1, data=None))


@pytest.mark.parametrize(
    ("scores", "expected"), [((0.4, 0.9), True), ((0.4, 0.4), False), ((0.9, 0.9), False)]
)
def test_a_group_has_collapsed_where_some_seeds_learned_nothing(
    scores: tuple[float, ...], expected: bool
) -> None:
    records = tuple(scored(score, majority=0.5, seed=seed) for seed, score in enumerate(scores))
    assert collapsed(Group(Key("t", "s", "b"), records)) is expected


# --------------------------------------------------------------------------------------------------
# Groups


def test_groups_are_in_order_of_task_backbone_and_trained_share_with_seeds_ascending() -> None:
    records = [
        make_record("b", "zeta", 1, trainable=10),
        make_record("b", "zeta", 0, trainable=10),
        make_record("b", "full", backbone="large"),
        make_record("b", "alpha", trainable=10),
        make_record("a", "full"),
        make_record("a", "alpha", trainable=900),
        make_record("b", "lost", status="failed", scores={}),
        make_record("b", "full"),
    ]
    found = gather(records)
    assert list(found) == [
        Key("b", "alpha", "minilm"),
        Key("b", "zeta", "minilm"),
        Key("b", "full", "minilm"),
        Key("b", "lost", "minilm"),
        Key("b", "full", "large"),
        Key("a", "alpha", "minilm"),
        Key("a", "full", "minilm"),
    ]
    assert [record.cell.seed for record in found[Key("b", "zeta", "minilm")].records] == [0, 1]
    assert str(Key("b", "full", "large")) == "b/full/large"


def test_a_group_has_what_its_finished_seeds_have() -> None:
    seconds = (5.0, 90.0, 7.0, 1.0)
    records = [
        make_record(seed=n, seconds=Seconds(train=s, cold=s), trainable=250) for n, s in enumerate(seconds)
    ]
    lost = make_record(seed=9, status="oom", scores={}, seconds=Seconds(cold=1000))
    group = Group(Key("reviews", "full", "minilm"), (*records, lost))
    assert (group.done, group.failures) == (tuple(records), (lost,))
    assert group.seconds() == 6
    assert group.trainable() == 0.25
    assert group.measurements() == 4
    assert group.machines() == {machine_fingerprint(MACHINE)}
    assert group.headline == "accuracy"
    none = Group(group.key, (lost,))
    assert (none.seconds(), none.trainable(), none.measurements(), none.timing()) == (None, None, 0, None)
    assert Group(group.key, ()).headline == ""


def test_scores_are_of_the_seeds_that_have_the_metric() -> None:
    records = (
        make_record(scores={"test": {"accuracy": 0.0}}),
        make_record(seed=1, accuracy=0.9),
        make_record(seed=2, scores={"test": {}}),
    )
    group = Group(Key("reviews", "full", "minilm"), records)
    assert group.scores("accuracy") == [0, 0.9]
    assert group.scores("accuracy", "elsewhere") == []


def test_the_metrics_of_groups_begin_with_the_usual_ones() -> None:
    scores = {"test": {"zeta": 1.0, "f1": 1.0, "alpha": 1.0, "accuracy": 1.0}, "other": {"beta": 1.0}}
    assert metric_names(gather([make_record(scores=scores)]).values()) == ["accuracy", "f1", "alpha", "zeta"]


def test_a_metric_that_no_record_has_is_refused_with_the_nearest() -> None:
    groups = gather([make_record()]).values()
    for known in ("", "f1"):
        check_metric(known, groups)
    check_metric("anything", gather([make_record(status="failed", scores={})]).values())
    with pytest.raises(BenchError, match="unknown metric 'acuracy'; did you mean 'accuracy'") as error:
        check_metric("acuracy", groups)
    assert error.value.code == "unknown-metric"


def test_the_heading_of_accuracy_is_what_it_is_where_all_tasks_agree() -> None:
    ner, qa, plain = (
        gather([make_record(name, adapter=name)]).values() for name in ("ner", "qa", "classification")
    )
    assert metric_heading("accuracy", ner) == "token accuracy"
    assert metric_heading("accuracy", [*ner, *qa]) == "accuracy"
    assert metric_heading("accuracy", plain) == "accuracy"
    assert metric_heading("f1", ner) == "f1"


def test_the_rule_of_a_record() -> None:
    assert scoring_rule(make_record(adapter="ner")) == "strict IOB2"
    assert scoring_rule(make_record(adapter="ner", scorer="conlleval")) == "conlleval"
    assert scoring_rule(make_record()) == ""


def test_the_scale_of_groups_is_that_of_the_first_record_that_has_the_metric() -> None:
    groups = [
        *gather([make_record("failed", status="failed", scores={})]).values(),
        *gather([scored(1.0, "error", task="numbers")]).values(),
        *gather([scored(0.5, "pearson", task="similar", headline="other")]).values(),
    ]
    assert scale(groups, "m") == ERROR
    assert scale(groups[2:], "m") == CORRELATION
    assert scale(groups[1:], "") == ERROR
    assert scale(groups[2:], "") == scale([], "m") == SHARE
    assert (kind_of(make_record(), "f1"), kind_of(make_record(), "none")) == ("macro_f1", "")


def test_names_in_order_and_statuses_by_number() -> None:
    assert ordinal(["b", "a", "b", "c"]) == {"b": 0, "a": 1, "c": 2}
    records = [make_record(status=status) for status in ("oom", "failed", "done", "failed")]
    assert list(failure_counts(records).items()) == [("failed", 2), ("oom", 1)]


def test_a_machine_is_what_its_times_depend_on() -> None:
    assert machine_fingerprint(MACHINE) == "cpu · float32 · 2 threads · Example CPU · Linux"
    assert (
        machine_fingerprint(MACHINE.model_copy(update={"processor": ""}))
        == "cpu · float32 · 2 threads · Linux"
    )
    assert machine_fingerprint(None) == "unknown"


# --------------------------------------------------------------------------------------------------
# Sizes of a task


def sized(task: str, rows: int, **changes: Any) -> Record:
    record = make_record(task, **changes)
    assert record.data is not None
    return record.model_copy(update={"data": record.data.model_copy(update={"sizes": {"train": rows}})})


def test_the_largest_size_of_a_task_stands_for_it() -> None:
    records = [
        sized("a@100", 100),
        sized("a@200", 200),
        sized("b", 50),
        sized("c@300", 300),
        sized("c", 900),
        sized("a@200", 200, strategy="frozen"),
    ]
    found = largest(gather(records))
    assert {(key.task, key.strategy) for key in found} == {
        ("a@200", "full"),
        ("a@200", "frozen"),
        ("b", "full"),
        ("c", "full"),
    }
    assert (task_name("a@200"), task_name("b")) == ("a", "b")


def test_sizes_beyond_the_rows_of_a_task_are_one_task() -> None:
    """Three times the same rows would be three tasks of a ranking."""
    records = [
        *(sized("a@1000", 800, strategy=name) for name in ("full", "frozen")),
        sized("a@2000", 800),
        sized("a", 800),
        sized("b", 300),
        sized("b@500", 500),
        make_record("c", status="failed", scores={}),
        make_record("c@100", status="failed", scores={}),
    ]
    assert {key.task for key in largest(gather(records))} == {"a@1000", "b@500", "c"}


def test_the_rows_of_a_record_are_known_by_its_data() -> None:
    records = [sized("a@100", 100), sized("a@200", 200)]
    assert (train_rows(records[1]), train_rows(make_record(data=None))) == (200, 0)

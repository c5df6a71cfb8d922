"""Cells that are matched, and conditions that differ."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis.groups import Group, Key
from bench.analysis.loading import Run
from bench.analysis.regression.conditions import (
    changed_conditions,
    changed_predictions,
    differing_conditions,
    not_asked,
)
from bench.analysis.regression.matching import Finding, unfinished, without_unfinished
from bench.analysis.regression.quality import (
    Change,
)
from bench.analysis.statistics.noise import Noise
from tests.analysis.conftest import MACHINE, make_record

KEY = Key("reviews", "full", "minilm")
OTHER = Key("news", "full", "minilm")


def change(difference: float, deviation: float, **more: Any) -> Change:
    return Change(more.pop("key", KEY), 0.8, 0.8 + difference, Noise.known(deviation**2), **more)


def test_planned_seeds_without_a_record_are_counted_by_cell() -> None:
    run = Run(
        "r",
        [make_record()],
        {}.__getitem__,
        planned=(
            "reviews/full/minilm/seed0",
            "reviews/full/minilm/seed1",
            "reviews/full/minilm/seed2",
            "a/b/c/d/seed0",
        ),
    )
    lacking = unfinished(run)
    assert lacking == {KEY: 2, Key("a", "b", "c/d"): 1}
    settled, samples = without_unfinished([Finding(KEY, "new"), Finding(OTHER, "new")], {}, lacking)
    assert [(item.key, item.status, item.reason) for item in settled] == [
        (OTHER, "new", ""),
        (KEY, "missing", "2 planned seeds not run"),
        (Key("a", "b", "c/d"), "missing", "1 planned seed not run"),
    ]
    assert samples == {}


def test_a_failure_is_not_hidden_by_seeds_that_did_not_run() -> None:
    found = Finding(KEY, "failed", reason="no seed finished")
    settled, _ = without_unfinished([found], {}, {KEY: 1})
    assert settled == [found]


def test_conditions_that_differ_in_several_ways_are_counted() -> None:
    def group(threads: int) -> Group:
        machine = MACHINE.model_copy(update={"threads": threads})
        return Group(KEY, (make_record(machine=machine), make_record(seed=1, machine=machine)))

    one = changed_conditions([(group(2), group(4)), (group(2), group(2))])
    assert one == ("The runs differ in threads (2 then, 4 now): look there before blaming the code.",)
    (two,) = changed_conditions([(group(2), group(4)), (group(2), group(8))])
    assert "threads (2 then, 4 now and 1 more)" in two
    assert changed_conditions([(group(2), group(2))]) == ()
    assert (not_asked(0, 5), changed_predictions([])) == ((), ())
    assert "asked of 2 of 5 cells" in not_asked(2, 5)[0]
    both = [change(0.0, 0.1), change(0.0, 0.1, identical=True), change(0.0, 0.1)]
    assert "differ in 2 of 3 cells" in changed_predictions(both)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": {"versions": {"torch": "2.14.0"}}}, "torch (2.13.0 then, 2.14.0 now)"),
        ({"machine": {"system": "Linux, Python 3.12"}}, "system (Linux then, Linux, Python 3.12 now)"),
        ({"machine": {"dtype": "bfloat16"}}, "precision (float32 then, bfloat16 now)"),
        ({"machine": {"threads": 16}}, "threads (2 then, 16 now)"),
        ({"machine": {"device": "NVIDIA H200"}}, "device (cpu then, NVIDIA H200 now)"),
        ({"machine": {"processor": "Other CPU"}}, "processor (Example CPU then, Other CPU now)"),
        ({"parameters": 2000}, "encoder (1,000 parameters then, 2,000 parameters now)"),
        ({"adaptations": ("micro-batch 4", "x")}, "adaptations (none then, micro-batch 4, x now)"),
    ],
)
def test_every_condition_that_differs_is_named(change: dict[str, Any], said: str) -> None:
    machine = MACHINE.model_copy(update=change.get("machine", {}))
    own = {name: value for name, value in change.items() if name != "machine"}
    then, now = Group(KEY, (make_record(),)), Group(KEY, (make_record(machine=machine, **own),))
    assert changed_conditions([(then, now)]) == (
        f"The runs differ in {said}: look there before blaming the code.",
    )
    assert changed_conditions([(now, now)]) == ()


def test_the_library_is_named_before_what_else_differs() -> None:
    def group(dtype: str, **versions: str) -> Group:
        machine = MACHINE.model_copy(update={"dtype": dtype, "versions": versions})
        return Group(KEY, (make_record(machine=machine),))

    then = group("float32", torch="2.13.0", tokenizers="0.23", numpy="2.4")
    now = group("bfloat16", transferbench="2.0", torch="2.14.0", tokenizers="0.24", numpy="2.4")
    assert differing_conditions([(then, now)]) == [
        "torch (2.13.0 then, 2.14.0 now)",
        "tokenizers (0.23 then, 0.24 now)",
        "precision (float32 then, bfloat16 now)",
    ]


@pytest.mark.parametrize(
    ("attention", "said"),
    [
        (("plain", "sdpa"), ["attention (plain then, sdpa now)"]),
        (("plain", "plain"), []),
        (("sdpa", ""), []),  # word vectors, in a record of an earlier version and in a new one
        (("", "sdpa"), []),
    ],
)
def test_attention_differs_where_both_sides_have_any(attention: tuple[str, str], said: list[str]) -> None:
    then, now = (Group(KEY, (make_record(attention=name),)) for name in attention)
    assert differing_conditions([(then, now)]) == said


def test_a_library_that_one_side_does_not_name_cannot_differ() -> None:
    """Of records of an earlier version; and of those of an installed package, which name the program."""
    then = Group(KEY, (make_record(machine=MACHINE.model_copy(update={"versions": {}})),))
    named = MACHINE.model_copy(update={"versions": {**MACHINE.versions, "transferbench": "1.0"}})
    now = Group(KEY, (make_record(machine=named),))
    assert changed_conditions([(then, now), (now, then)]) == ()

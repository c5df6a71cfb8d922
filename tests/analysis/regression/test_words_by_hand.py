"""A comparison in words and as a table, in full."""

from __future__ import annotations

import json

import pytest

from bench.analysis.groups import Group, Key
from bench.analysis.regression.compare import CompareOptions, RunComparison
from bench.analysis.regression.costs import Cost
from bench.analysis.regression.matching import Finding
from bench.analysis.regression.reach import Reach, _of_cell, _over_tasks
from bench.analysis.regression.reach import table as reach_table
from bench.analysis.regression.regression_table import pull_request, summary, table
from bench.runs.record import Seconds
from tests.analysis.conftest import make_record

FULL, LORA = Key("reviews", "full", "minilm"), Key("reviews", "lora", "minilm")
WHOLE = Key("all tasks", "full", "minilm")
FELL = Finding(FULL, "regressed", 0.8, 0.75, 0.001, 0.02, "compared seed by seed")
SAME = Finding(LORA, "unchanged", 0.8, 0.801, 0.4, 0.03)
COSTS = (
    Cost(FULL, "seconds", 10.0, 16.0, 0.002, True),
    Cost(FULL, "memory", 400 * 2.0**20, 500 * 2.0**20, 0.003, True),
    Cost(LORA, "seconds", 10.0, 10.5, 0.9, False),
)


def comparison(*cells: Finding, **more: object) -> RunComparison:
    given = {"strategies": (), "costs": (), "options": CompareOptions(), "notes": ()}
    return RunComparison("then", "now", cells=cells, **{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            comparison(FELL, SAME, SAME),
            "Does not hold: quality (now against then; cells: 1 regressed, 2 unchanged). "
            "Worst: reviews/full/minilm fell by 5.0 points.",
        ),
        (comparison(SAME), "Nothing regressed (now against then; cells: 1 unchanged)."),
        (
            comparison(FELL, SAME, options=CompareOptions(fail_on=("missing",))),
            "Got worse where no gate looks (asked: missing) (now against then; cells: 1 regressed, 1 unchanged). "
            "Worst: reviews/full/minilm fell by 5.0 points.",
        ),
        (
            comparison(
                SAME, Finding(FULL, "missing", reason="x"), options=CompareOptions(fail_on=("quality",))
            ),
            "Got worse where no gate looks (asked: quality) (now against then; cells: 1 missing, 1 unchanged).",
        ),
        (
            comparison(SAME, Finding(FULL, "incomparable", reason="x")),
            "Cannot be compared in full (now against then; cells: 1 incomparable, 1 unchanged).",
        ),
        (
            comparison(
                SAME,
                strategies=(Finding(WHOLE, "regressed", 0.8, 0.78),),
                notes=("The runs differ in x.", "y"),
            ),
            "Does not hold: quality (now against then; cells: 1 unchanged). The runs differ in x. "
            "Worst: all tasks/full/minilm fell by 2.0 points.",
        ),
        (
            comparison(Finding(FULL, "missing", reason="x"), Finding(LORA, "failed", reason="y")),
            "Does not hold: quality, missing (now against then; cells: 1 failed, 1 missing).",
        ),
    ],
)
def test_the_outcome_in_a_sentence(found: RunComparison, text: str) -> None:
    assert summary(found) == text


def test_the_table_has_what_regressed_and_what_grew() -> None:
    strategies = (Finding(WHOLE, "unchanged", 0.8, 0.79, 0.2, 0.01),)
    found = table(comparison(FELL, SAME, strategies=strategies, costs=COSTS, notes=("a note",)))
    assert [block.title for block in found.blocks] == [
        "strategies, mean over their tasks",
        "cells",
        "seconds and memory that grew",
    ]
    fell, same = found.blocks[1].rows
    assert fell.labels == tuple(FULL)
    assert [item.value for item in fell.entries] == [
        "regressed",
        0.8,
        0.75,
        pytest.approx(-0.05),
        0.001,
        0.02,
        "compared seed by seed",
    ]
    assert (fell.entries[0].mark, same.entries[0].mark) == ("loud", "")
    seconds, memory = found.blocks[2].rows
    assert [item.value for item in seconds.entries] == [
        "grew",
        None,
        None,
        pytest.approx(0.6),
        0.002,
        None,
        "seconds 10.0 s then, 16.0 s now",
    ]
    assert memory.entries[-1].value == "memory 400.0 MiB then, 500.0 MiB now"
    assert found.notes[0] == "a note"
    assert "One error budget of 0.5% over all tests" in found.notes[1]
    assert "drops below 0.5 points are not reported" in found.notes[1]
    assert "would find 90 times in 100" in found.notes[2]
    assert [block.title for block in table(comparison(SAME)).blocks] == ["cells"]


@pytest.mark.parametrize(
    ("status", "marked"), [("failed", True), ("missing", True), ("improved", False), ("new", False)]
)
def test_what_fails_a_gate_is_marked(status: str, marked: bool) -> None:
    (row,) = table(comparison(Finding(FULL, status, reason="x"))).blocks[0].rows  # type: ignore[arg-type]
    assert (row.entries[0].mark == "loud") is marked


def test_a_comment_shows_what_changed_and_folds_the_rest() -> None:
    identical = Finding(Key("news", "full", "minilm"), "identical", 0.8, 0.8, 1.0, 0.0)
    head, folded = pull_request(comparison(FELL, SAME, identical)).split(
        "<details>\n<summary>All cells</summary>"
    )
    assert ("| reviews | full" in head, "| reviews | lora" in head, "| news" in head) == (True, False, False)
    assert all(cell in folded for cell in ("| reviews | full", "| reviews | lora", "| news"))
    assert folded.rstrip().endswith("</details>")


def test_json_has_changes_and_counts() -> None:
    found = json.loads(comparison(FELL, SAME, costs=COSTS[:1]).to_json())
    assert found["counts"]["regressed"] == found["counts"]["unchanged"] == 1
    assert found["counts"]["missing"] == 0
    assert [cell["change"] for cell in found["cells"]] == pytest.approx([-0.05, 0.001])
    assert (found["costs"][0]["change"], found["exit_code"], found["failures"]) == (
        pytest.approx(0.6),
        1,
        ["quality"],
    )


def test_the_reach_of_a_cell_and_of_a_strategy() -> None:
    records = tuple(
        make_record(
            seed=seed, accuracy=score, seconds=Seconds(train=3.0, evaluate=0.5, prefix=9.0, cold=20.0)
        )
        for seed, score in enumerate((0.7, 0.8, 0.9))
    )
    cell = _of_cell(Group(FULL, records), 0.03)
    assert cell == Reach(FULL, 3, pytest.approx(0.8), pytest.approx(0.1), 0.03, 10.5)
    other = Reach(LORA, 2, 0.6, 0.2, 0.05, 4.0)
    over = _over_tasks(WHOLE, [cell, other], 0.02)
    assert over == Reach(WHOLE, 5, pytest.approx(0.7), None, 0.02, 14.5)
    shown = reach_table("r", [over], [cell, other])
    assert [block.title for block in shown.blocks] == ["strategies, mean over their tasks", "cells"]
    assert [item.value for item in shown.blocks[1].rows[1].entries] == [2, 0.6, 0.2, 0.05, 4.0]
    assert [block.title for block in reach_table("r", [], [cell]).blocks] == ["cells"]

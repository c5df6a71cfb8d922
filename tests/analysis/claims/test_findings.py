"""Findings in words: which runs are named, and what their numbers are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.claims.findings import (
    ClaimFinding,
    Estimate,
    TaskFinding,
    Verdict,
    as_dict,
    report,
    table,
)
from bench.analysis.claims.published import DifferenceClaim, Needs

CLAIM = DifferenceClaim(
    name="c",
    source="a paper",
    says="It is.",
    kind="difference",
    first="full",
    second="frozen",
    above=0.0,
    needs=Needs(train=500),
)
TASK = TaskFinding("a", "a minilm", "confirmed", Estimate(0.1, 0.05, 0.15), above=0.0)
TESTED = ClaimFinding(CLAIM, "first", "confirmed", "points", Estimate(0.1, 0.05, 0.15), 0.0, tasks=(TASK,))
EMPTY = ClaimFinding(CLAIM, "second", "not testable", "points", above=0.0, reason="no tasks")


def test_runs_without_tasks_are_named_only_where_no_run_has_one_and_then_once() -> None:
    text = report([EMPTY, replace(EMPTY, run="third", reason="neither")])
    assert "  second: not testable (no tasks)" in text
    assert "third" not in text
    assert "second" not in report([EMPTY, TESTED])
    assert "first" in report([EMPTY, TESTED])


def test_each_claim_has_its_own_findings_and_counts_once() -> None:
    other = CLAIM.model_copy(update={"name": "d", "says": "It is not."})
    poor = replace(EMPTY, claim=other)
    text = report([TESTED, poor, replace(TESTED, run="again")])
    first, second, counts = text.split("\n\n")[:3]
    assert first.splitlines()[0] == "c: It is."
    assert [line for line in first.splitlines() if line in ("  first", "  again")] == ["  first", "  again"]
    assert second == "d: It is not.\n  (a paper)\n  second: not testable (no tasks)"
    assert counts == "2 claims: 1 confirmed, 0 contradicted, 0 tasks disagree, 0 undecided, 1 not testable."
    found = table([TESTED, poor])
    assert [block.title for block in found.blocks] == ["It is. (a paper)"]
    assert found.headings == ("run", "task")  # two runs, of which one has rows
    assert table([TESTED]).headings == ("task",)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("confirmed", "contradicted"), "1 tasks disagree"),
        (("undecided", "tasks disagree"), "1 tasks disagree"),
        (("confirmed", "tasks disagree"), "1 tasks disagree"),
        (("tasks disagree", "contradicted"), "1 tasks disagree"),
        (("undecided", "not testable"), "1 undecided"),
    ],
)
def test_what_several_runs_say_together(verdicts: tuple[Verdict, ...], expected: str) -> None:
    found = [replace(TESTED, run=f"{place}", verdict=verdict) for place, verdict in enumerate(verdicts)]
    assert expected in report(found)


def test_a_finding_as_plain_values() -> None:
    poor = replace(TASK, name="b minilm", verdict="not testable", estimate=None, reason="too few", above=None)
    found = replace(TESTED, below=0.4, tasks=(TASK, poor))
    assert as_dict(found) == {
        "claim": "c",
        "says": "It is.",
        "source": "a paper",
        "run": "first",
        "verdict": "confirmed",
        "unit": "points",
        "estimate": {"value": 0.1, "low": 0.05, "high": 0.15},
        "above": 0.0,
        "below": 0.4,
        "reason": "",
        "needs": {"train": 500},
        "tasks": [
            {
                "task": "a minilm",
                "verdict": "confirmed",
                "estimate": {"value": 0.1, "low": 0.05, "high": 0.15},
                "above": 0.0,
                "reason": "",
            },
            {
                "task": "b minilm",
                "verdict": "not testable",
                "estimate": None,
                "above": None,
                "reason": "too few",
            },
        ],
    }

"""Verdicts over tasks: tasks are a sample, and where they disagree there is no verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.claims.verify import verify
from bench.analysis.loading import Run
from tests.analysis.claims.measured import BETTER, over


def test_tasks_count_alike_where_they_are_measured_alike():
    (finding,) = verify([BETTER], over({"a": 0.2, "b": -0.1}))
    assert finding.estimate.value == pytest.approx(0.05, abs=0.02)
    assert [task.name for task in finding.tasks] == ["a minilm", "b minilm"]


def test_tasks_that_agree_confirm_a_claim_over_tasks():
    (finding,) = verify([BETTER], over({"a": 0.1, "b": 0.12, "c": 0.08, "d": 0.1}))
    assert [task.verdict for task in finding.tasks] == ["confirmed"] * 4
    assert finding.verdict == "confirmed"
    low, value, high = (finding.estimate.low, finding.estimate.value, finding.estimate.high)
    assert 0 < low < value < high
    assert value == pytest.approx(0.1, abs=0.02)


def test_tasks_that_disagree_get_no_verdict_over_tasks():
    (finding,) = verify([BETTER], over({"a": 0.2, "b": 0.2, "c": 0.2, "d": -0.1}))
    assert [task.verdict for task in finding.tasks] == ["confirmed"] * 3 + ["contradicted"]
    assert finding.verdict == "tasks disagree"
    assert finding.reason == "confirmed on a minilm, b minilm, c minilm; contradicted on d minilm"


def test_tasks_are_random_so_different_tasks_widen_the_interval():
    alike, apart = (
        verify([BETTER], over(dict(zip("abcd", differences, strict=True))))[0].estimate
        for differences in ((0.1, 0.1, 0.1, 0.1), (0.02, 0.06, 0.14, 0.18))
    )
    assert alike.value == pytest.approx(apart.value, abs=0.02)
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_one_task_says_nothing_about_other_tasks():
    (finding,) = verify([BETTER], over({"a": 0.1}))
    assert (finding.tasks[0].verdict, finding.verdict) == ("confirmed", "undecided")
    assert finding.reason == "one task says nothing about other tasks"


def test_a_claim_about_one_task_needs_no_other():
    claim = BETTER.model_copy(update={"tasks": ("a",)})
    (finding,) = verify([claim], over({"a": 0.1, "b": -0.1}))
    assert finding.verdict == "confirmed"


def test_two_encoders_of_a_task_are_no_two_tasks():
    run = over({"a": 0.1})
    again = [r.model_copy(update={"cell": replace(r.cell, backbone="bert")}) for r in run.records]
    files = {cell.cell.id: run.predictions(r.cell.id) for cell, r in zip(again, run.records, strict=True)}
    files |= {record.cell.id: run.predictions(record.cell.id) for record in run.records}
    (finding,) = verify([BETTER], Run("both", [*run.records, *again], files.__getitem__))
    assert [task.name for task in finding.tasks] == ["a minilm", "a bert"]
    assert (finding.verdict, finding.reason) == ("undecided", "one task says nothing about other tasks")

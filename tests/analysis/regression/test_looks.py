"""The history says how often the test rows of a task were looked at, in whichever suite."""

from __future__ import annotations

import pytest

from bench.analysis.regression.history import Line, Measured, trend
from bench.analysis.regression.looks import looked, looks


def line(date: str, suite: str = "ranked", strategy: str = "full", **cells: tuple[float, float]) -> Line:
    measured = {
        f"{task.replace('_', '@')}/{strategy}/minilm": Measured(score=score, seconds=seconds, seeds=3)
        for task, (score, seconds) in cells.items()
    }
    return Line(suite=suite, date=date, cells=measured)


PARTS = [line("2026-01-01", a=(0.8, 10.0)), line("2026-01-02", a=(0.8, 10.0), b=(0.7, 20.0))]
AGAIN = [*PARTS, line("2026-01-03", a=(0.8, 11.0))]


def note(lines: list[Line], suite: str = "ranked", task: str = "") -> str:
    (found,) = (text for text in trend(lines, suite, task).notes if text.startswith("Test rows"))
    return found


def test_a_run_that_was_completed_in_parts_is_one_look() -> None:
    assert looks("a", PARTS) == {"ranked": 1}
    assert ": a 1 (ranked 1); b 1 (ranked 1)." in note(PARTS)


def test_a_second_run_is_a_second_look() -> None:
    assert looks("a", AGAIN) == {"ranked": 2}
    assert ": a 2 (ranked 2); b 1 (ranked 1)." in note(AGAIN)


def test_another_suite_looks_at_the_same_rows() -> None:
    """Whatever it is called, and however many of them it takes."""
    lines = [
        *AGAIN,
        line("2026-01-04", "quick", a=(0.6, 5.0)),
        line("2026-01-05", "ranked-default-rates", a=(0.7, 9.0)),
    ]
    assert looks("a", lines) == {"ranked": 2, "quick": 1, "ranked-default-rates": 1}
    assert ": a 4 (ranked 2, quick 1, ranked-default-rates 1); b 1 (ranked 1)." in note(lines)
    assert ": a 4 (" in note(lines, "quick")
    assert "b 1" not in note(lines, task="a")


def test_so_does_a_size_of_the_task() -> None:
    lines = [
        line("2026-01-01", a_50=(0.5, 1.0), a_8shots=(0.4, 1.0)),
        line("2026-01-02", "few", a_50=(0.6, 2.0)),
    ]
    assert looks("a@50", lines) == looks("a", lines) == {"ranked": 1, "few": 1}
    assert note(lines).count("a 2 (ranked 1, few 1)") == 1


def test_strategies_that_ran_apart_may_be_parts_of_one_run() -> None:
    lines = [line("2026-01-01", a=(0.8, 10.0)), line("2026-01-02", strategy="lora", a=(0.7, 9.0))]
    assert looks("a", lines) == {"ranked": 1}


def test_rows_that_no_finished_cell_scored_were_not_looked_at() -> None:
    failed = Line(
        suite="quick", date="2026-01-01", cells={"a/full/minilm": Measured(score=None, seconds=None, seeds=0)}
    )
    assert looks("a", [failed, *AGAIN]) == {"ranked": 2}
    assert "at least" in looked(["a"], AGAIN)


UNSEEN = {
    name: Line(suite=suite, date="2026-01-01", cells={name: Measured(score=score, seconds=1.0, seeds=1)})
    for name, suite, score in (
        ("a.development/full/minilm", "ranked-development", 0.8),
        ("a.development@50/full/minilm", "ranked-development", 0.8),
        ("c/full/minilm", "ranked", None),
    )
}
"""Runs that scored no test row: the scores of two are on development draws."""


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN)
def test_a_run_without_a_score_of_test_rows_is_no_look(unseen: Line) -> None:
    lines = [unseen, *PARTS]
    (name,) = unseen.cells
    assert looks("a", lines) == {"ranked": 1}
    assert looked([name.partition("/")[0]], lines) == ""
    assert not [text for text in trend([unseen], unseen.suite).notes if "Test rows" in text or not text]
    assert ": a 1 (ranked 1); b 1 (ranked 1)." in note(lines)

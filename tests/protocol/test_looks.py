"""The history says how often test rows were looked at."""

from __future__ import annotations

from bench.analysis.regression.history import Line, Measured, looks, trend


def line(date: str, **cells: tuple[float, float]) -> Line:
    measured = {
        f"{task}/full/minilm": Measured(score=score, seconds=seconds, seeds=3)
        for task, (score, seconds) in cells.items()
    }
    return Line(suite="ranked", date=date, cells=measured)


PARTS = [line("2026-01-01", a=(0.8, 10.0)), line("2026-01-02", a=(0.8, 10.0), b=(0.7, 20.0))]


def test_a_run_that_was_completed_in_parts_is_one_look() -> None:
    assert looks("a/full/minilm", PARTS) == 1
    assert any("scored once" in note for note in trend(PARTS, "ranked").notes)


def test_a_second_run_is_a_second_look() -> None:
    again = [*PARTS, line("2026-01-03", a=(0.8, 11.0))]
    assert looks("a/full/minilm", again) == 2
    assert any("scored 1 to 2 times" in note for note in trend(again, "ranked").notes)

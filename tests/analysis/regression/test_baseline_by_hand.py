"""What baselines and histories hold, on both sides of each bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bench.analysis.regression import baseline, history, packing
from bench.contracts import BenchError, Metric
from bench.runs.record import Seconds
from tests.analysis.conftest import make_record


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([0, 255], "|u1"),
        ([0, 256], "<u2"),
        ([0, 65536], "<u4"),
        ([0.5, 1], "<f4"),
        ([0.5], "<f4"),
        ([-1, 0], "<f4"),
        ([], "|u1"),
    ],
)
def test_numbers_are_packed_in_the_smallest_type(values: list[float], type_: str) -> None:
    packed = packing._packed(np.array(values, dtype=float))
    assert packed["type"] == type_
    assert packing._unpacked(packed, len(values)).tolist() == values
    with pytest.raises(ValueError, match="number of examples"):
        packing._unpacked(packed, len(values) + 1)


@pytest.mark.parametrize(("columns", "refused"), [(3, False), (4, True)])
def test_values_are_counted_with_splits_and_ids(
    columns: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_VALUES", 10)
    tests = {"test": {"examples": 2, "columns": dict.fromkeys("abcd"[:columns])}}
    if refused:
        with pytest.raises(ValueError, match="too many"):
            packing._check_sizes(tests)
    else:
        packing._check_sizes(tests)


def test_a_file_of_the_largest_size_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(baseline, "LARGEST", 4)
    (tmp_path / "b").write_bytes(b"1234")
    with (tmp_path / "b").open("rb") as file:
        assert baseline._bounded(file, "b") == b"1234"
    (tmp_path / "b").write_bytes(b"12345")
    with (tmp_path / "b").open("rb") as file, pytest.raises(BenchError) as error:
        baseline._bounded(file, "b")
    assert error.value.code == "too-large-baseline"


def test_a_baseline_has_the_columns_of_its_metrics() -> None:
    kinds = [Metric("a", "mean", ("x",)), Metric("b", "f1", ("x", "y", "z")), Metric("c", "macro_f1")]
    assert packing.needed(kinds) == ["x", "y", "z", "reference", "prediction"]
    assert packing.id_digest(["1", "2"]) == packing.id_digest(np.array(["1", "2"], object))
    digest = packing.id_digest(["1", "2"])
    assert digest.startswith("sha256:")
    assert len(digest) == 7 + 16
    assert packing.id_digest([digest] * 2) == digest


def line(commit: str, score: float | None, seconds: float | None = 1.0, seeds: int = 3) -> history.Line:
    measured = history.Measured(score=score, seconds=seconds, seeds=seeds)
    return history.Line(suite="quick", date=commit, commit=commit, cells={"t/s/b": measured})


def test_a_line_has_the_mean_score_the_median_seconds_and_the_seeds() -> None:
    cold = (1.0, 9.0, 2.0)
    records = [
        make_record(seed=n, accuracy=0.7 + 0.1 * n, seconds=Seconds(cold=s), started=f"2026-01-0{3 - n}")
        for n, s in enumerate(cold)
    ]
    lost = make_record("news", status="failed", scores={}, started="2027-01-01")
    found = history.line([*records, lost])
    assert (found.date, found.commit, found.dirty, found.suite) == ("2026-01-03", "abc1234", False, "quick")
    measured = found.cells["reviews/full/minilm"]
    assert (measured.score, measured.seconds, measured.seeds) == (pytest.approx(0.8), 2.0, 3)
    assert (found.cells["news/full/minilm"].score, found.cells["news/full/minilm"].seeds) == (None, 0)


@pytest.mark.parametrize(("scores", "often"), [((0.8, 0.8), 1), ((0.8, 0.9, 0.8), 2), ((0.7, 0.8, 0.9), 3)])
def test_looks_at_test_rows_are_counted_once_a_result(scores: Sequence[float], often: int) -> None:
    lines = [line(str(place), score) for place, score in enumerate(scores)]
    assert f"t {often} (quick {often})" in history.trend(lines, "quick").notes[1]


def test_cells_that_were_looked_at_more_or_less_often() -> None:
    lines = [line(str(place), 0.8 + 0.01 * place) for place in range(3)]
    more = lines[2].cells | {"t/other/b": lines[2].cells["t/s/b"]}
    lines[2] = lines[2].model_copy(update={"cells": more})
    assert "t 3 (quick 3)" in history.trend(lines, "quick").notes[1]
    rows = history.trend(lines, "quick", strategy="other").blocks[0].rows
    assert [row.labels for row in rows] == [("t", "other", "b")]
    assert rows[0].entries[0].value == 1


def test_a_trend_shows_the_last_score_and_the_last_seconds() -> None:
    lines = [line("a", 0.8, 5.0), line("b", 0.7, 4.0), line("c", None, None)]
    (row,) = history.trend(lines, "quick").blocks[0].rows
    assert [entry.value for entry in row.entries] == [3.0, 0.7, "█▁", "", 4.0, "█▁", ""]


def test_a_step_of_score_is_in_points_with_its_sign() -> None:
    lines = [line(f"c{place:02}", 0.8 - 0.05 * (place >= 4)) for place in range(9)]
    (row,) = history.trend(lines, "quick").blocks[0].rows
    assert row.entries[3].value == "-5.0 points at c04"
    unnamed = [item.model_copy(update={"commit": ""}) for item in lines]
    assert history.trend(unnamed, "quick").blocks[0].rows[0].entries[3].value == "-5.0 points at c04"

"""The proof of `recommend`: what it named, against a grid that is known; misses are shown as misses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.recommend.validation import Result, Setting, kept, run, table
from bench.runs.listeners import Silent


def result(**changes: Any) -> Result:
    fields = {
        "task": "reviews",
        "setting": Setting(),
        "metric": "accuracy",
        "scores": {"frozen": 0.7, "lp-ft": 0.79, "full": 0.8},
        "best": "full",
        "tied": ("full", "lp-ft"),
        "grid_seconds": 200.0,
        "named": "full",
        "said_tied": ("full",),
        "seconds": 50.0,
        "machine": "Example CPU",
    }
    return Result(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "the best"),
        ({"named": "lp-ft"}, "not told apart from the best"),
        ({"named": "frozen", "said_tied": ("frozen", "full")}, "missed, but said that full may be better"),
        ({"named": "frozen", "said_tied": ("frozen",)}, "missed"),
        ({"named": ""}, "no recommendation"),
    ],
)
def test_a_name_is_judged_by_the_grid(changes: dict[str, Any], verdict: str) -> None:
    assert result(**changes).verdict == verdict


def test_the_table_shows_misses_and_counts_them() -> None:
    text = table([result(), result(task="news", named="frozen", said_tied=("frozen",), seconds=100.0)])
    assert "| reviews | full (80.0 accuracy) | full | 0.0 | 25% of 200 s | the best |" in text
    assert "| news | full (80.0 accuracy) | frozen | 10.0 | 50% of 200 s | missed |" in text
    assert "on 1 of 2 data sets, in 38% of the grids' time" in text


def test_a_data_set_is_run_once_and_kept(
    tiny_encoder: Path, toy_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setting = Setting(rows=36, test=10, share=50, strategies=("frozen", "full"), backbone=str(tiny_encoder))
    options = Options(device="cpu", executor="inline", plugin_files=(toy_plugin,))
    text = run(["toy-sentiment"], setting, Sources(cache=tmp_path), tmp_path / "out", options, Silent())
    path = tmp_path / "out" / "toy-sentiment.json"
    found = kept(path)
    assert found is not None
    assert set(found.scores) == {"frozen", "full"}
    assert found.best in found.tied
    assert found.named in ("frozen", "full", "")
    assert found.verdict in text
    written = path.stat().st_mtime_ns
    assert (
        run(["toy-sentiment"], setting, Sources(cache=tmp_path), tmp_path / "out", options, Silent()) == text
    )
    assert path.stat().st_mtime_ns == written


def test_an_unknown_data_set_is_refused_before_any_is_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="unknown task 'nope'"):
        run(
            ["movie-sentiment", "nope"],
            Setting(),
            Sources(cache=tmp_path),
            tmp_path / "out",
            Options(),
            Silent(),
        )
    assert not (tmp_path / "out").exists()

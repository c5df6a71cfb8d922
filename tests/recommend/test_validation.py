"""The proof of `recommend`: what it named, against a grid that is known; misses are shown as misses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.recommend.known_grid import Setting
from bench.recommend.validation import CHEAPEST, HIGHEST, Result, kept, run, table
from bench.runs.listeners import Silent


def result(**changes: Any) -> Result:
    fields = {
        "task": "reviews",
        "setting": Setting(),
        "metric": "accuracy",
        "scores": {"frozen": 0.7, "lp-ft": 0.79, "full": 0.8},
        "work": {"frozen": 1.0, "lp-ft": 5.0, "full": 10.0},
        "best": "full",
        "tied": ("full", "lp-ft"),
        "named": "full",
        "basis": "not known",
        "rows": 300,
        "seeds": 2,
        "said_tied": ("full",),
        "others": {HIGHEST: "full", CHEAPEST: "lp-ft"},
        "used": 0.25,
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
    missed = result(task="news", named="frozen", said_tied=("frozen",), used=0.5)
    text = table([result(), missed, result(named="", basis=None, rows=0, others={})])
    assert "| reviews | full (80.0 accuracy) | full | 0.0 | 300 rows, 2 seeds | 25% | the best |" in text
    assert "| news | full (80.0 accuracy) | frozen | 10.0 | 300 rows, 2 seeds | 50% | missed |" in text
    assert "on 1 of 3 data sets" in text
    assert "| `recommend` | 5.0 | 10.0 | 55% |" in text
    assert f"| {HIGHEST} | 0.0 | 0.0 | 100% |" in text
    assert f"| {CHEAPEST} | 1.0 | 1.0 | 50% |" in text


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
    cells = sorted((tmp_path / "results").rglob("records/**/*.json"))
    written = [item.stat().st_mtime_ns for item in cells]
    again = (["toy-sentiment"], setting, Sources(cache=tmp_path), tmp_path / "out", options, Silent())
    assert run(*again) == text
    assert [item.stat().st_mtime_ns for item in cells] == written
    shutil.rmtree(tmp_path / "results")
    assert run(*again) == text
    assert not (tmp_path / "results").exists()


def test_another_share_of_the_work_runs_no_cell(
    tiny_encoder: Path, toy_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setting = Setting(rows=80, test=10, share=50, strategies=("frozen", "full"), backbone=str(tiny_encoder))
    options = Options(device="cpu", executor="inline", plugin_files=(toy_plugin,))
    given = Sources(cache=tmp_path), tmp_path / "out", options
    run(["toy-sentiment"], setting, *given, Silent())
    whole = kept(tmp_path / "out" / "toy-sentiment.json")
    watched = Counting()
    run(["toy-sentiment"], setting.model_copy(update={"share": 0.3}), *given, watched)
    part = kept(tmp_path / "out" / "toy-sentiment.json")
    assert watched.cells == 0
    assert whole is not None
    assert part is not None
    assert part.used <= 0.3 < whole.used
    assert part.seeds < whole.seeds


class Counting(Silent):
    """A screen that counts the cells that are run."""

    def __init__(self) -> None:
        self.cells = 0

    def cell_started(self, cell: Cell) -> None:
        self.cells += 1


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

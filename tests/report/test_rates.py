"""Score against learning rate, in the page and in a figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.loading import Run
from bench.contracts import BenchError
from bench.report import figures, html, page
from bench.report.rates import rates
from bench.report.reading import Reading, read
from bench.runs.record import Record, Trial
from tests.support.report_runs import Grid, make_run

GRID = Grid(tasks=("reviews",), strategies=("frozen", "full"), seeds=2)
SCORES = {"frozen": (0.5, 0.6, 0.7), "full": (0.6, 0.8, 0.1)}
BEST = {"frozen": 3.0, "full": 1.0}


def swept(records: Sequence[Record], suffix: str = "") -> list[Record]:
    """The records with trials at three scales, of tasks with another name."""
    found = []
    for record in records:
        strategy = record.cell.strategy
        scores = zip((0.3, 1.0, 3.0), SCORES[strategy], strict=True)
        trials = tuple(
            Trial(scale=scale, loss=1 - score, kept=scale == BEST[strategy], score=score)
            for scale, score in scores
        )
        cell = replace(record.cell, task=record.cell.task + suffix)
        found.append(record.model_copy(update={"cell": cell, "trials": trials}))
    return found


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run(GRID)


@pytest.fixture(scope="module")
def tuned(run: Run) -> Reading:
    return read(Run("tuned", swept(run.records), run.predictions))


def test_every_strategy_has_a_line_over_the_scales_on_a_logarithmic_axis(tuned: Reading) -> None:
    (chart,) = rates(tuned, tuned.run.records)
    values = chart.spec["data"]["values"]
    assert [(v["name"], v["scale"], v["score"]) for v in values] == [
        ("frozen", 0.3, 50),
        ("frozen", 1.0, 60),
        ("frozen", 3.0, 70),
        ("full", 0.3, 60),
        ("full", 1.0, 80),
        ("full", 3.0, 10),
    ]
    assert {v["name"]: v["scale"] for v in values if v["chosen"]} == BEST
    assert chart.spec["encoding"]["x"]["scale"]["type"] == "log"
    assert chart.spec["encoding"]["x"]["axis"]["values"] == [0.3, 1.0, 3.0]
    assert chart.svg().startswith("<svg")


def test_a_page_draws_the_development_run_of_its_suite(run: Run, tmp_path: Path) -> None:
    development = swept(run.records, ".development")
    built = page.build(run, tmp_path, development=development)
    assert [chart.title for chart in built.rates] == ["reviews"]
    text = html.report(built)
    assert '<a href="#rates">Learning rates</a>' in text
    section = re.search(r'<section id="rates".*?</section>', text, re.DOTALL)
    assert section is not None
    assert "<svg" in section[0]


def test_strategies_that_the_page_lacks_are_not_drawn(run: Run, tmp_path: Path) -> None:
    alone = [record for record in run.records if record.cell.strategy == "full"]
    built = page.build(Run("x", alone, run.predictions), tmp_path, development=swept(run.records))
    (chart,) = built.rates
    assert {value["strategy"] for value in chart.spec["data"]["values"]} == {"full"}


def test_tasks_and_encoders_that_the_page_lacks_are_not_drawn(tmp_path: Path) -> None:
    whole = make_run(Grid(strategies=("frozen", "full"), seeds=1, backbones=("minilm", "mpnet")))
    part = [r for r in whole.records if (r.cell.task, r.cell.backbone) == ("reviews", "minilm")]
    built = page.build(
        Run("x", part, whole.predictions), tmp_path, development=swept(whole.records, ".development")
    )
    (chart,) = built.rates
    drawn = [(value["name"], value["scale"]) for value in chart.spec["data"]["values"]]
    assert chart.title == "reviews"
    assert len(drawn) == len(set(drawn)) > 0


def test_a_run_that_tried_one_rate_has_no_such_section(run: Run, tmp_path: Path) -> None:
    assert "#rates" not in html.report(page.build(run, tmp_path))


def test_a_figure_has_the_scales_as_ticks(tuned: Reading, tmp_path: Path) -> None:
    figures.save(tuned, "rates", tmp_path / "figure.svg", "one")
    text = (tmp_path / "figure.svg").read_text()
    assert [tick for tick in ("0.3", "1", "3") if f">{tick}</text>" in text] == ["0.3", "1", "3"]
    assert all(f">{name}</text>" in text for name in GRID.strategies)


def test_a_figure_of_a_run_that_tried_one_rate_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        figures.save(read(run), "rates", tmp_path / "figure.svg")
    assert error.value.code == "nothing-to-plot"


def test_a_size_of_a_task_is_drawn_under_that_tasks_name(run: Run, tmp_path: Path) -> None:
    sized = make_run(replace(GRID, tasks=("reviews@50",)))
    built = page.build(sized, tmp_path, development=swept(run.records, ".development@50"))
    assert [chart.title for chart in built.rates] == ["reviews@50"]

"""Ranks over tasks, in the page and in a figure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.tables.ranks import table
from bench.contracts import BenchError
from bench.report import figures, html, page
from bench.report.ranks import ranking, ranks
from bench.report.reading import Reading, read
from tests.support.report_runs import Grid, make_run

OVER = Grid(tasks=("reviews", "$news_1$", "films"), seeds=3)


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read(make_run(OVER))


def test_the_chart_has_a_point_and_an_interval_for_each_strategy(reading: Reading) -> None:
    found = ranking(reading)
    assert found is not None
    chart = ranks(reading, found)
    intervals, points, bars = chart.spec["layer"]
    assert intervals["data"] == points["data"]
    assert {item["name"] for item in points["data"]["values"]} == set(OVER.strategies)
    assert all(item["low"] <= item["rank"] <= item["high"] for item in points["data"]["values"])
    assert len(bars["data"]["values"]) == len(found.groups())
    assert chart.svg().startswith("<svg")


def test_the_description_says_what_the_bars_say(reading: Reading) -> None:
    found = ranking(reading)
    assert found is not None
    text = ranks(reading, found).description
    first, last = found.groups()[0]
    assert "Mean rank over 3 tasks (reviews, $news_1$, films)" in text
    assert ", ".join(item.row[0] for item in found.rows[first : last + 1]) in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_chart_and_the_table_say_the_same_of_their_intervals(seeds: int) -> None:
    reading = read(make_run(replace(OVER, seeds=seeds)))
    found = ranking(reading)
    assert found is not None
    over = "over tasks and test examples" if seeds == 1 else "over tasks, seeds and test examples"
    assert f"with a 95% interval {over}. " in ranks(reading, found).description
    assert f"are 95% intervals {over} " in table(found).notes[0]


def test_the_page_has_a_section_over_tasks(tmp_path: Path) -> None:
    text = html.report(page.build(make_run(OVER), tmp_path))
    assert '<a href="#ranks">Over tasks</a>' in text
    section = re.search(r'<section id="ranks".*?</section>', text, re.DOTALL)
    assert section is not None
    assert "Critical difference" in section[0]
    assert "<svg" in section[0]


def test_a_page_of_two_tasks_has_no_such_section(tmp_path: Path) -> None:
    built = page.build(make_run(Grid()), tmp_path)
    assert (built.ranks, built.ranks_table) == ((), None)
    assert "#ranks" not in html.report(built)


def test_a_figure_has_a_row_for_each_strategy(reading: Reading, tmp_path: Path) -> None:
    figures.save(reading, "ranks", tmp_path / "figure.svg", "one")
    text = (tmp_path / "figure.svg").read_text()
    assert ">top-layers</text>" in text
    assert ">mean rank, 1 is best</text>" in text


def test_a_figure_of_two_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        figures.save(read(make_run(Grid())), "ranks", tmp_path / "figure.svg")
    assert error.value.code == "nothing-to-plot"
    assert "ranks need 3 tasks" in str(error.value)

"""Runs that the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.loading import Run
from bench.report import html, page
from bench.report.reading import Reading, read
from tests.support.report_runs import HOSTILE, Grid, make_run, save_rows

HOSTILE_GRID = Grid(tasks=("reviews", HOSTILE[1]), seeds=2, labels=HOSTILE)


@pytest.fixture(scope="session")
def run() -> Run:
    return make_run()


@pytest.fixture(scope="session")
def reading(run: Run) -> Reading:
    return read(run)


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> page.Page:
    """A report on labels, a task and texts that are markup, quotes, scripts and right-to-left text."""
    cache = tmp_path_factory.mktemp("cache")
    save_rows(Grid(tasks=("reviews",), labels=HOSTILE), HOSTILE, cache)
    return page.build(make_run(HOSTILE_GRID), cache)


@pytest.fixture(scope="session")
def hostile_html(hostile_page: page.Page) -> str:
    return html.report(hostile_page)


@pytest.fixture(scope="session")
def hostile_file(hostile_html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(hostile_html, encoding="utf-8")
    return path

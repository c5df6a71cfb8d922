"""The page in a browser: headless Chromium, driven by Playwright, with axe-core for accessibility.

Skipped where there is no Chromium: `apt-get install chromium`, or set TRANSFERBENCH_CHROMIUM to its path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.report import html, regression
from tests.support.report_runs import HOSTILE, Grid, make_run

CHROMIUM = os.environ.get("TRANSFERBENCH_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@dataclass
class Opened:
    """A page that was opened, and what it said and asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def rows(self, table: int = 0) -> list[str]:
        """The first cell of every row that is shown."""
        chosen = self.page.locator("#scores table").nth(table).locator("tbody tr:visible th:first-child")
        return chosen.all_inner_texts()

    def live(self, section: str) -> Any:
        """The first chart of a section, once scripts have brought it to life."""
        box = self.page.locator(f"#{section} .chart").first
        box.scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{section} .chart[data-live]")
        return box


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Any, path: Path, **options: Any) -> Opened:
    page = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options}).new_page()
    result = Opened(page)
    page.on("console", lambda message: result.said.append(message.text))
    page.on("pageerror", lambda error: result.said.append(str(error)))
    page.on("request", lambda request: result.asked.append(request.url))
    page.goto(path.as_uri())
    return result


@pytest.fixture
def report(browser: Any, hostile_file: Path) -> Iterator[Opened]:
    result = opened(browser, hostile_file)
    yield result
    result.page.context.close()


def scroll_through(page: Any) -> None:
    """Slowly enough that every chart comes to life."""
    for box in page.locator(".chart").all():
        box.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.chart:not([data-live])').length === 0")


def test_it_opens_from_disk_without_a_request_or_a_complaint(report: Opened, hostile_file: Path):
    scroll_through(report.page)
    assert report.said == []
    assert [url for url in report.asked if not url.startswith("data:")] == [hostile_file.as_uri()]


def test_hostile_labels_and_texts_are_shown_as_text(report: Opened):
    scroll_through(report.page)
    for item in report.page.locator("details").all():
        item.evaluate("node => { node.open = true }")
    shown = report.page.locator("main").inner_text()
    assert all(text in shown for text in HOSTILE)
    assert report.page.title() == "Transfer strategies on suite made"
    assert report.page.locator("img, main b").count() == 0


def test_a_heading_sorts_its_table(report: Opened):
    before = report.rows()
    heading = report.page.locator("#scores table").first.get_by_role("button", name="seconds")
    heading.click()
    assert report.rows() != before
    descending = report.rows()
    heading.click()
    assert report.rows() == descending[::-1]
    assert report.page.locator("#scores table").first.locator("th[aria-sort=ascending]").count() == 1


def test_sorting_works_from_the_keyboard(report: Opened):
    heading = report.page.locator("#scores table").first.get_by_role("button", name="seconds")
    heading.focus()
    report.page.keyboard.press("Enter")
    assert report.page.locator("th[aria-sort=descending]").count() == 1


def test_a_strategy_switched_off_leaves_tables_and_charts(report: Opened):
    chart = report.live("pareto")
    assert "scratch" in chart.inner_text()
    report.page.get_by_role("checkbox", name="scratch").uncheck()
    assert "scratch" not in report.rows()
    report.page.wait_for_function("!document.querySelector('#pareto .chart').textContent.includes('scratch')")
    report.page.get_by_role("checkbox", name="scratch").check()
    assert "scratch" in report.rows()


def test_a_point_has_a_tooltip(report: Opened):
    chart = report.live("pareto")
    chart.locator(".mark-symbol path").first.hover()
    tooltip = report.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "cold seconds" in tooltip.inner_text()


def background(page: Any) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_follows_the_system_and_the_button(browser: Any, hostile_file: Path):
    dark = opened(browser, hostile_file, color_scheme="dark")
    assert background(dark.page) == "rgb(20, 22, 26)"
    dark.page.get_by_role("button", name="Light page").click()
    assert background(dark.page) == "rgb(255, 255, 255)"
    dark.page.get_by_role("button", name="Dark page").click()
    assert background(dark.page) == "rgb(20, 22, 26)"
    dark.page.context.close()


def test_a_small_screen_scrolls_only_down(browser: Any, hostile_file: Path):
    small = opened(browser, hostile_file, viewport={"width": 400, "height": 800})
    scroll_through(small.page)
    assert small.page.evaluate("document.documentElement.scrollWidth") == 400
    small.page.context.close()


def test_paper_is_white_and_nothing_is_folded(browser: Any, hostile_file: Path, tmp_path: Path):
    dark = opened(browser, hostile_file, color_scheme="dark")
    dark.page.emulate_media(media="print")
    assert background(dark.page) == "rgb(255, 255, 255)"
    assert not dark.page.locator("nav").is_visible()
    dark.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert dark.page.locator("details:not([open])").count() == 0
    dark.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
    dark.page.context.close()


def test_without_scripts_the_charts_are_pictures(browser: Any, hostile_file: Path):
    plain = opened(browser, hostile_file, java_script_enabled=False)
    assert plain.page.locator("#pareto svg").first.is_visible()
    assert not plain.page.locator("#strategies").is_visible()
    plain.page.context.close()


def violations(page: Any) -> list[tuple[str, str]]:
    """What axe-core finds that is serious or critical: the rule and the first element."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        (item["id"], item["nodes"][0]["html"][:200])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_problem(browser: Any, hostile_file: Path, scheme: str):
    result = opened(browser, hostile_file, color_scheme=scheme)
    scroll_through(result.page)
    for item in result.page.locator("details").all():
        item.evaluate("node => { node.open = true }")
    assert violations(result.page) == []
    result.page.context.close()


def test_the_regression_page_opens_and_axe_finds_no_serious_problem(browser: Any, tmp_path: Path):
    run = make_run(Grid(tasks=("reviews",), seeds=2))
    path = tmp_path / "regression.html"
    path.write_text(html.regression(regression.build(run, run)), encoding="utf-8")
    result = opened(browser, path)
    scroll_through(result.page)
    assert result.said == []
    assert violations(result.page) == []
    result.page.context.close()

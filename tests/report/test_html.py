"""The page: complete, self-contained, in order, readable without scripts, and never taken for markup."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.analysis.loading import Run
from bench.analysis.regression.history import Line, line
from bench.analysis.tables.model import Block, Table
from bench.contracts import BenchError
from bench.report import html, page, regression
from bench.report.reading import read
from bench.runs.record import Record
from tests.support.report_runs import HOSTILE, Grid, make_run


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        self.text += "" if self.inside else data


@pytest.fixture(scope="module")
def elements(hostile_html: str) -> Elements:
    return Elements(hostile_html)


def test_the_sections_are_in_the_order_in_which_they_are_read(elements: Elements):
    ids = [attributes.get("id") for tag, attributes in elements.found if tag == "section"]
    assert ids == [
        "answer",
        "pareto",
        "scores",
        "seeds",
        "curves",
        "ledger",
        "errors",
        "problems",
        "reproduce",
    ]


def test_nothing_is_asked_from_anywhere(elements: Elements):
    for tag, attributes in elements.found:
        for name in ("src", "href", "data", "action", "srcset"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), (tag, name, target)


def test_hostile_text_makes_no_element(elements: Elements):
    assert not [tag for tag, _ in elements.found if tag in ("img", "b", "iframe")]
    assert not [
        attributes for _, attributes in elements.found if any(name.startswith("on") for name in attributes)
    ]
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert sum(attributes.get("type") != "application/json" for attributes in scripts) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is(elements: Elements, text: str):
    assert text in elements.text


def test_control_characters_are_left_out(run: Run):
    record = run.records[0].model_copy(
        update={"status": "failed", "reason": "\x1b[31mred\x00\x07", "scores": {}}
    )
    text = html.report(page.build(Run("x", [record, *run.records[1:]], run.predictions), Path("none")))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text)


def test_without_scripts_every_number_and_every_chart_is_there(elements: Elements):
    tags = [tag for tag, _ in elements.found]
    assert tags.count("svg") == tags.count("figure") == 2 * 5
    assert tags.count("table") > 6
    assert "±" in elements.text


def test_every_chart_has_a_description(elements: Elements):
    charts = [attributes for _, attributes in elements.found if attributes.get("role") == "img"]
    assert len(charts) == 10
    assert all(len(attributes.get("aria-label") or "") > 40 for attributes in charts)


def test_every_colour_of_a_chart_follows_the_theme():
    run = make_run(Grid(tasks=("reviews",), backbones=("minilm", "glove"), domains=("tweets",)))
    found = page.build(run, Path("none"))
    for item in (*found.pareto, *found.seeds, *found.by_step, *found.by_seconds, *found.shift):
        colours = set(re.findall(r' (?:fill|stroke)="([^"]*)"', item.svg()))
        assert [text for text in colours if "var(--" not in text] in ([], ["none"]), item.description


def test_a_page_is_small(hostile_html: str):
    assert len(hostile_html.encode()) < 2e6


def test_lines_of_the_suite_file_stay_lines(elements: Elements):
    assert "\nseeds = 2\n" in elements.text


def test_what_did_not_finish_is_listed_with_its_reason(run: Run):
    failed = run.records[0].model_copy(
        update={"status": "oom", "reason": "no room for batch 32", "scores": {}}
    )
    adapted = run.records[1].model_copy(update={"adaptations": ("micro-batch 4",)})
    found = page.build(Run("x", [failed, adapted, *run.records[2:]], run.predictions), Path("none"))
    assert [(item.kind, item.reason) for item in found.problems[:2]] == [
        ("oom", "no room for batch 32"),
        ("adapted", "micro-batch 4"),
    ]


def test_planned_cells_that_have_not_run_are_counted():
    run = make_run(Grid(strategies=("frozen", "full")))
    planned = (*(record.cell.id for record in run.records), "news/lora/minilm/seed0")
    found = page.build(Run("x", run.records, run.predictions, planned=planned), Path("none"))
    assert found.missing == ("news/lora/minilm/seed0",)
    text = html.report(found)
    assert f"all {len(run.records)} cells that ran finished as requested" in text
    assert "1 of the cells of this run has not run yet" in text
    assert "not run yet" not in html.report(page.build(run, Path("none")))


def test_a_run_where_nothing_finished_still_has_a_page(run: Run):
    failed = [
        record.model_copy(update={"status": "oom", "scores": {}, "curve": ()}) for record in run.records
    ]
    text = html.report(page.build(Run("x", failed, run.predictions), Path("none")))
    assert "there is no answer yet" in text


def test_a_run_without_records_is_an_error():
    with pytest.raises(BenchError) as error:
        read(Run("empty", [], {}.__getitem__))
    assert error.value.code == "no-records"


def test_a_run_on_other_domains_has_their_section():
    found = page.build(make_run(Grid(tasks=("reviews",), domains=("tweets",))), Path("none"))
    assert len(found.shift) == 1
    assert found.shift_table is not None
    assert 'id="shift"' in html.report(found)


def test_a_run_at_several_sizes_has_their_section():
    run = make_run(Grid(tasks=("reviews@100", "reviews@200"), strategies=("frozen", "full")))
    sizes = {"reviews@100": 100, "reviews@200": 200}
    records = [
        record.model_copy(
            update={
                "data": record.data.model_copy(
                    update={"sizes": {"train": sizes[record.cell.task], "test": 80}}
                )
            }
        )
        for record in run.records
        if record.data
    ]
    found = page.build(Run("sizes", records, run.predictions), Path("none"))
    assert [chart.title for chart in found.sizes] == ["reviews"]
    assert found.sizes_table is not None
    assert 'id="sizes"' in html.report(found)


def test_what_a_step_takes_is_in_the_section_on_time(run: Run):
    measured = Table("Steps of a made-up encoder", ("strategy",), (), (Block("", ()),))
    text = html.report(page.build(run, Path("none"), steps=measured))
    assert text.index('id="ledger"') < text.index("Steps of a made-up encoder") < text.index('id="errors"')


def test_a_run_with_a_past_has_its_history(run: Run):
    days = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    past = [line([record.model_copy(update={"started": day}) for record in run.records]) for day in days]
    found = page.build(run, Path("none"), past)
    assert found.history is not None
    assert "▁" in html.report(found)


def test_the_history_on_the_page_never_mixes_recipes(run: Run):
    def at(day: int, epochs: float) -> Line:
        recipe = replace(run.records[0].cell.recipe, epochs=epochs)
        changed = {"started": f"2026-01-0{day}T00:00:00Z"}
        return line(
            [
                record.model_copy(update={**changed, "cell": replace(record.cell, recipe=recipe)})
                for record in run.records
            ]
        )

    own = run.records[0].cell.recipe.epochs
    assert page.build(run, Path("none"), [at(1, own), at(2, 9)]).history is None
    found = page.build(run, Path("none"), [at(1, own), at(2, 9), at(3, own)]).history
    assert found is not None
    assert {row.entries[0].value for row in found.blocks[0].rows} == {2}


def test_the_history_on_the_page_counts_looks_of_all_recipes_and_suites(run: Run):
    def at(day: int, epochs: float, suite: str) -> Line:
        def changed(record: Record) -> Record:
            recipe = replace(record.cell.recipe, epochs=epochs)
            update = {
                "started": f"2026-01-0{day}T00:00:00Z",
                "cell": replace(record.cell, recipe=recipe, suite=suite),
                "seconds": record.seconds.model_copy(update={"cold": record.seconds.cold + day}),
            }
            return record.model_copy(update=update)

        return line(list(map(changed, run.records)))

    own = run.records[0].cell.recipe.epochs
    past = [at(1, own, "made"), at(2, 9, "made"), at(3, own, "made"), at(4, own, "other")]
    found = page.build(run, Path("none"), past).history
    assert found is not None
    assert any("reviews 4 (made 3, other 1)" in note for note in found.notes)


def test_the_words_and_the_table_are_those_of_the_command_table(run: Run):
    from bench.analysis.tables import build as tables

    assert page.build(run, Path("none")).scores == tables.build(run.records, run.predictions)


def test_regressions_come_worst_first(run: Run):
    broken = Run("broken", run.records, lambda cell: run.predictions(cell.replace("/full/", "/scratch/")))
    found = regression.build(run, broken)
    assert found.outcome == 1
    assert found.table.blocks[0].rows[0].labels[1] == "full"
    elements = Elements(html.regression(found))
    assert "regressed" in elements.text
    assert [tag for tag, _ in elements.found].count("svg") == 2


def test_importing_the_report_imports_nothing_heavy():
    import pkgutil

    import bench.report

    names = ", ".join(f"bench.report.{module.name}" for module in pkgutil.iter_modules(bench.report.__path__))
    heavy = ("torch", "transformers", "datasets", "matplotlib", "vl_convert", "jinja2", "pandas")
    code = f"import sys, bench.cli.report, {names}; print([n for n in {heavy} if n in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_policy_lets_the_pages_own_two_scripts_run_and_nothing_else(
    hostile_html: str, elements: Elements
):
    [policy] = [
        attributes["content"]
        for tag, attributes in elements.found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    scripts = re.findall(r"<script>(.*?)</script>", hostile_html, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert len(digests) == 2
    assert set(re.findall(r"'sha256-([^']+)'", rules["script-src"])) == set(digests)

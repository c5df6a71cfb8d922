"""The page shows what a model costs to use where the run measured it, and says nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.report import html, page
from bench.report.serving import table
from bench.runs.record import Served, Serving
from tests.support.report_runs import Grid, make_run


def measured(run: Run, strategies: tuple[str, ...], merged: bool = False) -> Run:
    """The run with made-up times of these strategies, 1 ms more with each seed."""
    records = []
    for record in run.records:
        if record.cell.strategy in strategies:
            seconds = 0.0021 + 0.001 * record.cell.seed
            served = Served(p50=seconds, p95=2 * seconds, single=1 / seconds, batch=8, best=3 / seconds)
            found = Serving(plain=served, merged=served if merged else None)
            record = record.model_copy(update={"serving": found})
        records.append(record)
    return replace(run, records=records)


def test_a_run_that_did_not_measure_it_has_no_table_and_no_section(tmp_path: Path) -> None:
    run = make_run(Grid(tasks=("reviews",), seeds=1))
    assert table(gather(run.records)) is None
    assert 'id="serving"' not in html.report(page.build(run, tmp_path))


def test_only_what_was_measured_is_shown_as_the_median_over_seeds(tmp_path: Path) -> None:
    run = measured(make_run(Grid()), ("frozen", "full"))
    found = table(gather(run.records))
    assert found is not None
    assert [block.title for block in found.blocks] == ["reviews", "news"]
    assert [row.labels[0] for row in found.blocks[0].rows] == ["frozen", "full"]
    names = [column.name for column in found.columns]
    assert "merged-p50" not in names
    assert found.blocks[0].rows[0].entries[names.index("p50")].value == 3.1
    text = html.report(page.build(run, tmp_path))
    assert '<a href="#serving">In use</a>' in text
    section = text.split('<section id="serving"')[1].split("</section>")[0]
    assert "3.1" in section
    assert "top-layers" not in section


def test_merged_models_have_columns_where_there_are_some() -> None:
    found = table(gather(measured(make_run(Grid()), ("full",), merged=True).records))
    assert found is not None
    assert {"merged-p50", "merged-rate"} <= {column.name for column in found.columns}

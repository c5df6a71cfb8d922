"""The page shows how far encoders moved where the run measured it, and says nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.report import html, page
from bench.report.forgetting import by_layers, table
from bench.report.reading import read
from bench.runs.record import LanguageLoss
from tests.support.report_runs import Grid, make_run

MOVED = {"frozen": (1.0, 1.0, 1.0), "full": (0.9, 0.7, 0.4)}


def moved(run: Run, loss: LanguageLoss | None) -> Run:
    """The run with made-up similarities of two strategies."""
    records = [
        record.model_copy(update={"forgetting": MOVED[record.cell.strategy], "language_loss": loss})
        if record.cell.strategy in MOVED
        else record
        for record in run.records
    ]
    return replace(run, records=records)


def test_a_run_that_did_not_measure_it_has_no_section(tmp_path: Path) -> None:
    run = make_run(Grid(tasks=("reviews",), seeds=1))
    assert table(gather(run.records)) is None
    assert by_layers(read(run), "reviews") is None
    assert 'id="forgetting"' not in html.report(page.build(run, tmp_path))


def test_every_layer_of_every_strategy_is_a_point_of_its_line() -> None:
    chart = by_layers(read(moved(make_run(Grid()), None)), "reviews")
    assert chart is not None
    points = [(value["strategy"], value["layer"], value["cka"]) for value in chart.spec["data"]["values"]]
    expected = [
        (name, layer, value)
        for name, layers in MOVED.items()
        for layer, value in zip(("emb.", "1", "2"), layers, strict=True)
    ]
    assert sorted(points) == sorted(expected)
    assert chart.spec["encoding"]["x"]["sort"] == ["emb.", "1", "2"]
    low, high = chart.spec["encoding"]["y"]["scale"]["domain"]
    assert low <= 0.4
    assert high == 1.0
    assert "full" in chart.svg()


def test_the_table_has_the_loss_or_says_that_there_is_no_head(tmp_path: Path) -> None:
    loss = LanguageLoss(kind="masked", before=2.0, after=2.25)
    run = moved(make_run(Grid()), loss)
    found = table(gather(run.records))
    assert found is not None
    names = [column.name for column in found.columns]
    assert names == ["cka", "cka-last", "lm-loss", "lm-rise"]
    assert found.blocks[0].rows[1].entries[names.index("lm-rise")].value == 0.25
    text = html.report(page.build(run, tmp_path))
    assert '<a href="#forgetting">Forgetting</a>' in text
    section = text.split('<section id="forgetting"')[1].split("</section>")[0]
    assert "2.25" in section
    assert "top-layers" not in section
    without = moved(make_run(Grid()), LanguageLoss(reason="no LM head: the checkpoint has none"))
    section = html.report(page.build(without, tmp_path)).split('<section id="forgetting"')[1]
    assert "no LM head" in section.split("</section>")[0]

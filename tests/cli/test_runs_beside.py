"""What a table or a page reads from the run beside its own: scores at default rates, and rates that were tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.analysis.loading import Run
from bench.cli.app import app
from bench.contracts import BenchError, Cell, Recipe
from bench.runs.record import Record, Trial
from tests.support.report_runs import Grid, make_run, save_run

GRID = Grid(tasks=("reviews",), strategies=("frozen", "full"), seeds=2)


def made(recipe: Recipe | None = None, suffix: str = "", trials: tuple[Trial, ...] = ()) -> Run:
    """A run of GRID with another recipe, tasks of another name, and trials."""
    run = make_run(GRID)
    before: dict[str, str] = {}

    def changed(record: Record) -> Record:
        cell = record.cell
        new: Cell = replace(cell, task=cell.task + suffix, recipe=recipe or cell.recipe)
        before[new.id] = cell.id
        return record.model_copy(update={"cell": new, "trials": trials})

    records = [changed(record) for record in run.records]
    return Run("made", records, lambda cell: run.predictions(before[cell]))


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    recipe = replace(make_run(GRID).records[0].cell.recipe, rate_scale=3.0)
    return save_run(made(recipe), tmp_path / "tuned").path


@pytest.mark.parametrize("named", [False, True])
def test_a_table_has_the_scores_of_the_run_at_default_rates(tuned: Path, tmp_path: Path, named: bool) -> None:
    other = tmp_path / ("elsewhere" if named else "tuned-default-rates")
    save_run(make_run(GRID), other)
    option = ["--default-rates", other] if named else []
    output = invoke(
        "table", tuned, "--columns", "accuracy,default-rates,rate-scale", "--notes", "-f", "md", *option
    )
    assert "at default rates" in output
    assert "× 3" in output
    (full,) = [line for line in output.splitlines() if line.startswith("| full")]
    assert full.count("±") == 2
    assert other.name in output


def test_the_column_says_which_run_it_lacks(tuned: Path) -> None:
    with pytest.raises(BenchError, match="tuned-default-rates") as error:
        invoke("table", tuned, "--columns", "default-rates")
    assert error.value.code == "no-default-rates"
    with pytest.raises(BenchError) as error:
        invoke("table", tuned, "--columns", "default-rates", "--default-rates", "nowhere")
    assert error.value.code == "no-run"


@pytest.mark.parametrize(
    "columns", [("--columns", "accuracy"), ("--columns", "default-rates", "--kind", "pairs")]
)
def test_the_run_is_for_the_column_alone(columns: tuple[str, ...], tuned: Path) -> None:
    with pytest.raises(BenchError) as error:
        invoke("table", tuned, *columns, "--default-rates", tuned)
    assert error.value.code == "needs-a-column"
    assert "±" in invoke("table", tuned, "--columns", "accuracy")


def test_a_page_and_a_figure_have_the_rates_of_the_development_run(tuned: Path, tmp_path: Path) -> None:
    page, figure = tmp_path / "page.html", tmp_path / "figure.svg"
    invoke("report", tuned, "-o", page)
    assert 'id="rates"' not in page.read_text(encoding="utf-8")
    with pytest.raises(BenchError) as error:
        invoke("plot", tuned, "--kind", "rates", "-o", figure)
    assert error.value.code == "nothing-to-plot"
    trials = tuple(Trial(scale=scale, loss=scale, kept=scale == 0.3, score=0.5) for scale in (0.3, 1.0))
    save_run(made(suffix=".development", trials=trials), tmp_path / "tuned-development")
    invoke("report", tuned, "-o", page)
    assert 'id="rates"' in page.read_text(encoding="utf-8")
    invoke("plot", tuned, "--kind", "rates", "-o", figure)
    assert ">0.3</text>" in figure.read_text()

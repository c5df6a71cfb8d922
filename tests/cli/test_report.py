"""The commands report and plot."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.app import app
from bench.contracts import BenchError
from tests.support.report_runs import Grid, make_run, save_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    grid = Grid(tasks=("reviews",), strategies=("frozen", "full"), seeds=2)
    return save_run(make_run(grid), tmp_path_factory.mktemp("runs") / "made").path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_report_writes_a_page(folder: Path, tmp_path: Path):
    output = invoke("report", str(folder), "-o", str(tmp_path / "page.html"))
    assert "4 cells" in output
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_against_another_run_writes_the_regression_page(folder: Path):
    invoke("report", str(folder), "--against", str(folder))
    text = (folder / "regression.html").read_text(encoding="utf-8")
    assert "Nothing regressed" in text


def test_plot_writes_a_figure(folder: Path, tmp_path: Path):
    invoke("plot", str(folder), "--kind", "convergence", "--out", str(tmp_path / "figure.pdf"))
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_a_baseline_file_has_a_page_too(folder: Path, tmp_path: Path):
    from bench.analysis.opening import open_source
    from bench.analysis.regression.baseline import dump

    path = tmp_path / "made.jsonl"
    path.write_text(dump(open_source(str(folder))), encoding="utf-8")
    invoke("report", str(path), "-o", str(tmp_path / "page.html"))
    assert 'id="answer"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(BenchError) as error:
        invoke("report", str(path))
    assert error.value.code == "no-run-folder"


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path):
    with pytest.raises(BenchError, match="not a run folder"):
        invoke("report", str(tmp_path))

"""The package from a script: ten lines, pandas frames, and `run` stays a function."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import Table, load, run
from bench.api import Results
from bench.contracts import BenchError
from bench.executors.contract import Options
from tests.support.made_runs import TOYS, ToySuite


@pytest.fixture(scope="module")
def results(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two strategies, one seed, run in this process."""
    folder = tmp_path_factory.mktemp("api")
    suite = ToySuite.write(folder / "mine.toml", tiny_encoder, ("frozen", "full", "bitfit"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    return run(str(suite.path), folder / "run", options=options, strategies=["frozen", "full"])


def test_a_frame_has_a_row_a_cell(results: Results) -> None:
    frame = results.frame()
    assert list(frame["strategy"]) == ["frozen", "full"]
    assert frame["test.accuracy"].between(0, 1).all()
    assert (frame["cold"] > 0).all()


def test_curves_and_predictions_are_frames(results: Results) -> None:
    assert {"strategy", "epoch", "loss", "score"} <= set(results.curve().columns)
    predictions = results.predictions()
    assert set(predictions["strategy"]) == {"frozen", "full"}
    assert {"id", "reference", "prediction"} <= set(predictions.columns)


def test_a_table_is_markdown_html_and_a_frame(results: Results) -> None:
    table = Table(results)
    assert "| frozen" in str(table)
    assert table._repr_html_().startswith("<table>")
    frame = table.frame()
    assert list(frame["strategy"]) == ["frozen", "full"]
    assert "accuracy ±" in frame.columns


def test_progress_is_on_stderr(results: Results, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing is left to run, so it is one line."""
    path = next(results.path.parent.glob("*.toml"))
    options = Options(device="cpu", threads=1, executor="inline", plugin_files=(TOYS,))
    run(str(path), results.path, options=options, strategies=["frozen"])
    shown = capsys.readouterr()
    assert "0 cells to run; 1 finished before" in shown.err
    assert shown.out == ""


def test_load_gives_the_same_run(results: Results) -> None:
    assert load(results.path).frame().equals(results.frame())


def test_a_wrong_request_is_a_bench_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="did you mean 'smoke'"):
        run("smoek")
    with pytest.raises(BenchError, match="not a run folder"):
        load(tmp_path)


def test_the_package_is_cheap_to_import() -> None:
    program = "import sys, bench; print([n for n in ('torch', 'pandas', 'rich') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

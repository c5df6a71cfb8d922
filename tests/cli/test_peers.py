"""`python -m bench peers`: requests that cannot be carried out, one measurement from end to end, and the table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.app import main
from bench.contracts import BenchError, Cell
from bench.peers import measuring, table
from bench.peers.measurement import Clock, MeasurementJob, SideOutcome, read, save
from bench.runs.record import Machine
from tests.support.made_runs import TOYS, finish_warm

MakeCell = Callable[..., Cell]
MACHINE = Machine(device="cpu", dtype="float32", threads=1, processor="p", system="s")


@pytest.fixture
def measured(toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with measurements of two strategies and their suite."""
    cells = [toy_cell(strategy, seed=seed) for strategy in ("full", "frozen") for seed in (0, 1)]
    outcome = SideOutcome(clock=Clock(prepare=1.0, train=2.0, evaluate=3.0), score=0.5)
    monkeypatch.setattr(measuring, "run", lambda job: (outcome, ""))
    path = tmp_path / "peers.json"
    todo = measuring.jobs(
        cells, ("engine", "trainer-tuned", "scikit-learn"), MeasurementJob(side="engine", cells=())
    )
    save(measuring.measure(todo, measuring.begin(path, MACHINE, cells, {}, print), path, print), path)
    return path


def test_the_table_goes_between_the_marks_of_a_file(measured: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- peers -->\nold\n<!-- /peers -->\nafter\n")
    done = finish_warm(["peers", "--show", "--out", str(measured), "--into", str(readme)])
    assert (done.returncode, done.stdout) == (0, "")
    text = readme.read_text()
    assert text.startswith("before\n<!-- peers -->\n**The same cells")
    assert text.endswith("<!-- /peers -->\nafter\n")
    assert "all 2 × 3 seeds" in text
    assert "old" not in text


def test_json_has_measurements_and_comparisons(measured: Path) -> None:
    value = json.loads(table.as_json(read(measured)))
    assert len(value["measurements"]) == 12
    assert value["comparisons"][0]["whole"]["ratio"] == 1


def test_every_row_of_the_table_has_every_column(measured: Path) -> None:
    built = table.build(read(measured))
    assert {len(row.entries) for block in built.blocks for row in block.rows} == {len(built.columns)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--show", "--out", "nowhere.json"], "nowhere.json: nothing was measured yet"),
        (["--side", "trainr", "--out", "nowhere.json"], "unknown side 'trainr': did you mean 'trainer'?"),
        (["-b", "glove", "-s", "frozen", "--out", "nowhere.json"], "on encoders, not on word vectors"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "peers", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr().err
    assert end.value.code == 2
    assert says in shown
    assert len(shown.splitlines()) == 1


def test_a_measurement_is_a_process_of_its_own(toy_cell: MakeCell) -> None:
    pytest.importorskip("accelerate")
    job = MeasurementJob(
        side="trainer", cells=(toy_cell("frozen"),), device="cpu", threads=1, plugin_files=(TOYS,)
    )
    outcome, reason = measuring.run(job)
    assert reason == ""
    assert outcome is not None
    assert outcome.clock.train > 0


def test_a_side_that_cannot_run_a_cell_says_why(toy_cell: MakeCell) -> None:
    pytest.importorskip("accelerate")
    from bench.peers import worker

    cell = toy_cell("frozen", "toy-ner")
    job = MeasurementJob(side="scikit-learn", cells=(cell,), device="cpu", threads=1, plugin_files=(TOYS,))
    with pytest.raises(BenchError) as error:
        worker.run(job)
    assert error.value.code == "no-classifier-peer"


def test_choosing_what_to_measure_imports_no_trainer() -> None:
    code = "import bench.peers.measuring, bench.peers.table, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

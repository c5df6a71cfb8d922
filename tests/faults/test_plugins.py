"""A plug-in that ends the process, wherever it is called: the program says so, and its exit code is not 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.runs.folder import Store
from tests.support.made_runs import NASTY, TOYS, finish_warm

TASK = """
import os
import sys
from bench.contracts import Splits, TextExample
from tasks.classification import Classification

{at_import}

class Mine(Classification):
    name = "mine"
    summary = "ends the process"

    def splits(self, sources):
        {in_splits}
        rows = [TextExample(str(n), f"the number {{n}}", "odd" if n % 2 else "even") for n in range(60)]
        return Splits(rows[:40], rows[40:50], rows[50:])

    def check(self, example):
        {in_check}
"""


def run(folder: Path, backbone: Path, *more: str, **places: str) -> tuple[int, str]:
    """Exit code and stderr of a run of the task with code at the places."""
    text = TASK.format(**{"at_import": "", "in_splits": "", "in_check": "return None", **places})
    (folder / "mine.py").write_text(text)
    grid = f'seeds = 1\n[tasks.mine]\n[[grid]]\nstrategies = ["frozen"]\nbackbones = ["{backbone}"]\n'
    (folder / "suite.toml").write_text(grid)
    plugins = ["--plugin", str(folder / "mine.py"), "--plugin", str(TOYS), "--plugin", str(NASTY)]
    where = ["--out", str(folder / "run"), "--device", "cpu", "--threads", "1"]
    done = finish_warm(["run", str(folder / "suite.toml"), *plugins, *where, *more])
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("place", "deed"),
    [
        ("at_import", "os._exit(0)"),
        ("in_splits", "os._exit(0)"),
        ("in_splits", "sys.exit(0)"),
        ("in_check", "raise GeneratorExit"),
    ],
)
def test_a_plug_in_that_ends_the_process_is_a_failure_in_one_line(
    place: str, deed: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    status, said = run(tmp_path, tiny_encoder, "--executor", "inline", **{place: deed})
    assert status == 2, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("transferbench: ")
    assert not (tmp_path / "run" / "records").exists()


def test_a_cell_that_exits_in_this_process_has_failed(tmp_path: Path, tiny_encoder: Path) -> None:
    status, said = run(tmp_path, tiny_encoder, "--executor", "inline", "--strategy", "exits")
    assert status == 1, said
    records = {record.cell.strategy: record.status for record in Store(tmp_path / "run").records()}
    assert records == {"exits": "failed"}

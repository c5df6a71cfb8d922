"""The tables in the documents are those of the committed baselines. After a new one, or a change of the statistics:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_tables.py
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.analysis import opening
from bench.analysis.tables.build import build
from bench.cli import app
from bench.cli.output import put
from bench.executors import simulate
from tests.docs.pages import ROOT

QUICK = ROOT / "results" / "baselines" / "quick.jsonl"


def compare(path: Path, copy: Path) -> None:
    """Or put the copy in its place."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(copy.read_bytes())
    assert path.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


def test_the_table_of_results_is_that_of_the_baseline(tmp_path: Path) -> None:
    path, copy = ROOT / "docs" / "results.md", tmp_path / "results.md"
    copy.write_bytes(path.read_bytes())
    source = opening.open_source(str(QUICK))
    put(build(source.records, source.predictions), copy)
    compare(path, copy)


def test_the_front_page_shows_the_table_that_make_readme_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = ROOT / "README.md", tmp_path / "README.md"
    copy.write_bytes(path.read_bytes())
    command = ["make", "--dry-run", "--no-print-directory", "readme"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (recipe,) = shown.replace("\\\n", " ").partition("-m bench table")[2].splitlines()
    arguments = ["table", *shlex.split(recipe)]
    assert arguments[-2:] == ["--into", "README.md"]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["bench", *arguments[:-1], str(copy)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert not ended.value.code
    compare(path, copy)


def test_the_largest_simulated_cluster_is_that_of_the_baseline() -> None:
    """Simulating the other nine takes half a minute; they rest on the same costs and are written with this one."""
    costs = simulate.grid(simulate.costs_of(opening.open_source(str(QUICK)).records), 10_000)
    heading, _, row = simulate.markdown([simulate.simulate(costs, 512)]).splitlines()
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").splitlines()
    assert heading in page
    assert row in page


def test_the_front_page_shows_only_what_was_run() -> None:
    assert "not run" not in (ROOT / "README.md").read_text(encoding="utf-8")

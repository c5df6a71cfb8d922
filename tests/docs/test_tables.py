"""The tables in the documents are those of the committed baseline. After a new one, or a change of the statistics:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_tables.py
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bench.analysis import opening
from bench.analysis.tables.build import ACROSS_TASKS, TableOptions, build
from bench.analysis.tables.model import Table
from bench.cli.output import put
from tests.docs.pages import ROOT

BASELINE = ROOT / "results" / "baselines" / "quick.jsonl"
FRONT = TableOptions(ACROSS_TASKS, ("headline", "relative", "trainable"))


def table(options: TableOptions) -> Table:
    source = opening.open_source(str(BASELINE))
    return build(source.records, source.predictions, options)


@pytest.mark.parametrize(
    ("page", "options", "notes"), [("README.md", FRONT, False), ("docs/results.md", TableOptions(), True)]
)
def test_a_table_is_that_of_the_baseline(page: str, options: TableOptions, notes: bool, tmp_path) -> None:
    made = table(options)
    path = ROOT / page
    copy = tmp_path / "page.md"
    copy.write_bytes(path.read_bytes())
    put(made if notes else replace(made, notes=(), details=()), copy)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(copy.read_bytes())
    assert path.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


def test_the_front_page_shows_only_what_was_run() -> None:
    assert "not run" not in (ROOT / "README.md").read_text(encoding="utf-8")

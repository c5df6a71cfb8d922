"""What docs/speed.md says of preparing was measured, and is in a committed file. After a new measurement:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_prepare.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import TypeAdapter

from bench import suite as suites
from bench.analysis.tables.model import Table
from bench.cli.output import put
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "speed.md"
MEASURED = TypeAdapter(Table).validate_json((ROOT / "results" / "speed" / "prepare.json").read_bytes())


def test_its_table_is_that_of_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_bytes(PAGE.read_bytes())
    put(MEASURED, copy, "prepare")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_bytes(copy.read_bytes())
    assert PAGE.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


def test_it_has_every_task_of_the_suite_in_two_checkouts_of_named_commits() -> None:
    assert [block.title for block in MEASURED.blocks] == list(suites.load("quick").tasks)
    for block in MEASURED.blocks:
        names = [row.labels[0] for row in block.rows]
        assert len(set(names)) == 2
        assert all(re.fullmatch(r"[0-9a-f]{7,12}\+?", name) for name in names)

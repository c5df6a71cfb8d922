"""What docs/gpu.md says was measured is in a committed file. After a change of that file:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_gpu.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bench.analysis.tables.model import Table
from bench.cli.output import put
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "gpu.md"
MEASURED = json.loads((ROOT / "results" / "speed" / "gpu-nvidia-h200.json").read_text(encoding="utf-8"))


def test_its_tables_are_those_of_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_bytes(PAGE.read_bytes())
    for name, values in MEASURED["tables"].items():
        put(TypeAdapter(Table).validate_python(values), copy, f"gpu-{name}")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_bytes(copy.read_bytes())
    assert PAGE.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["device", "commit"])
def test_it_names_where_they_come_from(key: str) -> None:
    assert MEASURED[key] in PAGE.read_text(encoding="utf-8")


def test_it_names_every_check_and_what_the_suite_took() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert all(check in text for check in MEASURED["checks"])
    assert f"{MEASURED['quick']['cells']} cells in {MEASURED['quick']['seconds']} s" in text

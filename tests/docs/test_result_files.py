"""Every committed table is that of the committed baseline, or names the commit that it was measured at. After a new
baseline, or a change of the statistics:

UPDATE_GOLDEN=1 python -m pytest tests/docs
"""

from __future__ import annotations

import os
import re

import pytest

from bench.analysis import opening
from bench.analysis.tables.build import build
from bench.analysis.tables.formats import render
from tests.docs.pages import ROOT

TABLES = ROOT / "results" / "tables"
GENERATED = {"quick.md": "md", "quick.tex": "latex", "reference.md": "md", "ladder.md": "md"}
"""Made here from the baseline of the same name."""
ELSEWHERE = {"verify.md", "verify-reference.md"}
"""Held to the baseline by a test of their own."""


@pytest.mark.parametrize("name", GENERATED)
def test_a_table_is_that_of_the_baseline(name: str) -> None:
    path = TABLES / name
    source = opening.open_source(str(ROOT / "results" / "baselines" / f"{path.stem}.jsonl"))
    made = render(opening.noted(build(source.records, source.predictions), source), GENERATED[name])
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made, "run with UPDATE_GOLDEN=1 and read the difference"


@pytest.mark.parametrize(
    "name", sorted({path.name for path in TABLES.iterdir()} - GENERATED.keys() - ELSEWHERE)
)
def test_any_other_table_says_where_it_is_from(name: str) -> None:
    """The page of results gives its commit; where the table names commits itself, they are the same."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| [{name}]"))
    stated = set(re.findall(r"`([0-9a-f]{7,12})`", row))
    assert stated
    said = re.findall(r"commits? ([0-9a-f, ]+)", (TABLES / name).read_text(encoding="utf-8"))
    own = set(re.findall(r"[0-9a-f]{12}", " ".join(said)))
    assert not own or own == stated


def test_the_page_tells_numbers_of_the_tables_of_reference() -> None:
    """Each score, interval, ratio and difference of what is said about the suite that ranks."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = page.partition("## The reference suite, so far\n")[2].partition("\n## ")[0]
    said = section.partition(" says:\n")[2].partition("\n[Score against rate]")[0]
    tables = "".join(
        (TABLES / f"{name}.md").read_text(encoding="utf-8") for name in ("reference", "verify-reference")
    )
    numbers = re.findall(r"\d+\.\d+", said)
    known = re.findall(r"\d+\.\d+", tables)
    assert len(numbers) > 40
    assert {number for number in numbers if float(number) not in map(float, known)} == set()

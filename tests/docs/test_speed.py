"""docs/speed.md: the measurements are those of the committed files, and the table of ratios is cut from them. After
new measurements:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_speed.py
"""

from __future__ import annotations

import os
import re

import pytest

from bench.cli.output import put
from bench.peers import table
from bench.peers.comparing import SideComparison, compare
from bench.peers.measurement import read
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/speed.md"
SPEED = ROOT / "results/speed"
FP32, AMX = "peers-amd-epyc-2-cores.json", "peers-intel-r-xeon-r-processor-2-cores.json"
CELLS = {
    "`full`, film sentences": ("movie-sentiment", "full"),
    "`top-layers`": ("movie-sentiment", "top-layers"),
    "`gradual`": ("movie-sentiment", "gradual"),
    "`frozen`": ("movie-sentiment", "frozen"),
    "the suite, 4 strategies × 3 seeds": ("movie-sentiment", ""),
    "`full`, entities": ("financial-ner", "full"),
    "`full`, questions": ("squad", "full"),
}


def test_the_measurements_are_those_of_the_file(tmp_path) -> None:
    copy = tmp_path / "page.md"
    copy.write_bytes(PAGE.read_bytes())
    put(table.build(read(SPEED / FP32)), copy, "peers")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_bytes(copy.read_bytes())
    assert PAGE.read_text(encoding="utf-8") == copy.read_text(encoding="utf-8")


def tuned(name: str, cell: tuple[str, str]) -> SideComparison:
    comparisons = compare(read(SPEED / name).measurements)
    return next(
        one
        for one in comparisons
        if one.side == "trainer-tuned" and (one.case.task, one.case.strategy) == cell
    )


def times(one: SideComparison) -> str:
    clock = one.learn or one.whole
    assert clock
    return f"{clock.ratio:.1f}×"


def at_most(one: SideComparison) -> str:
    return f"{one.learn.seconds / one.limit:.1f}×" if one.learn and one.limit else "–"


@pytest.mark.parametrize("label", CELLS)
def test_the_ratios_are_those_of_the_files(label: str) -> None:
    row = re.search(rf"^\| {re.escape(label)} \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert row
    _, fp32, most, amx = (part.strip() for part in row[1].split("|"))
    here = tuned(FP32, CELLS[label])
    assert (fp32, most, amx) == (times(here), at_most(here), times(tuned(AMX, CELLS[label])))


def test_the_page_names_both_files() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"(../results/speed/{name})" in page for name in (FP32, AMX))

"""How many cells had not converged, wherever a page says so, is that of the committed baseline. After a new one, or
another rule of convergence:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_converged.py
"""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest

from bench.analysis.convergence import unconverged
from bench.analysis.opening import open_source
from tests.docs.pages import ROOT, pages

COUNT = re.compile(r"\d+ of its \d+ cells(?=\s+were still improving)")
PAGES = {"docs/results.md": "quick", "docs/statistics.md": "gate"}
"""The suite whose cells a page counts."""


@pytest.mark.parametrize("page", PAGES)
def test_the_cells_that_were_still_improving_are_those_of_the_baseline(page: str) -> None:
    source = open_source(str(ROOT / "results" / "baselines" / f"{PAGES[page]}.jsonl"))
    done = [record for record in source.records if record.status == "done"]
    assert all(record.curve for record in done)
    said = f"{sum(map(unconverged, done))} of its {len(done)} cells"
    path = ROOT / page
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(COUNT.sub(said, path.read_text(encoding="utf-8")), encoding="utf-8")
    assert COUNT.findall(path.read_text(encoding="utf-8")) == [said]


def test_the_page_counts_the_trained_cells_of_reference() -> None:
    """By task, too."""
    source = open_source(str(ROOT / "results" / "baselines" / "reference.jsonl"))
    trained = [record for record in source.records if record.cell.strategy != "probe"]
    late = Counter(record.cell.task for record in trained if unconverged(record))
    assert late == {"conll2003": 8, "financial-ner": 17, "movie-sentiment": 2, "reuters-r52": 9}
    said = f"{late.total()} of {len(trained)} trained cells were still improving when their budget ended"
    page = " ".join((ROOT / "docs" / "results.md").read_text(encoding="utf-8").split())
    assert f"{said}: 17 on loan agreements, eight on `conll2003`, nine on `reuters-r52`" in page


def test_no_other_page_counts_them() -> None:
    assert {page.name for page in pages() if COUNT.search(page.text)} == PAGES.keys()

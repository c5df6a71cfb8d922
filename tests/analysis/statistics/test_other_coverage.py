"""The page shows the coverage of other metrics, and of examples of a few documents, as it was measured."""

from __future__ import annotations

from tests.docs.pages import ROOT
from tests.support.other_coverage import CASES, CELLS, SEEDS, as_json, markdown, of_documents, read

MEASURED = ROOT / "results" / "statistics" / "other-coverage.jsonl"


def test_the_page_shows_what_was_measured() -> None:
    text = MEASURED.read_text(encoding="utf-8")
    found = read(text)
    assert [(item.case, item.seeds) for item in found] == [
        (case.name, seeds) for case in CASES for seeds in SEEDS
    ]
    assert all(item.cells >= CELLS for item in found)
    assert "".join(map(as_json, found)) == text
    assert markdown(found) in (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_intervals_over_few_documents_hold_their_promise() -> None:
    """With the variance over two documents taken for known, the interval of one seed holds in 70% of cells."""
    for item in read(MEASURED.read_text(encoding="utf-8")):
        if "documents" in item.case:
            assert item.share >= 0.95 - 2 * (0.05 * 0.95 / item.cells) ** 0.5, item
    assert of_documents(2, 300).held(100, 1) >= 0.89

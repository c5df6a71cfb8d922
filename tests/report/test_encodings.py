"""Numbers of charts are those of the tables."""

from __future__ import annotations

from decimal import ROUND_HALF_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest

from bench.analysis.tables.formats import cell_text
from bench.analysis.tables.model import Column, Entry
from bench.report.encodings import percent


@pytest.mark.parametrize(
    "score", [0.7595, 0.7625, 0.7635, 0.7645, 0.0005, 0.9995, 0.76349999, 0.5, 1 / 3, 0.0]
)
def test_a_chart_rounds_a_score_as_the_table_does(score: float) -> None:
    """Browsers round 76.25 up, Python to the even tenth; 0.7595 is 75.949… as a float, and 75.95 when rounded."""
    shown = cell_text(Entry(score), Column("f1", "f1", "percent"), 1)
    for rule in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_HALF_DOWN):
        assert str(Decimal(repr(percent(score))).quantize(Decimal("0.1"), rule)) == shown
    assert percent(score) == pytest.approx(100 * score, abs=0.0061)

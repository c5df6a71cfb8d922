"""Entries of a table in LaTeX."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis.tables import latex
from bench.analysis.tables.model import Column, Entry


@pytest.mark.parametrize(
    ("entry", "unit", "text"),
    [
        (Entry(0.8), "score", "80.0"),
        (Entry(0.8, 0.02), "score", r"80.0 {\scriptsize$\pm$2.0}"),
        (Entry(0.8, 0.1, bounds=(0.7, 0.81)), "score", r"80.0 {\scriptsize[70.0, 81.0]}"),
        (Entry(0.8, points=(0.5, 0.9)), "score", r"80.0 {\scriptsize(50.0, 90.0)}"),
        (Entry(0.8, 0.1, "tied", bounds=(0.7, 0.81)), "score", r"\underline{80.0} {\scriptsize[70.0, 81.0]}"),
        (Entry(0.8, 0.02, "best"), "score", r"\textbf{80.0} {\scriptsize$\pm$2.0}"),
        (Entry(10.0, note="†"), "seconds", "10.0 †"),
        (Entry(2.0, note="2/3"), "count", "2/3"),
        (Entry(2.0), "count", "2"),
        (Entry(note="not run"), "score", "not run"),
        (Entry(), "score", "--"),
    ],
)
def test_an_entry_has_its_value_what_is_around_it_and_its_note(entry: Entry, unit: Any, text: str) -> None:
    assert latex._entry(entry, Column("c", "c", unit), 1) == text

"""Numbers in tables beside the bounds of their form, and what a screen shows of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.analysis.tables.formats import cell_text
from bench.analysis.tables.layouts import marked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.number_format import column_decimals, compact, decimals, interval, number, spread

# --------------------------------------------------------------------------------------------------
# Numbers


@pytest.mark.parametrize(
    ("number_", "unit", "text"),
    [
        (99.49, "seconds", "99.5"),
        (-99.5, "seconds", "-100"),
        (1234.5678, "milliseconds", "1234.6"),
        (99.49, "times", "99.49×"),
        (0.0, "share", "0%"),
        (0.00009, "share", "<0.01%"),
        (0.0001, "share", "0.01%"),
        (0.0099, "share", "0.99%"),
        (0.01, "share", "1.0%"),
        (0.05 * 2**20 - 1, "bytes", "51.2 KiB"),
        (0.05 * 2**20, "bytes", "0.1 MiB"),
        (9.94 * 2**20, "bytes", "9.9 MiB"),
        (9.95 * 2**20, "bytes", "10 MiB"),
        (2.25, "rank", "2.2"),
        (0.456, "effect", "0.46"),
        (0.001, "p", "0.001"),
        (0.00099, "p", "<0.001"),
        (math.inf, "seconds", "–"),
        (10_000, "count", "10k"),
        (9_999, "count", "9999"),
    ],
)
def test_numbers_beside_the_bounds_of_their_form(number_: float, unit: Any, text: str) -> None:
    assert number(Entry(number_), Column("c", "c", unit)) == text


@pytest.mark.parametrize(
    ("number_", "text"),
    [
        (1e6, "1M"),
        (999_499, "999k"),
        (999_500, "1M"),
        (999_500_000, "1B"),
        (1e9, "1B"),
        (100.4, "100"),
        (99.96, "100"),
        (99.44, "99.4"),
        (-20_000, "-20k"),
    ],
)
def test_counts_beside_the_bounds_of_their_suffix(number_: float, text: str) -> None:
    assert compact(number_) == text


@pytest.mark.parametrize(
    ("number_", "digits", "text"),
    [
        (1e12, 1, "1.00e+12"),
        (9e11, 1, "900,000,000,000.0"),
        (0.5, 7, "5.00e-01"),
        (0.5, 6, "0.500000"),
        (0.0, 2, "0.00"),
        (1.2e-6, 1, "1.2e-06"),
        (1.2e-5, 1, "0.000012"),
    ],
)
def test_errors_beside_the_bounds_of_their_form(number_: float, digits: int, text: str) -> None:
    assert number(Entry(number_), Column("c", "c", "error"), digits) == text


def test_decimals_follow_the_typical_spread() -> None:
    assert decimals([Entry(0.8, 0.001)]) == 1
    assert decimals([Entry(0.8, 0.00099)]) == decimals([Entry(0.8, 0.000995)]) == 2
    assert decimals([Entry(0.8, size) for size in (0.0005, 0.0005, 0.02)]) == 2
    assert decimals([Entry(0.8, size) for size in (0.0005, 0.02, 0.02)]) == 1
    assert decimals([Entry(0.8, size) for size in (0.0005, 0.02)]) == 1
    assert decimals([Entry(5.0, size) for size in (0.02, 3.0, 40.0)], "error") == 1
    assert decimals([Entry(5.0, size) for size in (0.02, 3.0)], "error") == 1
    assert decimals([Entry(5.0, math.inf), Entry(0.04), Entry(0.03)], "error") == 4
    assert decimals([Entry(0.03), Entry(400.0)], "error") == 0
    assert decimals([Entry(0.0), Entry("x"), Entry(math.nan)], "error") == 1


def test_an_entry_with_its_interval() -> None:
    score = Column("c", "c", "score")
    assert interval(Entry(0.8, 0.02), score) == " ± 2.0"
    assert (
        interval(Entry(0.8), score)
        == interval(Entry(None, 0.02), score)
        == interval(Entry(0.8, math.inf), score)
        == ""
    )
    assert interval(Entry(0.8, 0.02, bounds=(0.7, 0.81)), score) == " [70.0, 81.0]"
    assert interval(Entry(0.8, 0.02, bounds=(0.7, 0.81), points=(0.5, 0.9)), score) == " (50.0, 90.0)"
    assert spread(Entry(0.8, 0.02), score) == "2.0"
    assert spread(Entry(0.5, 0.25), Column("c", "c", "times")) == "0.25"
    assert cell_text(Entry(0.5, 0.25, note="†"), Column("c", "c", "times"), 1) == "0.50× ± 0.25 †"
    assert cell_text(Entry(2.0, note="2/3"), Column("c", "c", "count"), 1) == "2/3"
    assert cell_text(Entry(2.0), Column("c", "c", "count"), 1) == "2"
    assert cell_text(Entry(note="not run"), score, 1) == "not run"
    assert cell_text(Entry(), score, 1) == "–"


def test_every_column_has_decimals_of_its_own() -> None:
    columns = (Column("a", "a", "score"), Column("b", "b", "score"))
    rows = tuple(Row(("r",), (Entry(0.5, small), Entry(0.5, 0.02))) for small in (0.0001, 0.0002))
    assert column_decimals(Table("", ("r",), columns, (Block("", rows),))) == [2, 1]


def test_neighbouring_columns_of_a_task_are_one_group() -> None:
    names = ("x", "x", "y", "x", "")
    columns = tuple(Column(str(place), "", "score", name) for place, name in enumerate(names))
    assert Table("", (), columns, ()).groups() == [("x", 2), ("y", 1), ("x", 1), ("", 1)]
    assert [item.key for item in columns[-2:]] == ["x/3", "4"]


def test_the_best_of_a_column_by_its_unit() -> None:
    columns = [
        Column("s", "s", "score"),
        Column("e", "e", "error"),
        Column("t", "t", "seconds"),
        Column("o", "o", "score"),
    ]
    rows = [(0.8, 0.8, 1.0, 0.5), (0.9, 0.7, 2.0, None), (0.9, 0.9, 0.5, None)]
    block = Block("", tuple(Row((str(n),), tuple(map(Entry, row))) for n, row in enumerate(rows)))
    marks = [[item.mark for item in row.entries] for row in marked(block, columns).rows]
    assert marks == [["", "", "", ""], ["best", "best", "", ""], ["best", "", "", ""]]


@pytest.mark.parametrize(("scores", "marks"), [((0.8,), [""]), ((0.8, 0.7), ["best", ""])])
def test_one_score_alone_is_not_the_best(scores: tuple[float, ...], marks: list[str]) -> None:
    block = Block("", tuple(Row((str(score),), (Entry(score),)) for score in scores))
    found = marked(block, [Column("s", "s", "score")])
    assert [row.entries[0].mark for row in found.rows] == marks


# --------------------------------------------------------------------------------------------------
# On a screen


@pytest.mark.parametrize(
    ("width", "bands"),
    [
        (23, ["s     accuracy  seconds\n───────────────────────\nfull      80.0     10.0\n"]),
        (
            22,
            [
                "s     accuracy\n──────────────\nfull      80.0\n",
                "s     seconds\n─────────────\nfull     10.0\n",
            ],
        ),
    ],
)
def test_columns_that_do_not_fit_stand_below(width: int, bands: list[str]) -> None:
    from io import StringIO

    from rich.console import Console

    from bench.analysis.tables.terminal import show

    columns = (Column("a", "accuracy", "score"), Column("s", "seconds", "seconds"))
    table = Table("cap", ("s",), columns, (Block("", (Row(("full",), (Entry(0.8), Entry(10.0))),)),))
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(show(table))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == "cap\n\n" + "\n".join(bands) + "\n"


@pytest.mark.parametrize(
    ("heading", "lines"),
    [
        ("", ("",)),
        ("fourteen chars", ("fourteen chars",)),
        ("fifteen letters", ("fifteen", "letters")),
        ("misclassifications", ("misclassifications",)),
        ("worst-of-the-group error", ("worst-of-the-group", "error")),
    ],
)
def test_a_heading_is_broken_at_spaces_alone(heading: str, lines: tuple[str, ...]) -> None:
    from bench.analysis.tables.terminal import HEADING, _wrapped

    assert _wrapped(heading, HEADING) == lines

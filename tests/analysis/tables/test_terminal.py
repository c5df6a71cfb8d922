"""Tables on a screen: styles, groups of columns, and columns that are wider than the screen."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.terminal import PLAIN, show
from bench.cli import output
from bench.cli.options import Format


def console(width: int = 80, **more: Any) -> Console:
    return Console(width=width, file=StringIO(), **{"color_system": None, **more})


def text_of(screen: Console) -> str:
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


def table_of(columns: tuple[Column, ...], *rows: tuple[Entry, ...]) -> Table:
    block = Block("", tuple(Row(("full",), entries) for entries in rows))
    return Table("cap", ("s",), columns, (block,))


SCORE = Column("a", "accuracy", "score")
MARKED = table_of((SCORE,), (Entry(0.8, mark="best"),), (Entry(0.75, mark="tied"),), (Entry(0.7),))


def test_marks_are_styles_where_there_are_some() -> None:
    screen = console(color_system="standard", force_terminal=True)
    screen.print(show(MARKED))
    best, tied, other = text_of(screen).splitlines()[4:7]
    assert (best, tied) == ("full      \x1b[1m80.0\x1b[0m", "full      \x1b[4m75.0\x1b[0m")
    assert other == "full      70.0"
    assert PLAIN not in text_of(screen)


def test_marks_are_signs_in_plain_text() -> None:
    screen = console()
    screen.print(show(MARKED))
    assert text_of(screen).splitlines()[4:7] == ["full     *80.0", "full     =75.0", "full      70.0"]
    assert PLAIN in text_of(screen)


def test_groups_of_columns_and_headings_of_several_lines_rest_on_the_rule() -> None:
    columns = (
        Column("a", "accuracy", "score", "reviews"),
        Column("w", "worst group of all", "score", "reviews"),
        Column("r", "rank", "rank"),
        Column("n", "note", "text", "newsgroups"),
    )
    screen = console()
    screen.print(show(table_of(columns, (Entry(0.8), Entry(0.7), Entry(1.5), Entry("ok")))))
    assert text_of(screen) == (
        "cap\n\n"
        "      reviews ────────────────        news\n"
        "                worst group of\n"
        "s     accuracy             all  rank  note\n"
        "──────────────────────────────────────────\n"
        "full      80.0            70.0   1.5  ok\n"
        "\n"
    )


WIDE = table_of((SCORE, Column("t", "why", "text")), (Entry(0.8), Entry("compared seed by seed")))
BANDS = (
    "cap\n\n"
    "s     accuracy\n──────────────\nfull      80.0\n"
    "\n"
    "s     why\n───────────────────────────\nfull  compared seed by seed\n"
    "\n"
)


def test_a_column_that_is_wider_than_the_screen_stands_alone_and_whole(monkeypatch: Any) -> None:
    """As `table` prints it on a terminal."""
    screen = console(13)
    monkeypatch.setattr(output, "console", lambda: screen)
    output.show(WIDE, Format.terminal)
    assert text_of(screen) == BANDS

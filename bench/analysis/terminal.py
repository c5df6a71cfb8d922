"""A table on the terminal, through rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis import numerals
from bench.analysis.formats import cell_text, heading, printable
from bench.analysis.model import Block, Table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable

STYLES = {"best": "bold", "tied": "underline", "": ""}


def show(table: Table) -> Group:
    """A renderable for `rich.console.Console.print`: a grid a block, then the notes, dimmed."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RichTable | Text] = [_grid(table, block) for block in table.blocks]
    parts += [Text(printable(note), style="dim") for note in table.notes]
    return Group(Text(printable(table.caption), style="bold"), *parts)


def _grid(table: Table, block: Block) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    digits = numerals.column_decimals(table)
    grid = RichTable(box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    if block.title:
        grid.title = Text(printable(block.title))
    for name in table.headings:
        grid.add_column(Text(printable(name)), no_wrap=True)
    for column in table.columns:
        justify = "left" if column.unit == "text" else "right"
        grid.add_column(Text(printable(heading(column))), justify=justify, overflow="fold")
    for row in block.rows:
        entries = [
            Text(
                printable(cell_text(entry, column, places)),
                style=STYLES[entry.mark],
                no_wrap=column.unit != "text",
            )
            for entry, column, places in zip(row.entries, table.columns, digits, strict=True)
        ]
        grid.add_row(*(Text(printable(label)) for label in row.labels), *entries)
    return grid

"""A table on the terminal, through rich. No value is ever cut: columns that do not fit continue below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.tables import number_format
from bench.analysis.tables.formats import cell_text
from bench.analysis.tables.model import Column, Row, Table
from bench.text import counted, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

STYLES = {"best": "bold", "loud": "bold", "tied": "underline", "": ""}
SIGNS = {"best": "*", "loud": "", "tied": "=", "": ""}
"""Signs that replace the styles in files and pipes."""
PLAIN = "In plain text * stands for bold and = for underlined."
FOLDED = "{notes}, on data, recipe and machine: add --notes to `table`."
GAP = "  "
HEADING = 14  # a heading wider than this and than its values is broken at spaces


@dataclass(frozen=True)
class Lane:
    """A column as it is printed: its place in the table (labels first), its heading by line, its width."""

    place: int
    group: str
    heading: tuple[str, ...]
    width: int
    right: bool


@dataclass(frozen=True)
class RenderedTable:
    """A table that rich can print: one grid per block, then the dimmed notes, without the details. A column has the
    same width in every block. Columns that do not fit beside the row labels follow in further bands below, as in
    pandas; a block leaves out the columns that it does not fill."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        table = self.table
        yield Text(printable(table.caption), style="bold")
        plain = console.color_system is None
        texts = _texts(table, SIGNS if plain else dict.fromkeys(SIGNS, ""))
        labels, lanes = _lanes(table, texts)
        width = options.max_width if not options.no_wrap else None
        for block, rows in zip(table.blocks, texts, strict=True):
            yield Text()
            if block.title:
                yield Text(printable(block.title), style="bold")
            filled = [lane for lane in lanes if any(row[lane.place] for row in rows)]
            for number, band in enumerate(_bands(labels, filled, width)):
                if number:
                    yield Text()
                yield _band(band, block.rows, rows, len(labels))
        yield Text()
        marked = any(
            SIGNS[entry.mark] for block in table.blocks for row in block.rows for entry in row.entries
        )
        folded = [FOLDED.format(notes=counted(len(table.details), "more note"))] if table.details else []
        for note in (*table.notes, *([PLAIN] if plain and marked else []), *folded):
            yield Text(printable(note), style="dim")


def show(table: Table) -> RenderedTable:
    """A renderable for `rich.console.Console.print`."""
    return RenderedTable(table)


def _texts(table: Table, signs: Mapping[str, str]) -> list[list[list[str]]]:
    """The printed texts by block and row: labels, then entries with the signs of their marks."""
    digits = number_format.column_decimals(table)
    return [
        [
            [
                *map(printable, row.labels),
                *(
                    signs[entry.mark] + printable(cell_text(entry, column, places))
                    for entry, column, places in zip(row.entries, table.columns, digits, strict=True)
                ),
            ]
            for row in block.rows
        ]
        for block in table.blocks
    ]


def _lanes(table: Table, texts: Sequence[Sequence[Sequence[str]]]) -> tuple[list[Lane], list[Lane]]:
    """The lanes of the labels, and those of the columns."""
    from rich.cells import cell_len

    headings: list[tuple[str, Column | None]] = [(name, None) for name in table.headings]
    headings += [(column.heading, column) for column in table.columns]
    lanes = []
    for place, (name, column) in enumerate(headings):
        widest = max((cell_len(row[place]) for rows in texts for row in rows), default=0)
        text = column is None or column.unit == "text"
        lines = _wrapped(printable(name), max(widest, HEADING))
        width = max(widest, *map(cell_len, lines))
        group = printable(column.group) if column is not None else ""
        lanes.append(Lane(place, group, lines, width, not text))
    return lanes[: len(table.headings)], lanes[len(table.headings) :]


def _wrapped(text: str, width: int) -> tuple[str, ...]:
    import textwrap

    return tuple(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) or ("",)


def _bands(labels: Sequence[Lane], lanes: Sequence[Lane], width: int | None) -> Iterator[list[Lane]]:
    """The lanes of each band: the labels, and as many columns as fit beside them; at least one."""
    band = list(labels)
    for lane in lanes:
        full = width is not None and _width([*band, lane]) > width
        if full and len(band) > len(labels):
            yield band
            band = list(labels)
        band.append(lane)
    yield band


def _width(lanes: Sequence[Lane]) -> int:
    return sum(lane.width for lane in lanes) + len(GAP) * (len(lanes) - 1)


def _band(lanes: Sequence[Lane], rows: Sequence[Row], texts: Sequence[Sequence[str]], labels: int) -> Text:
    from rich.text import Text

    shown = Text(overflow="ignore", end="")
    for line in _head(lanes):
        shown.append(line.rstrip() + "\n")
    shown.append("─" * _width(lanes) + "\n", style="dim")
    for row, values in zip(rows, texts, strict=True):
        for number, lane in enumerate(lanes):
            style = STYLES[row.entries[lane.place - labels].mark] if lane.place >= labels else ""
            value, padding = values[lane.place], _padding(values[lane.place], lane.width)
            last = number == len(lanes) - 1
            shown.append(padding if lane.right else "")
            shown.append(value, style=style or None)
            shown.append("" if last else GAP if lane.right else padding + GAP)
        shown.append("\n")
    return shown


def _head(lanes: Sequence[Lane]) -> list[str]:
    """The lines of the headings, the groups above them, all resting on the rule."""
    height = max(len(lane.heading) for lane in lanes)
    lines = []
    if any(lane.group for lane in lanes):
        lines.append(_groups(lanes))
    for number in range(height):
        parts = []
        for lane in lanes:
            place = number - (height - len(lane.heading))
            text = lane.heading[place] if place >= 0 else ""
            padding = _padding(text, lane.width)
            parts.append(padding + text if lane.right else text + padding)
        lines.append(GAP.join(parts))
    return lines


def _groups(lanes: Sequence[Lane]) -> str:
    """Each group's name over its lanes, cut where it is wider than they are."""
    from itertools import groupby

    from rich.cells import set_cell_size

    parts = []
    for name, members in groupby(lanes, key=lambda lane: lane.group):
        width = _width(list(members))
        parts.append(set_cell_size(f"{name} ".ljust(width, "─") if name else "", width))
    return GAP.join(parts)


def _padding(text: str, width: int) -> str:
    from rich.cells import cell_len

    return " " * (width - cell_len(text))

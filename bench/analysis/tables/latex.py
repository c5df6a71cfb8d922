"""A table in LaTeX with booktabs; it compiles in any document that loads `booktabs` and `graphicx`."""

from __future__ import annotations

from bench.analysis.tables import number_format
from bench.analysis.tables.model import Column, Entry, Table
from bench.text import printable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "–": "--",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    **{
        bar: rf"\rule{{.4em}}{{{height / 8:g}em}}" for height, bar in enumerate("▁▂▃▄▅▆▇█", 1)
    },  # of a sparkline
}


FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Shrinks a table that is wider than the text."""


def render(table: Table) -> str:
    """A `table*` environment with caption, booktabs rules, and the notes below; never wider than the text."""
    digits = number_format.column_decimals(table)
    width = len(table.headings) + len(table.columns)
    align = "l" * len(table.headings)
    align += "".join("l" if column.unit == "text" else "r" for column in table.columns)
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering\small",
        rf"\caption{{{escape(table.caption)}}}",
        FIT,
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        *_head(table),
        r"\midrule",
    ]
    for number, block in enumerate(table.blocks):
        if number:
            lines.append(r"\midrule")
        if block.title:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escape(block.title)}}}}} \\")
        for row in block.rows:
            cells = [*map(escape, row.labels), *map(_entry, row.entries, table.columns, digits)]
            if cells[0][:1] in ("[", "*"):  # the end of the row above would take it for its argument
                cells[0] = f"{{}}{cells[0]}"
            lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.every_note:
        notes = " ".join(escape(note) for note in table.every_note)
        lines += ["", rf"\smallskip\parbox{{\linewidth}}{{\scriptsize {notes}}}"]
    return "\n".join([*lines, r"\end{table*}"])


def _head(table: Table) -> list[str]:
    """The headings, with a line of column groups above where there are any."""
    lines = []
    if any(column.group for column in table.columns):
        cells, rules, start = [""] * len(table.headings), [], len(table.headings) + 1
        for name, span in table.groups():
            cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(name)}}}")
            if name:
                rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
            start += span
        lines = [" & ".join(cells) + r" \\", " ".join(rules)]
    names = [*table.headings, *(column.heading for column in table.columns)]
    return [*lines, " & ".join(map(escape, names)) + r" \\"]


def _entry(entry: Entry, column: Column, digits: int) -> str:
    if entry.value is None:
        return escape(entry.note or number_format.ABSENT)
    if column.unit == "count" and entry.note:
        return escape(entry.note)
    value = escape(number_format.number(entry, column, digits))
    bold = rf"\textbf{{{value}}}"
    value = {"best": bold, "loud": bold, "tied": rf"\underline{{{value}}}"}.get(entry.mark, value)
    if entry.bounds is not None or entry.points:
        value += rf" {{\scriptsize{escape(number_format.interval(entry, column, digits).strip())}}}"
    elif spread := number_format.spread(entry, column, digits):
        value += rf" {{\scriptsize$\pm${escape(spread)}}}"
    return f"{value} {escape(entry.note)}" if entry.note else value


def escape(text: str) -> str:
    """Text that LaTeX prints literally; control characters become spaces."""
    return "".join(SPECIAL.get(character, character) for character in printable(text))

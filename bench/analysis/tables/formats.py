"""A table as text: Markdown, LaTeX, CSV, HTML, JSON. Every label is escaped for its format."""

from __future__ import annotations

import html
import re
from typing import Any, Literal

from bench.analysis.tables import comma_separated, latex, number_format
from bench.analysis.tables.model import Column, Entry, Table
from bench.contracts import BenchError
from bench.text import json_text, printable

_ACTIVE = re.compile(
    r"(?<![\w])@(?=\w)|@(?=[\w.-]+\.[a-z])|#(?=\d)|\bGH-(?=\d)|\b\w+:(?=//)|\bwww(?=\.)|\bmailto:",
    re.IGNORECASE,
)
"""Where GitHub would make a mention, a reference to an issue, or a link."""
Format = Literal["md", "latex", "csv", "html", "json"]


def render(table: Table, format: str = "md") -> str:
    """The table in one of the formats, ending in a newline. BenchError lists the formats."""
    if format not in RENDERERS:
        raise BenchError(
            f"unknown format '{format}' (formats: {', '.join(RENDERERS)})", code="unknown-format"
        )
    return RENDERERS[format](table).rstrip("\n") + "\n"


def cell_text(entry: Entry, column: Column, digits: int) -> str:
    """One entry in plain text: value, spread, and its note where there is one."""
    if entry.value is None:
        return entry.note or number_format.ABSENT
    if column.unit == "count" and entry.note:
        return entry.note
    text = number_format.number(entry, column, digits) + number_format.interval(entry, column, digits)
    return f"{text} {entry.note}" if entry.note else text


def heading(column: Column) -> str:
    """A column's heading for formats without grouped headings."""
    return f"{column.group}: {column.heading}" if column.group else column.heading


# --------------------------------------------------------------------------------------------------
# Markdown


def _markdown(table: Table) -> str:
    from tabulate import tabulate

    digits = number_format.column_decimals(table)
    headings = [*table.headings, *(heading(column) for column in table.columns)]
    align = ["left"] * len(table.headings)
    align += ["left" if column.unit == "text" else "right" for column in table.columns]
    parts = [f"**{escape_markdown(table.caption)}**"]
    for block in table.blocks:
        rows = [
            [
                *(escape_markdown(label) for label in row.labels),
                *map(_markdown_entry, row.entries, table.columns, digits),
            ]
            for row in block.rows
        ]
        if block.title:
            parts.append(f"### {escape_markdown(block.title)}")
        text = tabulate(
            rows,
            headers=[escape_markdown(name) for name in headings],
            tablefmt="pipe",
            colalign=align if rows else None,
            disable_numparse=True,
            preserve_whitespace=True,
        )
        parts.append(text)
    parts += [escape_markdown(note) for note in table.every_note]
    return "\n\n".join(parts)


def _markdown_entry(entry: Entry, column: Column, digits: int) -> str:
    text = escape_markdown(cell_text(entry, column, digits))
    return {"best": f"**{text}**", "loud": f"**{text}**", "tied": f"<ins>{text}</ins>"}.get(entry.mark, text)


def escape_markdown(text: str) -> str:
    """Text that GitHub's Markdown shows as it is: markup escaped, controls removed, one line. It mentions
    nobody, refers to no issue and makes no link: GitHub looks for these in what is shown, so an escape would not
    help and a space of no width does."""
    text = re.sub(r"([\\`*_\[\]|~])", r"\\\1", printable(text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ACTIVE.sub(lambda found: f"{found[0]}&#8203;", text)


# --------------------------------------------------------------------------------------------------
# HTML


def _html(table: Table) -> str:
    width = len(table.headings) + len(table.columns)
    lines = [
        "<table>",
        f"<caption>{_escape_html(table.caption)}</caption>",
        "<thead>",
        *_html_head(table),
        "</thead>",
    ]
    digits = number_format.column_decimals(table)
    for block in table.blocks:
        lines.append("<tbody>")
        if block.title:
            lines.append(f'<tr><th colspan="{width}" scope="rowgroup">{_escape_html(block.title)}</th></tr>')
        for row in block.rows:
            labels = "".join(f'<th scope="row">{_escape_html(label)}</th>' for label in row.labels)
            entries = "".join(map(_html_entry, row.entries, table.columns, digits))
            lines.append(f"<tr>{labels}{entries}</tr>")
        lines.append("</tbody>")
    if table.every_note:
        notes = "".join(f"<p>{_escape_html(note)}</p>" for note in table.every_note)
        lines.append(f'<tfoot><tr><td colspan="{width}">{notes}</td></tr></tfoot>')
    return "\n".join([*lines, "</table>"])


def _html_head(table: Table) -> list[str]:
    lines = []
    if any(column.group for column in table.columns):
        groups = "".join(
            f'<th colspan="{span}" scope="colgroup">{_escape_html(name)}</th>'
            for name, span in table.groups()
        )
        lines.append(f'<tr><td colspan="{len(table.headings)}"></td>{groups}</tr>')
    names = [*table.headings, *(column.heading for column in table.columns)]
    return [
        *lines,
        "<tr>" + "".join(f'<th scope="col">{_escape_html(name)}</th>' for name in names) + "</tr>",
    ]


def _html_entry(entry: Entry, column: Column, digits: int) -> str:
    text = _escape_html(cell_text(entry, column, digits))
    bold = f"<strong>{text}</strong>"
    marked = {"best": bold, "loud": bold, "tied": f"<u>{text}</u>"}.get(entry.mark, text)
    return f"<td>{marked}</td>"


def _escape_html(text: str) -> str:
    return html.escape(printable(text))


# --------------------------------------------------------------------------------------------------
# JSON


def _json(table: Table) -> str:
    blocks = [
        {
            "title": block.title,
            "rows": [
                {
                    **dict(zip(table.headings, row.labels, strict=True)),
                    "values": {
                        column.key: _json_entry(entry)
                        for column, entry in zip(table.columns, row.entries, strict=True)
                    },
                }
                for row in block.rows
            ],
        }
        for block in table.blocks
    ]
    columns = [
        {"key": column.key, "heading": column.heading, "unit": column.unit, "group": column.group}
        for column in table.columns
    ]
    value = {"caption": table.caption, "columns": columns, "blocks": blocks, "notes": list(table.every_note)}
    return json_text(value)


def _json_entry(entry: Entry) -> dict[str, Any]:
    """Numbers to 12 digits: the last ones differ between processors."""
    value, spread = (
        float(f"{item:.12g}") if isinstance(item, float) else item for item in (entry.value, entry.spread)
    )
    fields = {"value": value, "spread": spread, "mark": entry.mark, "note": entry.note}
    if entry.points:
        fields["points"] = [float(f"{point:.12g}") for point in entry.points]
    if entry.bounds is not None:
        fields["bounds"] = [float(f"{bound:.12g}") for bound in entry.bounds]
    return {name: value for name, value in fields.items() if name == "value" or value not in (None, "")}


RENDERERS = {
    "md": _markdown,
    "latex": latex.render,
    "csv": comma_separated.render,
    "html": _html,
    "json": _json,
}

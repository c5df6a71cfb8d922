"""Pages as one HTML file that contains its styles, scripts and charts; Jinja escapes everything else."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bench.analysis.tables.formats import cell_text
from bench.analysis.tables.model import Column, Entry, Table
from bench.analysis.tables.number_format import column_decimals
from bench.extras import missing
from bench.report import palette
from bench.report.reading import REFERENCE
from bench.report.vega import Chart, script

if TYPE_CHECKING:
    from bench.report.page import Page
    from bench.report.regression import Regression


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


@dataclass(frozen=True)
class ShownEntry:
    """A table entry as the page shows it. order: its sort key, '' where it has no value."""

    text: str
    order: str
    mark: str
    numeric: bool


MOST_PICTURES = 100
"""Charts of a page that have a static picture; the page's script draws the others. Each picture takes about 15 ms
of CPU time, and the library that draws them keeps megabytes of each."""
MOST_MARKS = 5_000
"""Rows of data in all these pictures: a chart of 80 strategies takes as long as ten of eight."""


class _Pictures:
    """The static pictures of a page: of its first charts, in reading order. charts: how many it has."""

    def __init__(self, page: Page | Regression) -> None:
        values = [value for value in vars(page).values() if isinstance(value, tuple)]
        charts = [item for value in values for item in value if isinstance(item, Chart)]
        self.charts, marks = len(charts), sum(chart.marks for chart in charts)
        within = MOST_MARKS * self.charts // marks if marks > MOST_MARKS else self.charts
        self.most = self._left = min(MOST_PICTURES, max(within, 1))

    def svg(self, chart: Chart) -> Any:
        """The chart's static form, '' where the page has enough of them. Its texts are escaped by Vega."""
        from markupsafe import Markup

        self._left -= 1
        return Markup(chart.svg()) if self._left >= 0 else ""


def report(page: Page) -> str:
    """The report of a run as HTML."""
    return _render("report.html", page, reference=REFERENCE)


def regression(page: Regression) -> str:
    """The comparison of two runs as HTML."""
    return _render("regression.html", page)


def _render(template: str, page: Page | Regression, **values: Any) -> str:
    looks = palette.looks(page.strategies)
    return (
        _environment()
        .get_template(template)
        .render(page=page, looks=looks, pictures=_Pictures(page), **values)
    )


@lru_cache(maxsize=1)
def _environment() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise missing("report", "report", error) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.globals |= {
        "cells": cells,
        "decimals": column_decimals,
        "vega": _vega,
        "colours": palette,
        "identifier": _identifier,
        "source": _source,
        "policy": _policy,
    }
    return environment


def _visible(value: Any) -> Any:
    """Text without the characters that HTML forbids and UTF-8 cannot hold; markup as it is."""
    return CONTROL.sub(" ", value) if type(value) is str else value


def cells(table: Table, entries: tuple[Entry, ...], decimals: list[int]) -> list[ShownEntry]:
    """The entries of a row. decimals: of the table's columns."""
    return [_cell(*item) for item in zip(entries, table.columns, decimals, strict=True)]


def _cell(entry: Entry, column: Column, digits: int) -> ShownEntry:
    order = "" if entry.value is None else str(entry.value)
    return ShownEntry(cell_text(entry, column, digits), order, entry.mark, column.unit != "text")


def _vega() -> Any:
    from markupsafe import Markup

    text = script().replace("</script", "<\\/script")
    return Markup(
        text.replace("\r\n", "\n").replace("\r", "\n")
    )  # as a browser reads it: its digest is of that


def _policy() -> str:
    """The content security policy: the page's own two scripts run, and nothing is loaded. Vega makes
    functions of its expressions, so these scripts may."""
    scripts = " ".join(f"'sha256-{_digest(text)}'" for text in (_vega(), _source("page.js")))
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _source(name: str) -> Any:
    """A file of the templates as it is: a style sheet or a script."""
    from markupsafe import Markup

    environment = _environment()
    return Markup(environment.loader.get_source(environment, name)[0])


def _identifier(*parts: str) -> str:
    """An HTML id for a section or a chart, whatever its name is made of."""
    return "x" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]

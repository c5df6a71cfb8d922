"""Vega-Lite through vl-convert: charts as static SVG, and the library to be inlined in a page.

Colours in a specification are CSS variables, so one SVG serves light, dark and print."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.data.cache import default_cache
from bench.extras import missing
from bench.report.chart_text import all_fit
from bench.runs import atomic_files

Spec = dict[str, Any]
"""A Vega-Lite specification: JSON."""

VERSION = "6.4"  # of Vega-Lite
FONT = "system-ui, sans-serif"
CONFIG: Spec = {
    "mark": {"aria": False},  # the figure is one image with a description; its numbers are in tables
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "aria": False,
        "labelColor": "var(--muted)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--grid)",
        "domainColor": "var(--axis)",
        "tickColor": "var(--axis)",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 150,
        "labelOverlap": True,
    },
    "legend": {
        "aria": False,
        "labelColor": "var(--ink)",
        "labelFontSize": 11,
        "symbolSize": 90,
        "symbolBaseFillColor": "var(--muted)",
        "symbolBaseStrokeColor": "var(--muted)",
    },
}


@dataclass(frozen=True)
class Chart:
    """A chart. description: its caption and its text for people who cannot see it."""

    spec: Spec
    title: str
    description: str

    @property
    def marks(self) -> int:
        """How many rows of data it draws, over all layers."""
        return sum(len(part.get("data", {}).get("values", ())) for part in _parts(self.spec))

    def svg(self) -> str:
        """The static form of the chart."""
        return _library().vegalite_to_svg(self.spec, vl_version=VERSION)


def _parts(spec: Spec) -> list[Spec]:
    """The specification and its layers, however deep."""
    return [spec, *(part for layer in spec.get("layer", ()) for part in _parts(layer))]


def chart(title: str, description: str, height: int, content: Spec) -> Chart:
    """A chart 460 pixels wide. `hidden` holds the strategies that are switched off."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 460,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "params": [{"name": "hidden", "value": []}],
        "transform": [{"filter": "indexof(hidden, datum.strategy) < 0"}],
        "config": CONFIG,
        **all_fit(content),
    }
    return Chart(spec, title, description)


@lru_cache(maxsize=1)
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, made once per version and kept in the cache folder."""
    library = _library()
    path = default_cache() / "report" / f"vega-{library.__version__}-{VERSION}.js"
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return _bundle(library, path)


def _bundle(library: Any, path: Path) -> str:
    text = library.javascript_bundle(vl_version=VERSION)
    with suppress(BenchError):  # without a cache the next report takes some seconds longer
        atomic_files.write(path, text.encode())
    return text


def _library() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise missing("report", "report", error) from error
    return vl_convert

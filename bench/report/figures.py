"""Figures for papers, by matplotlib: PDF, SVG or PNG, one or two columns wide, text as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bench.analysis.groups import Group
from bench.analysis.ranking import TASKS
from bench.analysis.rates import scales_of, tried
from bench.analysis.tables.forgetting import by_layer
from bench.contracts import BenchError
from bench.extras import missing
from bench.report import palette, rank_figure, rate_figure
from bench.report.chart_text import fit
from bench.report.curves import cold_curve, mean_curve
from bench.report.front import options
from bench.report.ranks import name, ranking
from bench.report.reading import Reading

Kind = Literal["pareto", "curves", "convergence", "shift", "ranks", "forgetting", "rates"]
Width = Literal["one", "two"]
INCHES: dict[str, float] = {"one": 3.3, "two": 6.8}  # columns of the ACL and ICML styles, a little less
OVER_TASKS = "all tasks"
FORMATS = (".pdf", ".svg", ".png")
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e9ed",
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,  # TrueType: letters stay letters
    "svg.fonttype": "none",
    "svg.hashsalt": "transferbench",  # the same figure is the same file
    "savefig.dpi": 300,
}


@dataclass(frozen=True)
class _Style:
    """How a group is drawn."""

    colour: str
    dash: tuple[float, tuple[float, ...]] | str
    marker: str


def save(reading: Reading, kind: Kind, path: Path, width: Width = "two") -> None:
    """Write a figure with one panel per task. The suffix of the path sets the format.

    BenchError for an unknown kind, width or suffix, and where the run has nothing of this kind."""
    _check(kind, width, path)
    try:
        import matplotlib
    except ImportError as error:
        raise missing("plot", "report", error) from error
    from matplotlib.figure import Figure

    from bench.runs import atomic_files

    tasks = [OVER_TASKS] if kind == "ranks" else reading.tasks
    tasks = [task for task in tasks if DRAWN[kind].has(reading, task)]
    if not tasks:
        raise BenchError(
            f"the run has nothing to plot as '{kind}': {DRAWN[kind].missing}", code="nothing-to-plot"
        )
    across = 1 if width == "one" else 2 if len(tasks) in (2, 4) else min(len(tasks), 3)
    down = math.ceil(len(tasks) / across)
    with matplotlib.rc_context(STYLE):
        size = (INCHES[width], down * (2.1 if width == "one" else 1.9) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).ravel().tolist()
        for panel in panels[len(tasks) :]:
            panel.set_visible(False)
        for panel, task in zip(panels, tasks, strict=False):
            panel.set_title(_plain(task))
            DRAWN[kind].draw(panel, reading, task)
        names = [_plain(reading.label(key)) for key in reading.groups]
        _legend(figure, panels[: len(tasks)], names, 3 if width == "one" else 6)
        atomic_files.write(path, _bytes(figure, path.suffix))


def _check(kind: str, width: str, path: Path) -> None:
    for what, value, valid in (
        ("kind", kind, get_args(Kind)),
        ("width", width, get_args(Width)),
        ("ending of --out", path.suffix, FORMATS),
    ):
        if value not in valid:
            raise BenchError(
                f"unknown {what} '{value}' (choose from {', '.join(valid)})",
                code=f"unknown-{what.split()[0]}",
            )


def _bytes(figure: Any, suffix: str) -> bytes:
    import io

    buffer = io.BytesIO()
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
    figure.savefig(buffer, format=suffix[1:], metadata=dates[suffix])
    return buffer.getvalue()


def _legend(figure: Any, panels: Sequence[Any], names: Sequence[str], columns: int) -> None:
    """One legend for all panels, below them, in the order of the names."""
    entries = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    ordered = {name: entries[name] for name in names if name in entries}
    place = "outside lower center"
    figure.legend(ordered.values(), ordered.keys(), loc=place, ncols=columns, frameon=False)


def _style(reading: Reading, group: Group) -> _Style:
    look = palette.looks(reading.strategies)[group.key.strategy]
    marker = palette.by_backbone(reading.backbones, palette.MARKERS)[group.key.backbone]
    return _Style(palette.LIGHT[look.place], (0, look.dash) if look.dash else "solid", marker)


def _plain(text: str) -> str:
    """Text that matplotlib can draw, and does not read as mathematics."""
    return fit(text).replace("$", r"\$")


# --------------------------------------------------------------------------------------------------
# The kinds


def _draw_pareto(panel: Any, reading: Reading, task: str) -> None:
    found = options(reading, task)
    front = [item for item in found if item.front]
    if front:
        panel.step(
            [*(item.seconds for item in front), max(item.seconds for item in found)],
            [100 * item.score for item in (*front, front[-1])],
            where="post",
            color="#9aa1ac",
            linewidth=0.9,
            zorder=1,
        )
    for item in found:
        style = _style(reading, reading.groups[item.key])
        panel.errorbar(
            [item.seconds],
            [100 * item.score],
            yerr=[[100 * (item.score - item.low)], [100 * (item.high - item.score)]],
            color=style.colour,
            marker=style.marker,
            markersize=4.5,
            linestyle="none",
            elinewidth=0.8,
            label=_plain(reading.label(item.key)),
        )
    panel.set_xscale("log")
    panel.set_xlabel("cold seconds")
    panel.set_ylabel(_plain(f"{reading.headline(task)}, %"))
    _plain_seconds(panel)


def _draw_curves(panel: Any, reading: Reading, task: str) -> None:
    _draw_lines(panel, reading, task, lambda point: point.step)
    panel.set_xlabel("optimizer steps")


def _draw_convergence(panel: Any, reading: Reading, task: str) -> None:
    _draw_lines(panel, reading, task, lambda point: point.seconds)
    panel.set_xscale("log")
    panel.set_xlabel("cold seconds elapsed")
    _plain_seconds(panel)


def _draw_lines(panel: Any, reading: Reading, task: str, place: Callable[[Any], float]) -> None:
    """Means over seeds; seeds are thin lines."""
    for group in reading.of_task(task):
        style = _style(reading, group)
        for record in group.done:
            curve = cold_curve(record)
            x, y = [place(point) for point in curve], [100 * point.score for point in curve]
            panel.plot(x, y, color=style.colour, linewidth=0.5, alpha=0.35)
        mean = mean_curve(group)
        panel.plot(
            [place(point) for point in mean],
            [100 * point.score for point in mean],
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markersize=2.5,
            label=_plain(reading.label(group.key)),
        )
    panel.set_ylabel(_plain(f"validation {reading.headline(task)}, %"))


def _draw_shift(panel: Any, reading: Reading, task: str) -> None:
    tests = reading.tests(task)
    for group in reading.of_task(task):
        style, metric = _style(reading, group), reading.headline(task)
        scores = [group.scores(metric, test) for test in tests]
        panel.plot(
            range(len(tests)),
            [100 * sum(values) / len(values) if values else math.nan for values in scores],
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markersize=4,
            label=_plain(reading.label(group.key)),
        )
    names = ["source" if test == "test" else _plain(test) for test in tests]
    panel.set_xticks(range(len(tests)), names, rotation=20, ha="right")
    panel.set_ylabel(_plain(f"{reading.headline(task)}, %"))


def _draw_ranks(panel: Any, reading: Reading, _: str) -> None:
    found, looks = ranking(reading), palette.looks(reading.strategies)
    assert found is not None
    names = [_plain(name(reading, item)) for item in found.rows]
    rank_figure.draw(panel, names, found, lambda strategy: palette.LIGHT[looks[strategy].place])


def _draw_forgetting(panel: Any, reading: Reading, task: str) -> None:
    for group in reading.of_task(task):
        layers = by_layer(group)
        if not layers:
            continue
        style = _style(reading, group)
        panel.plot(
            range(len(layers)),
            layers,
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markersize=3,
            label=_plain(reading.label(group.key)),
        )
        panel.set_xticks(range(len(layers)), ["emb.", *map(str, range(1, len(layers)))])
    panel.set_xlabel("layer")
    panel.set_ylabel("CKA with the given encoder")


def _draw_rates(panel: Any, reading: Reading, task: str) -> None:
    groups = [group for group in reading.of_task(task) if tried(group)]
    for group in groups:
        style = _style(reading, group)
        line = {"color": style.colour, "linestyle": style.dash, "marker": style.marker}
        rate_figure.draw_line(panel, tried(group), {**line, "label": _plain(reading.label(group.key))})
    scales = scales_of([record for group in groups for record in group.done])
    rate_figure.label_axes(panel, scales, _plain(reading.headline(task)))


def _plain_seconds(panel: Any) -> None:
    """Seconds as 0.5, 10, 200 instead of powers of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = panel.get_xlim()
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(5))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())


@dataclass(frozen=True)
class _Drawn:
    """A kind of figure: how a panel is drawn, whether a task has one, and the message where no task has."""

    draw: Callable[[Any, Reading, str], None]
    has: Callable[[Reading, str], bool]
    missing: str


def _has_curves(reading: Reading, task: str) -> bool:
    return any(record.curve for group in reading.of_task(task) for record in group.done)


DRAWN: dict[str, _Drawn] = {
    "pareto": _Drawn(_draw_pareto, lambda r, t: bool(options(r, t)), "no cell finished"),
    "curves": _Drawn(_draw_curves, _has_curves, "no record has a learning curve"),
    "convergence": _Drawn(_draw_convergence, _has_curves, "no record has a learning curve"),
    "shift": _Drawn(_draw_shift, lambda r, t: len(r.tests(t)) > 1, "no task has test sets of other domains"),
    "forgetting": _Drawn(
        _draw_forgetting,
        lambda r, t: any(by_layer(group) for group in r.of_task(t)),
        "no cell ran with recipe.forgetting = true",
    ),
    "rates": _Drawn(
        _draw_rates,
        lambda r, t: any(len(tried(group)) > 1 for group in r.of_task(t)),
        "no cell tried several learning rates: plot the development run of its suite",
    ),
    "ranks": _Drawn(
        _draw_ranks,
        lambda r, _: ranking(r) is not None,
        f"ranks need {TASKS} tasks with the same strategies",
    ),
}

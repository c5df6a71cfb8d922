"""The columns that a table can have, each computed from the records of a group."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean

from bench.analysis.derived import DERIVED
from bench.analysis.groups import (
    Group,
    Key,
    floor,
    is_degenerate,
    is_one_machine,
    metric_heading,
    metric_names,
    scale,
)
from bench.analysis.statistics.scales import ERROR
from bench.analysis.statistics.uncertainty import Shown, Uncertainty
from bench.analysis.tables import chosen, default_rates, forgetting, serving
from bench.analysis.tables.model import ADAPTED, Column, Entry, Unit
from bench.analysis.timing import TimeNoise, noise
from bench.contracts import BenchError


@dataclass(frozen=True)
class Context:
    """What a column may read besides its own group."""

    groups: Mapping[Key, Group]
    uncertainty: Uncertainty
    reference: str  # the strategy that others are compared with: full
    at_default: default_rates.DefaultRates | None = None
    planned: Mapping[str, int] = field(default_factory=dict)  # seeds, by a cell's id without its seed

    def counterpart(self, group: Group) -> Group | None:
        """The reference strategy on the same task and backbone."""
        return self.groups.get(group.key._replace(strategy=self.reference))

    @cached_property
    def _time_noise(self) -> TimeNoise:
        return noise(found for group in self.groups.values() if (found := group.timing()))

    def time_half(self, group: Group, other: Group) -> float | None:
        """Half of the 95% interval of the logarithm of a ratio of times; None where one was measured once."""
        sides = group.timing(), other.timing()
        return self._time_noise.half(*sides) if all(sides) else None  # type: ignore[arg-type]

    def seeds(self, group: Group) -> int:
        """The seeds of a complete group: as planned, or without a plan up to the last that has a record."""
        cells = {record.cell.id.rpartition("/")[0] for record in group.records}
        known = 1 + max(record.cell.seed for record in group.records)
        return max(known, sum(self.planned.get(cell, 0) for cell in cells))


@dataclass(frozen=True)
class Measure:
    """A column that is not a metric: its heading, its unit, and its value for a group. A score is that of the
    headline, in its unit."""

    heading: str
    unit: Unit
    entry: Callable[[Group, Context], Entry]


def score(group: Group, metric: str, context: Context, test: str = "test") -> Entry:
    """The mean over seeds, with its spread."""
    values = group.scores(metric, test)
    if values:
        shown = Shown(group.key, metric, test)
        mark = "tied" if shown in context.uncertainty.tied else ""
        known = context.uncertainty
        bounds, points = known.bounds.get(shown), known.points.get(shown, ())
        return Entry(fmean(values), known.spread.get(shown), mark, bounds=bounds, points=points)
    if group.failures and not group.done:
        return Entry(note=group.failures[0].status)
    return Entry()


def _seconds(group: Group, context: Context) -> Entry:
    return Entry(group.seconds(), note=_adapted(group))


def _adapted(group: Group) -> str:
    """A mark where a run of the group was adapted, so its time is not that of the cell as requested."""
    return ADAPTED if any(record.adaptations for record in group.done) else ""


def _relative(group: Group, context: Context) -> Entry:
    """Cold seconds over those of the reference, where both ran on the same machine."""
    other = context.counterpart(group)
    own, base = group.seconds(), other.seconds() if other else None
    if other is None or not own or not base or not is_one_machine(group.machines(), other.machines()):
        return Entry()
    ratio = own / base
    half = context.time_half(group, other) if group.key != other.key else None
    spread = None if half is None else ratio * math.expm1(half)
    return Entry(ratio, spread, note=_adapted(group) or _adapted(other))


def _trainable(group: Group, context: Context) -> Entry:
    return Entry(group.trainable())


def _parameters(group: Group, context: Context) -> Entry:
    return Entry(float(group.done[0].trainable)) if group.done else Entry()


def _memory(group: Group, context: Context) -> Entry:
    peaks = [record.peak_memory for record in group.done if record.peak_memory]
    return Entry(float(max(peaks))) if peaks else Entry()


def _seeds(group: Group, context: Context) -> Entry:
    """The finished seeds, out of how many where some did not finish, and how many of them are degenerate."""
    done, expected = len(group.done), context.seeds(group)
    note = "" if done == expected else f"{done}/{expected}"
    if degenerate := sum(map(is_degenerate, group.done)):
        note = f"{note or done} ({degenerate} degenerate)"
    return Entry(float(done), note=note)


def _of_full(group: Group, context: Context) -> Entry:
    return _share_of_reference(group, context, corrected=0.0)


def _of_full_corrected(group: Group, context: Context) -> Entry:
    return _share_of_reference(group, context, corrected=1.0)


def _share_of_reference(group: Group, context: Context, corrected: float) -> Entry:
    """(score - c floor) / (reference - c floor), with c 0 or 1; empty where the reference is at its floor, and for
    an error, of which less is more."""
    other = context.counterpart(group)
    own, base = group.scores(group.headline), other.scores(group.headline) if other else []
    if not own or not base or scale([group], "") == ERROR:
        return Entry()
    low = corrected * floor(group.done[0], group.headline)
    above = fmean(base) - low
    return Entry((fmean(own) - low) / above) if above > 0.005 else Entry()


def _at_default_rates(group: Group, context: Context) -> Entry:
    """The headline score at default rates; of a group that has them, its own."""
    known = context.at_default
    if known is not None and group.key in known.groups:
        other = known.groups[group.key]
        return score(other, other.headline, replace(context, uncertainty=known.uncertainty))
    if all(chosen.rate_scale(record) == 1.0 for record in group.done):
        return replace(score(group, group.headline, context), mark="")
    return Entry()


MEASURES: dict[str, Measure] = {
    "seconds": Measure("seconds", "seconds", _seconds),
    "relative": Measure("time / full", "times", _relative),
    "trainable": Measure("trainable", "share", _trainable),
    "parameters": Measure("trained parameters", "count", _parameters),
    "memory": Measure("peak memory", "bytes", _memory),
    "seeds": Measure("seeds", "count", _seeds),
    default_rates.COLUMN: Measure("at default rates", "score", _at_default_rates),
    "of-full": Measure("% of full", "percent", _of_full),
    "of-full-corrected": Measure("% of full above chance", "percent", _of_full_corrected),
}
MEASURES |= {
    name: Measure(heading, unit, lambda group, _, entry=entry: entry(group))
    for name, (heading, unit, entry) in {**serving.COLUMNS, **forgetting.COLUMNS, **chosen.COLUMNS}.items()
}
SETS = {"serving": tuple(serving.COLUMNS), "forgetting": tuple(forgetting.COLUMNS)}
"""Names that stand for several columns."""
OVERALL = ("average", "rank")
HEADLINE = "headline"


def checked(names: Iterable[str], groups: Iterable[Group]) -> tuple[str, ...]:
    """The column names, or a BenchError that lists the valid ones and suggests the nearest."""
    groups = list(groups)
    valid = [HEADLINE, *metric_names(groups), *MEASURES, *SETS, *OVERALL]
    wanted = tuple(column for name in names for column in SETS.get(name, (name,)))
    known = any(group.done for group in groups)
    for name in wanted:
        if name not in valid and known:
            near = difflib.get_close_matches(name, valid, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            if name in DERIVED:
                hint = "; it is computed from the predictions of texts with one label" + (
                    ", which keep their logits with --set recipe.logits=true" if DERIVED[name].columns else ""
                )
            raise BenchError(
                f"unknown column '{name}'{hint} (columns: {', '.join(valid)})", code="unknown-column"
            )
    return wanted


def column(name: str, groups: Iterable[Group], reference: str, task: str = "") -> Column:
    """The column of this name; `headline` shows the task's own headline metric."""
    groups = list(groups)
    if name in MEASURES:
        measure = MEASURES[name]
        unit = score_unit(groups, "") if measure.unit == "score" else measure.unit
        return Column(name, measure.heading.replace("full", reference), unit, task)
    if name == HEADLINE:
        found = list(dict.fromkeys(group.headline for group in groups if group.headline))
        heading = metric_heading(found[0], groups) if len(found) == 1 else "score"
        return Column(name, heading, score_unit(groups, ""), task)
    return Column(name, metric_heading(name, groups), score_unit(groups, name), task)


def score_unit(groups: Iterable[Group], metric: str) -> Unit:
    """The unit of a metric's column; of the headline where it is ''."""
    return "error" if scale(groups, metric) == ERROR else "score"


def entry(name: str, group: Group, context: Context) -> Entry:
    """The entry of one group in the column of this name."""
    if name in MEASURES:
        return MEASURES[name].entry(group, context)
    return score(group, group.headline if name == HEADLINE else name, context)

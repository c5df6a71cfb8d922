"""The second column of scores: those of the same cells at their strategies' default learning rates.

A ranking at tuned rates beside one at default rates shows how much of it is the choice of a rate, unless rows or
settings differ too: such cells are left out. Other seeds and conditions are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.statistics.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.contracts import BenchError, Recipe
from bench.runs.record import Record
from bench.text import first_of

COLUMN = "default-rates"
WORDS = ("tuned", "at default rates")


@dataclass(frozen=True)
class DefaultRates:
    """A run at default rates. groups: those of its cells that differ from those of the table in nothing but rates.
    uncertainty: of their headline scores, which are not tested against each other. warnings: what is left out, and
    which seeds and conditions differ."""

    name: str
    groups: Mapping[Key, Group]
    uncertainty: Uncertainty
    warnings: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        return (
            "At default rates: the headline score of the same cells at their strategies' own learning rates "
            f"({self.name}). No test of this table compares it."
        )


def matched(run: Run, tuned: Mapping[Key, Group], intervals: bool) -> DefaultRates:
    """The groups of a run at default rates that belong beside those of a table. BenchError where there is none."""
    given = {
        key: ranked_by(group, tuned[key].headline)
        for key, group in gather(run.records).items()
        if key in tuned
    }
    reasons = {key: "; ".join(_differences(tuned[key], group)) for key, group in given.items()}
    found = {key: group for key, group in given.items() if not reasons[key]}
    if not found:
        why = f" ({next(iter(reasons.values()))})" if reasons else ""
        raise BenchError(
            f"{run.name}: none of its cells is one of this table at another learning rate{why}: name a run of the "
            "same suite at default rates with `--default-rates`",
            code="other-cells",
        )
    shown = {key: (group.headline,) if group.headline else () for key, group in found.items()}
    known = from_predictions(found, shown, run.predictions) if intervals else from_seeds(found, shown)
    warnings = (*_left_out(reasons), *_other_seeds(tuned, found), *_other_conditions(tuned, found))
    return DefaultRates(run.name, found, replace(known, tied=frozenset()), warnings)


def ranked_by(group: Group, metric: str) -> Group:
    """The group with this metric as its headline."""
    return Group(group.key, tuple(record.model_copy(update={"headline": metric}) for record in group.records))


def _differences(tuned: Group, other: Group) -> list[str]:
    """What differs besides rates, in words. Of two groups of which one has not finished, their settings alone."""
    from bench.analysis.regression.matching import differences

    first, second = (Group(group.key, tuple(map(_alone, group.records))) for group in (tuned, other))
    if not first.done or not second.done:
        return [] if _settings(first) == _settings(second) else ["another recipe"]
    metric = first.headline
    if first.scores(metric) and not second.scores(metric):
        return [f"no {metric}"]
    return differences(first, second, WORDS)


def _settings(group: Group) -> set[tuple[Recipe, tuple[tuple[str, Any], ...]]]:
    return {(record.cell.recipe, record.cell.options) for record in group.records}


def _alone(record: Record) -> Record:
    """The record, as if its recipe had not named a rate, and as if its headline were its one metric."""
    recipe = replace(record.cell.recipe, rate_scale=1.0, tune=())
    metrics = tuple(metric for metric in record.metrics if metric.name == record.headline)
    return record.model_copy(update={"cell": replace(record.cell, recipe=recipe), "metrics": metrics})


def _left_out(reasons: Mapping[Key, str]) -> list[str]:
    """A note for each reason why cells are not shown."""
    cells: dict[str, list[Key]] = {}
    for key, reason in reasons.items():
        if reason:
            cells.setdefault(reason, []).append(key)
    return [f"Not shown at default rates: {first_of(keys)}: {reason}." for reason, keys in cells.items()]


def _other_seeds(tuned: Mapping[Key, Group], found: Mapping[Key, Group]) -> list[str]:
    """A note on the cells whose scores are means over other seeds."""
    cells: dict[tuple[str, str], list[Key]] = {}
    for key, group in found.items():
        first, second = (_seeds(side) for side in (tuned[key], group))
        if group.done and first != second:
            cells.setdefault((first, second), []).append(key)
    return [
        f"Other seeds at default rates: {first_of(keys)} (tuned {first}; at default rates {second})."
        for (first, second), keys in cells.items()
    ]


def _seeds(group: Group) -> str:
    return ", ".join(str(record.cell.seed) for record in group.done) or "none"


def _other_conditions(tuned: Mapping[Key, Group], found: Mapping[Key, Group]) -> list[str]:
    """A note on what else differs: the scores may do so for that, and not for their rates."""
    from bench.analysis.regression.conditions import differing_conditions

    pairs = [(tuned[key], group) for key, group in found.items() if tuned[key].done and group.done]
    changes = differing_conditions(pairs, WORDS)
    return [f"At default rates under other conditions: {'; '.join(changes)}."] if changes else []
